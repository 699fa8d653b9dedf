"""When the engine counts as blind."""

from datetime import UTC, datetime, timedelta

import pytest

from heartbeat.judgement.pulse import blind_since

NOON = datetime(2026, 5, 20, 12, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "blind"),
    [(0, False), (60, False), (120, False), (135, False), (136, True), (60 * 24, True)],
)
def test_it_is_blind_when_two_expected_refreshes_have_not_come(minutes: int, blind: bool) -> None:
    since = blind_since(NOON, NOON + timedelta(minutes=minutes))
    assert since == (NOON if blind else None)


def test_what_was_never_computed_is_not_blind() -> None:
    assert blind_since(None, NOON) is None
