"""Who may write: tokens, trusted proxies, and this machine while neither is set up."""

import pytest
from fastapi import HTTPException, Request

from heartbeat.errors import SettingsError
from heartbeat.settings import Settings
from heartbeat_api.operators import OperatorPolicy

TOKEN = "a-token-of-dana-1"
LOCAL = {"host": "localhost:8000"}


def request(peer: str = "127.0.0.1", **headers: str) -> Request:
    written = {**LOCAL, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in written.items()]
    return Request({"type": "http", "headers": raw, "client": (peer, 50_000)})


def policy(monkeypatch: pytest.MonkeyPatch, **variables: str) -> OperatorPolicy:
    for name, value in variables.items():
        monkeypatch.setenv(f"HEARTBEAT_{name}", value)
    return OperatorPolicy(Settings.load())


def refusal(of: OperatorPolicy, asked: Request) -> tuple[int, str]:
    with pytest.raises(HTTPException) as refused:
        of.actor(asked)
    return refused.value.status_code, refused.value.detail


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "localhost"])
def test_while_nothing_is_set_up_this_machine_may_write(
    monkeypatch: pytest.MonkeyPatch, peer: str, host: str
) -> None:
    assert policy(monkeypatch).actor(request(peer, host=host)) == "loopback"


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request("10.0.0.7"), id="another machine"),
        pytest.param(request(x_forwarded_for="127.0.0.1"), id="through a proxy"),
        pytest.param(request(forwarded="for=127.0.0.1"), id="through a standard proxy"),
        pytest.param(request(host="heartbeat.evil.example"), id="by another name"),
        pytest.param(request(host="localhost.evil.example:8000"), id="by a name that begins so"),
        pytest.param(request(host="[::1"), id="by a broken name"),
        pytest.param(request(origin="null"), id="from a page of no origin"),
        pytest.param(request(origin="https://evil.example"), id="from another page"),
        pytest.param(request("not an address"), id="no address"),
        pytest.param(request("10.0.0.7", x_forwarded_email="a@b"), id="names itself"),
    ],
)
def test_nobody_else_may(monkeypatch: pytest.MonkeyPatch, asked: Request) -> None:
    status, detail = refusal(policy(monkeypatch), asked)
    assert status == 403
    assert "set HEARTBEAT_OPERATOR_TOKENS or HEARTBEAT_TRUSTED_PROXIES" in detail


def test_a_page_of_this_origin_may(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(origin="http://localhost:8000")
    assert policy(monkeypatch).actor(asked) == "loopback"


def test_a_token_says_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = policy(
        monkeypatch, OPERATOR_TOKENS=f"eve=another-token-of-eve, dana@bank.example = {TOKEN}"
    )
    asked = request("10.0.0.7", authorization=f"Bearer {TOKEN}")
    assert operators.actor(asked) == "dana@bank.example"


@pytest.mark.parametrize(
    "authorization", ["Bearer a-token-of-nobody", "Bearer", "Basic YTpi", f"Token {TOKEN}"]
)
def test_a_wrong_token_is_refused_from_everywhere(
    monkeypatch: pytest.MonkeyPatch, authorization: str
) -> None:
    operators = policy(monkeypatch, OPERATOR_TOKENS=f"dana={TOKEN}")
    assert refusal(operators, request(authorization=authorization))[0] == 401


def test_with_tokens_this_machine_needs_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = policy(monkeypatch, OPERATOR_TOKENS=f"dana={TOKEN}")
    assert refusal(operators, request()) == (
        401,
        "only an operator may write: send a bearer token",
    )


def test_a_trusted_proxy_says_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = policy(
        monkeypatch, TRUSTED_PROXIES="10.0.0.0/24, fd00::1", IDENTITY_HEADER="X-Auth-User"
    )
    assert operators.actor(request("10.0.0.7", x_auth_user="dana@bank.example")) == (
        "dana@bank.example"
    )
    assert refusal(operators, request("10.0.0.7"))[0] == 401
    assert refusal(operators, request("10.0.1.7", x_auth_user="dana@bank.example"))[0] == 403
    assert refusal(operators, request(x_auth_user="dana@bank.example"))[0] == 403


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        pytest.param({}, True, id="a program"),
        pytest.param({"origin": "https://localhost:8000"}, True, id="the host that was asked"),
        pytest.param({"origin": "https://hb.example"}, True, id="the public address"),
        pytest.param(
            {"origin": "https://wall.example", "x_forwarded_host": "wall.example"},
            True,
            id="the host that the proxy was asked for",
        ),
        pytest.param({"origin": "https://evil.example"}, False, id="another page"),
        pytest.param({"origin": "null"}, False, id="a page of no origin"),
    ],
)
def test_behind_a_proxy_only_a_page_of_ours_may(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], may: bool
) -> None:
    operators = policy(monkeypatch, TRUSTED_PROXIES="10.0.0.7", PUBLIC_URL="https://hb.example")
    asked = request("10.0.0.7", x_forwarded_email="dana@bank.example", **headers)
    if may:
        assert operators.actor(asked) == "dana@bank.example"
    else:
        assert refusal(operators, asked)[0] == 403


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OPERATOR_TOKENS", "dana", "name=token"),
        ("OPERATOR_TOKENS", "dana=short", "at least 16 characters"),
        ("OPERATOR_TOKENS", f"={TOKEN}", "name=token"),
        ("TRUSTED_PROXIES", "proxy", "IPv4 or IPv6 network"),
        ("PUBLIC_URL", "heartbeat.bank.example", "https://"),
        ("PUBLIC_URL", "https://bank.example/heartbeat", "not served below a path"),
        ("PUBLIC_URL", "https://bank.example/?at=night", "not served below a path"),
        ("PUBLIC_URL", "https://bank.example#wall", "not served below a path"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"HEARTBEAT_{name}", value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert f"HEARTBEAT_{name}" in str(refused.value)
    assert words in str(refused.value)
