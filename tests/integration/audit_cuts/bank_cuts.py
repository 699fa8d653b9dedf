"""The cuts of the repository on the landed bank, and its tables for a second computation."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd
import psycopg

from demo_bank.truth import true_values
from heartbeat.audit.audit_snapshot import DrawnCut, draw_cut
from tests.integration.demo_platform import ANCHOR, DemoPlatform

MOMENT = ANCHOR.replace(tzinfo=None)
"""The moment of all computes, naive UTC as the bank writes its own."""


def largest_first(values: pd.Series) -> pd.Series:
    """The values, the largest first and equal ones by their index, as the cuts order them.

    Float sums of equal amounts differ in their last digits, and the default sort of pandas leaves
    equal values in an order that depends on the processor.
    """
    ranked = values.round(6).sort_index().sort_values(ascending=False, kind="stable")
    return values.reindex(ranked.index)


@dataclass
class BankCuts:
    """A bank of 600 clients with every incident, landed, seen at `MOMENT`."""

    platform: DemoPlatform
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    _drawn: dict[tuple[str, str], DrawnCut] = field(default_factory=dict)
    _true: dict[str, Any] = field(default_factory=dict)

    def drawn(self, cut_id: str, window: str) -> DrawnCut:
        """The cut as the worker computes and draws it; made once."""
        if (cut_id, window) not in self._drawn:
            cuts = {cut.cut_id: cut for cut in self.platform.project.cuts.cuts}
            self._drawn[cut_id, window] = draw_cut(
                cuts[cut_id], window, self.platform.settings, as_of=ANCHOR
            )
        return self._drawn[cut_id, window]

    def payload(self, cut_id: str, window: str) -> Any:
        """What the cut counted."""
        return self.drawn(cut_id, window).payload

    def table(self, name: str) -> pd.DataFrame:
        """All rows of a landed table, numbers as floats, moments naive UTC; read once."""
        if name not in self._tables:
            with psycopg.connect(self.platform.settings.database_url) as connection:
                cursor = connection.execute(f"select * from {name}".encode())
                columns = [column.name for column in cursor.description or ()]
                frame = pd.DataFrame(cursor.fetchall(), columns=columns)
            for column in ("amount", "rate", "balance", "required_amount"):
                if column in frame:
                    frame[column] = frame[column].astype(float)
            self._tables[name] = frame
        return self._tables[name].copy(deep=False)

    def euro_rates(self) -> pd.DataFrame:
        """Columns d, currency, per_eur: the last rate known at the end of each day."""
        rates = self.table("currency_rate_rate.rate")
        rates = rates[(rates["base"] == "EUR") & (rates["rate_time"] < MOMENT)]
        daily = (
            rates.sort_values(["rate_time", "id"])
            .assign(d=lambda each: each["rate_time"].dt.normalize())
            .pivot_table(index="d", columns="quote", values="rate", aggfunc="last")
            .reindex(pd.date_range(rates["rate_time"].min().normalize(), MOMENT.date()))
            .ffill()
            .assign(EUR=1.0)
        )
        return daily.melt(
            ignore_index=False, var_name="currency", value_name="per_eur"
        ).reset_index(names="d")

    def revenue(self, days: int) -> pd.DataFrame:
        """Posted revenue entries on client accounts of the last days x 24 h, with `eur`."""
        entries = self.table("webbank_core.entry")
        types = self.table("webbank_dict.entry_type").rename(columns={"code": "entry_type"})
        states = self.table("webbank_dict.entry_state").set_index("code")["id"]
        accounts = self.table("webbank_core.account")[["id", "client_profile_id"]]
        found = (
            entries[entries["entry_state_id"] == states["POSTED"]]
            .merge(types[types["is_revenue"]], left_on="entry_type_id", right_on="id")
            .merge(accounts, left_on="account_id", right_on="id", suffixes=("", "_account"))
        )
        since = MOMENT - timedelta(days=days)
        found = found[
            (found["account_id"] > 0)
            & (found["create_time"] >= since)
            & (found["create_time"] < MOMENT)
        ]
        found = found.assign(d=found["create_time"].dt.normalize()).merge(self.euro_rates())
        sign = found["debit_credit"].map({"D": 1.0, "C": -1.0})
        euros: pd.DataFrame = found.assign(eur=sign * found["amount"] / found["per_eur"])
        return euros

    def true(self, metric_id: str) -> Any:
        """The hand count of a metric at the anchor, from the bank's own event lists."""
        if not self._true:
            bank = self.platform.bank
            self._true.update(true_values(bank, bank.default_incidents()))
        return self._true[metric_id]["value"]
