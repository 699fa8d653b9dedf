"""The first line in the log of an API that refuses every write."""

import pytest

from heartbeat.settings import Settings
from heartbeat_api.__main__ import who_can_write


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "set HEARTBEAT_OPERATOR_TOKENS or HEARTBEAT_TRUSTED_PROXIES"),
        ({"HEARTBEAT_TRUSTED_PROXIES": "172.16.83.10"}, "only who comes through a trusted proxy"),
        ({"HEARTBEAT_OPERATOR_TOKENS": "dana=0123456789abcdef"}, None),
    ],
    ids=["nobody", "the users of a proxy", "an operator"],
)
def test_the_log_says_who_can_write_where_no_operator_has_a_token(
    variables: dict[str, str], told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEARTBEAT_OPERATOR_TOKENS", "HEARTBEAT_TRUSTED_PROXIES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = who_can_write(Settings.load())
    assert said == told or (told is not None and said is not None and told in said)
