"""Who may write: tokens, trusted proxies, and this machine while neither is set up."""

import pytest

from heartbeat.errors import SettingsError
from heartbeat.settings import Settings
from heartbeat_web.hosts import named_hosts
from heartbeat_web.operators import OperatorPolicy
from heartbeat_web.refusal import Refusal
from heartbeat_web.request_head import RequestHead

TOKEN = "a-token-of-dana-1"
LOCAL = {"host": "localhost:8000"}


def request(peer: str = "127.0.0.1", **headers: str) -> RequestHead:
    written = {**LOCAL, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in written.items()]
    return RequestHead(
        {"type": "http", "method": "POST", "path": "/", "headers": raw, "client": (peer, 50_000)}
    )


def twice(name: str, *values: str, peer: str = "127.0.0.1") -> RequestHead:
    """A request that has a header twice."""
    head = request(peer)
    raw = [*head.scope["headers"], *((name.encode(), value.encode()) for value in values)]
    return RequestHead({**head.scope, "headers": raw})


def policy(monkeypatch: pytest.MonkeyPatch, **variables: str) -> OperatorPolicy:
    for name, value in {"LOOPBACK_WRITES": "yes", **variables}.items():
        monkeypatch.setenv(f"HEARTBEAT_{name}", value)
    settings = Settings.load()
    return OperatorPolicy(settings, named_hosts(settings, settings.public_url))


def refusal(of: OperatorPolicy, asked: RequestHead) -> tuple[int, str]:
    with pytest.raises(Refusal) as refused:
        of.actor(asked)
    return int(refused.value.status), refused.value.detail


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "localhost"])
def test_with_the_switch_and_no_operator_this_machine_may_write(
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
def test_nobody_else_may(monkeypatch: pytest.MonkeyPatch, asked: RequestHead) -> None:
    status, detail = refusal(policy(monkeypatch), asked)
    assert status == 403
    assert "set HEARTBEAT_" in detail


def test_without_the_switch_this_machine_may_not_write_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for said in ("", "no"):
        variables = {"LOOPBACK_WRITES": said} if said else {}
        operators = policy(monkeypatch, **{"LOOPBACK_WRITES": "no", **variables})
        status, detail = refusal(operators, request())
        assert status == 403
        assert "HEARTBEAT_LOOPBACK_WRITES=yes where only you use this machine" in detail


def test_a_proxy_of_this_machine_that_forwards_nothing_does_not_open_it_to_other_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operators = policy(monkeypatch, PUBLIC_URL="https://hb.example")
    assert refusal(operators, request(origin="https://hb.example"))[0] == 403


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x-forwarded-email", ("dana@bank.example", "eve@bank.example")),
        ("authorization", (f"Bearer {TOKEN}", "Bearer of-somebody-else-1")),
        ("origin", ("http://localhost:8000", "https://evil.example")),
        ("x-forwarded-host", ("localhost:8000", "evil.example")),
    ],
)
def test_who_names_two_is_nobody(
    monkeypatch: pytest.MonkeyPatch, name: str, values: tuple[str, str]
) -> None:
    operators = policy(monkeypatch, TRUSTED_PROXIES="127.0.0.1", OPERATOR_TOKENS=f"dana={TOKEN}")
    asked = twice(name, *values)
    status, detail = refusal(operators, asked)
    assert (status, detail.lower()) == (400, f"the header {name} is there 2 times")


@pytest.mark.parametrize("name", ["da\u202ena@bank.example", "dana\u200b@bank.example", "d\x01a"])
def test_a_name_that_hides_something_is_nobody(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    operators = policy(monkeypatch, TRUSTED_PROXIES="10.0.0.7")
    status, detail = refusal(operators, request("10.0.0.7", x_forwarded_email=name))
    assert status == 401
    assert "must not hold" in detail


def test_a_client_with_wrong_tokens_has_to_wait_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operators = policy(monkeypatch, OPERATOR_TOKENS=f"dana={TOKEN}")
    wrong = request("10.0.0.7", authorization="Bearer a-token-of-nobody")
    assert [refusal(operators, wrong)[0] for _ in range(11)] == [401] * 10 + [429]
    right = request("10.0.0.7", authorization=f"Bearer {TOKEN}")
    status, detail = refusal(operators, right)
    assert (status, detail.partition(":")[0]) == (429, "too many wrong tokens from 10.0.0.7")
    assert operators.actor(request("10.0.0.8", authorization=f"Bearer {TOKEN}")) == "dana"
    assert "a-token-of-nobody" not in detail


def test_behind_a_trusted_proxy_the_client_that_it_names_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operators = policy(monkeypatch, OPERATOR_TOKENS=f"dana={TOKEN}", TRUSTED_PROXIES="10.0.0.7")
    for n in range(20):
        wrong = request(
            "10.0.0.7",
            authorization="Bearer a-token-of-nobody",
            x_forwarded_for=f"192.0.2.{n}, 203.0.113.9",
        )
        assert refusal(operators, wrong)[0] == (401 if n < 10 else 429)
    of_dana = {"authorization": f"Bearer {TOKEN}", "x_forwarded_for": "203.0.113.9, 203.0.113.8"}
    assert operators.actor(request("10.0.0.7", **of_dana)) == "dana"


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
        ("ALLOWED_HOSTS", "http://heartbeat.lan", "leave out scheme and port"),
        ("ALLOWED_HOSTS", "heartbeat.lan:8000", "leave out scheme and port"),
        ("LOOPBACK_WRITES", "perhaps", "true or false"),
        ("DAGSTER_TOKEN", "short", "at least 16 characters"),
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
