"""The audit pages over HTTP: pictures, tables, forms, links to metrics and back."""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from heartbeat.audit.audit_view import any_undrawn
from tests.unit.heartbeat_api.served import api_on, served
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, store

HOSTILE = "<img src=x onerror=alert(1)>'\"&"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="9"><rect fill="#171d25"/></svg>'
PAYLOAD = {
    "prose": f"180,000 EUR is overdue. {HOSTILE}",
    "rows": [{"part": "=overdue", "eur": 180_000.5}, {"part": "late", "eur": -1, "items": None}],
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def client(
    marts_url: str, marts: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """Two cuts on two pages; one was computed over its default window, then failed."""
    monkeypatch.setenv("HEARTBEAT_DAGSTER_PORT", "9")
    store(marts, USUAL_WALL, datetime.now(UTC))
    now = datetime.now(UTC)
    cuts = (("money_at_risk", "overview", "{7d,30d}"), ("balance_movers", "clients", "{30d,90d}"))
    for cut_id, page, windows in cuts:
        marts.execute(
            "insert into heartbeat.audit_cut_registry (cut_id, page, title, prose, windows,"
            " window_default, reads, metrics, methodology, how_to_read, definition_hash)"
            " values (%s, %s, %s, %s, %s, '30d', '{core.payment}', '{collateral_overdue_days_max}',"
            " 'Summed.', 'Taller.', 'first')",
            [cut_id, page, HOSTILE, HOSTILE, windows],
        )
    marts.execute(
        "insert into heartbeat.audit_cut_snapshot (cut_id, window_key, payload, spec, svg, png,"
        " computed_at, source_as_of, error, run_id)"
        " values ('money_at_risk', '30d', %s, '{\"mark\": \"bar\"}', %s, %s, %s, %s, %s, 'run')",
        [
            json.dumps(PAYLOAD),
            SVG,
            PNG,
            now - timedelta(days=4),
            now - timedelta(days=4, hours=1),
            f"timeout {HOSTILE}",
        ],
    )
    marts.execute("insert into heartbeat.chart_runtime values ('7', %s)", [gzip.compress(b"vega")])
    with served(api_on(marts_url)) as origin, httpx.Client(base_url=origin, timeout=20) as client:
        yield client


def logged(marts: psycopg.Connection) -> list[tuple[Any, ...]]:
    return marts.execute(
        "select actor, subject, field, old_value, new_value, reason"
        " from heartbeat.change_log order by id"
    ).fetchall()


def state_of(client: httpx.Client) -> tuple[str | None, str, bool]:
    cut = client.get("/api/audit/cuts/money_at_risk").json()
    return cut["owner"], cut["verification_state"], cut["lapsed"]


def test_the_registry_leads_with_the_overview_and_tells_the_metrics_of_a_cut(
    client: httpx.Client,
) -> None:
    document = client.get("/api/audit/registry").json()
    assert document["pages"] == ["overview", "clients"]
    assert [cut["cut_id"] for cut in document["cuts"]] == ["money_at_risk", "balance_movers"]
    assert document["cuts"][0]["metrics"] == ["collateral_overdue_days_max"]
    assert client.get("/audit").headers["location"] == "/audit/overview"


def test_a_cut_stands_on_its_page_by_its_place_and_then_by_name(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    marts.execute(
        "update heartbeat.audit_cut_registry set page = 'overview', place = 7"
        " where cut_id = 'money_at_risk'"
    )
    marts.execute("update heartbeat.audit_cut_registry set page = 'overview'")
    cuts = client.get("/api/audit/pages/overview").json()["cuts"]
    assert [cut["cut_id"] for cut in cuts] == ["money_at_risk", "balance_movers"]


def test_a_cut_carries_its_last_good_payload_in_its_order_its_error_and_its_spec(
    client: httpx.Client,
) -> None:
    document = client.get("/api/audit/cuts/money_at_risk").json()
    assert (document["window"], document["windows"]) == ("30d", ["7d", "30d"])
    assert document["snapshot"]["payload"] == PAYLOAD
    assert list(document["snapshot"]["payload"]["rows"][0]) == ["part", "eur"]
    assert document["snapshot"]["error"] == f"timeout {HOSTILE}"
    assert document.pop("spec") == {"mark": "bar"}
    assert document == client.get("/api/audit/pages/overview").json()["cuts"][0]


def test_a_window_without_a_snapshot_is_empty_and_an_unknown_one_is_refused(
    client: httpx.Client,
) -> None:
    assert client.get("/api/audit/cuts/money_at_risk?window=7d").json()["snapshot"] is None
    refused = client.get("/api/audit/cuts/money_at_risk?window=9d")
    assert refused.status_code == 422
    assert refused.json()["detail"] == "money_at_risk has no window '9d'; it has 7d, 30d"
    assert client.get("/audit/overview?window=9d").status_code == 422
    assert client.get("/audit/none").status_code == 404


def test_a_page_has_the_stored_picture_in_its_html_with_age_and_error(client: httpx.Client) -> None:
    page = client.get("/audit/overview").text
    assert SVG in page
    assert "The last compute failed: timeout &lt;img" in page
    assert "the picture is 4 d old" in page
    assert "data 4 d old" in page
    assert "180,000 EUR is overdue. &lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img" not in page
    assert "Not computed yet" in client.get("/audit/clients").text
    assert "Not computed yet" in client.get("/audit/overview?window=7d").text


def test_a_cut_leads_to_its_metrics_and_a_metric_to_its_cuts(client: httpx.Client) -> None:
    assert 'class="chip red" href="/m/COLD"' in client.get("/audit/overview").text
    assert 'href="/audit/overview#money_at_risk"' in client.get("/m/COLD").text
    assert client.get("/api/metrics/COLD").json()["cuts"] == ["balance_movers", "money_at_risk"]


def test_the_picture_comes_as_svg_and_png_on_paper_and_can_do_nothing(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    drawing = client.get("/audit/cuts/money_at_risk.svg")
    style = re.compile("<style>@font-face.*?</style>")
    assert style.sub("", drawing.text) == SVG.replace("#171d25", "#ffffff")
    assert len(style.findall(drawing.text)) == 1
    assert drawing.headers["content-type"] == "image/svg+xml"
    assert drawing.headers["content-security-policy"].startswith("default-src 'none'")
    pixels = client.get("/audit/cuts/money_at_risk.png?window=30d")
    assert (pixels.content, pixels.headers["content-type"]) == (PNG, "image/png")
    stored = "select computed_at at time zone 'UTC' from heartbeat.audit_cut_snapshot"
    ((computed_at,),) = marts.execute(stored).fetchall()
    name = f"money_at_risk-30d-{computed_at:%Y%m%d}.png"
    assert pixels.headers["content-disposition"] == f'inline; filename="{name}"'


def test_the_table_comes_as_csv_without_formulas(client: httpx.Client) -> None:
    table = client.get("/audit/cuts/money_at_risk.csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(table.content.decode("utf-8-sig")))) == [
        ["part", "eur", "items"],
        ["'=overdue", "180000.5", ""],
        ["late", "-1", ""],
    ]


@pytest.mark.parametrize("kind", ["svg", "png", "csv"])
def test_what_was_never_drawn_cannot_be_downloaded(client: httpx.Client, kind: str) -> None:
    missing = client.get(f"/audit/cuts/balance_movers.{kind}")
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        f"balance_movers over 30d has no {kind} yet",
    )
    assert client.get(f"/audit/cuts/gone.{kind}").status_code == 404


def test_the_libraries_that_draw_come_from_here_once(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    first = client.get("/audit/vega.js")
    assert (first.text, first.headers["content-encoding"]) == ("vega", "gzip")
    again = client.get("/audit/vega.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    marts.execute("delete from heartbeat.chart_runtime")
    assert client.get("/audit/vega.js").status_code == 404


def test_an_operator_verifies_a_cut_and_a_change_of_its_code_takes_that_back(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    path = "/api/audit/cuts/money_at_risk/verification"
    verified = client.patch(path, json={"verification_state": "verified", "reason": "counted"})
    assert (verified.status_code, verified.json()["verification_state"]) == (200, "verified")
    assert "pill" not in client.get("/audit/overview").text

    marts.execute("update heartbeat.audit_cut_registry set definition_hash = 'second'")
    assert state_of(client) == (None, "unverified", True)
    assert "changed since it was verified" in client.get("/audit/overview").text
    client.patch(path, json={"verification_state": "verified"})
    assert state_of(client) == (None, "verified", False)

    subject = "audit_cut/money_at_risk"
    assert logged(marts) == [
        ("loopback", subject, "verification_state", "unverified", "verified", "counted"),
        ("loopback", subject, "verification_state", "verified, lapsed", "verified", None),
    ]


def test_an_owner_is_given_alone_and_leaves_a_lapsed_verification_lapsed(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    path = "/api/audit/cuts/money_at_risk/verification"
    client.patch(path, json={"verification_state": "verified"})
    marts.execute("update heartbeat.audit_cut_registry set definition_hash = 'second'")
    assert client.patch(path, json={"owner": "dana@bank.example"}).status_code == 200
    assert state_of(client) == ("dana@bank.example", "unverified", True)
    assert client.patch(path, json={"owner": None}).json()["owner"] is None
    assert client.patch(path, json={"owner": None}).status_code == 200
    assert [entry[2:5] for entry in logged(marts)[1:]] == [
        ("owner", None, "dana@bank.example"),
        ("owner", "dana@bank.example", None),
    ]


@pytest.mark.parametrize(
    "change", [{"owner": "dana"}, {"verification_state": None}, {"title": "mine"}]
)
def test_a_change_that_makes_no_sense_is_refused(
    client: httpx.Client, marts: psycopg.Connection, change: dict[str, Any]
) -> None:
    response = client.patch("/api/audit/cuts/money_at_risk/verification", json=change)
    assert response.status_code == 422
    assert (state_of(client), logged(marts)) == ((None, "unverified", False), [])


def test_only_registered_cuts_are_changed_and_refreshed(client: httpx.Client) -> None:
    assert client.patch("/api/audit/cuts/gone/verification", json={}).status_code == 404
    assert client.post("/api/audit/cuts/gone/refresh").status_code == 404


def test_only_an_operator_changes_a_cut_or_asks_for_one(client: httpx.Client) -> None:
    behind = {"X-Forwarded-For": "203.0.113.9"}
    for method, path in (
        ("PATCH", "/api/audit/cuts/money_at_risk/verification"),
        ("POST", "/api/audit/cuts/money_at_risk/refresh"),
        ("POST", "/audit/cuts/money_at_risk"),
        ("POST", "/audit/cuts/money_at_risk/refresh"),
    ):
        body = {"json": {"owner": None}} if method == "PATCH" else {"data": {"owner": ""}}
        assert client.request(method, path, headers=behind, **body).status_code == 403


def test_the_forms_of_a_page_post_without_scripts_and_keep_its_window(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    saved = client.post(
        "/audit/cuts/money_at_risk", data={"owner": " dana@bank.example ", "window": "7d"}
    )
    assert (saved.status_code, saved.headers["location"]) == (
        303,
        "/audit/overview?window=7d#money_at_risk",
    )
    signed = {"verification_state": "verified", "window": ""}
    assert client.post("/audit/cuts/money_at_risk", data=signed).status_code == 303
    assert state_of(client) == ("dana@bank.example", "verified", False)

    refused = client.post("/audit/cuts/money_at_risk", data={"owner": "dana", "window": "7d"})
    assert refused.status_code == 422
    assert 'value="dana"' in refused.text
    assert 'role="alert">owner: ' in refused.text
    assert state_of(client)[0] == "dana@bank.example"


def test_while_dagster_is_away_a_refresh_is_refused_with_the_reason(client: httpx.Client) -> None:
    refused = client.post("/api/audit/cuts/money_at_risk/refresh")
    assert refused.status_code == 503
    assert "Dagster's webserver does not answer" in refused.json()["detail"]


def test_pictures_are_missing_while_any_window_has_none_or_an_old_one(
    client: httpx.Client, marts: psycopg.Connection
) -> None:
    def missing(age: timedelta) -> bool:
        return any_undrawn(marts, age)

    assert missing(timedelta(days=9))
    marts.execute("delete from heartbeat.audit_cut_registry where cut_id = 'balance_movers'")
    marts.execute("update heartbeat.audit_cut_registry set windows = '{30d}'")
    assert missing(timedelta(days=1))
    assert not missing(timedelta(days=9))
    marts.execute("delete from heartbeat.audit_cut_registry")
    assert not missing(timedelta(days=1))
