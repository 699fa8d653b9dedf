"""The cut that the documentation writes piece by piece: it loads, counts right and draws."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from heartbeat.audit.audit_cut import AuditCut, load_cuts
from heartbeat.audit.audit_snapshot import draw_cut
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts
from tests.integration.demo_platform import ANCHOR, REPOSITORY

PAGE = REPOSITORY / "docs" / "audit-cuts.md"


@pytest.fixture
def documented(tmp_path: Path) -> AuditCut:
    pieces = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "unused_cards.py").write_text("\n\n".join(pieces), encoding="utf-8")
    loaded = load_cuts(tmp_path)
    assert loaded.problems == ()
    return loaded.cuts[0]


@pytest.mark.parametrize("days", [7, 30, 90])
def test_the_cut_of_the_documentation_counts_and_draws(
    bank: BankCuts, documented: AuditCut, days: int
) -> None:
    drawn = draw_cut(documented, f"{days}d", bank.platform.settings, as_of=ANCHOR)

    payload: Any = drawn.payload
    cards = bank.table("card_management_card.card")
    issued = cards[
        (cards["issued_at"] >= MOMENT - pd.Timedelta(days=days)) & (cards["issued_at"] < MOMENT)
    ]
    used = issued["activated_at"] < MOMENT
    assert issued.size > 0
    assert {row["product"]: (row["issued"], row["unused"]) for row in payload["rows"]} == {
        product: (len(part), int((~used[part.index]).sum()))
        for product, part in issued.groupby("product")
    }
    assert payload["headline"] == f"{(~used).sum()} of {len(issued)} cards unused"


def test_without_cards_it_says_so(empty_bank: BankCuts, documented: AuditCut) -> None:
    drawn = draw_cut(documented, "30d", empty_bank.platform.settings, as_of=ANCHOR)
    assert drawn.payload["prose"] == "Of the cards issued in 30 days, there are none."
