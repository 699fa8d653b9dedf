import pytest

from heartbeat.judgement.grouped import grouped

TOLD = [("a", "away"), ("b", "odd"), ("c", "away"), ("d", "away")]


@pytest.mark.parametrize(
    ("at_most", "lines"),
    [
        (None, ["a, c, d: away", "b: odd"]),
        (3, ["a, c, d: away", "b: odd"]),
        (2, ["a, c and 1 more: away", "b: odd"]),
    ],
)
def test_each_message_is_told_once_with_all_that_it_is_about(
    at_most: int | None, lines: list[str]
) -> None:
    assert grouped(TOLD, at_most=at_most) == lines
