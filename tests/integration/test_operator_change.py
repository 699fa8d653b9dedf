"""What operators change through the API: each value alone, the log, the signature."""

import threading
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from heartbeat.metrics.metric_file import load_metrics
from heartbeat.metrics.registry import sync
from heartbeat.settings import Settings
from heartbeat_api.app import create_app
from tests.unit.heartbeat_api.served import served

FILE = """\
/* ---
code: OVER
name: Overdue
short_name: Overdue
period: snapshot
unit: d
direction: lower_is_better
kind: threshold
norm_value: 7
alert_value: 30
--- */
-- name: value
select count(*) from bank.payment where state = 'OPEN'
"""


class Operated:
    """A registered metric, its file, and the API that an operator asks."""

    def __init__(
        self, settings: Settings, marts: psycopg.Connection[Any], client: httpx.Client
    ) -> None:
        self.path = settings.project / "metrics" / "overdue.sql"
        self.marts = marts
        self.client = client
        marts.execute("create schema bank; create table bank.payment (state text, id int)")
        self.write(FILE)

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")
        sync(self.marts, load_metrics(self.path.parent))

    def change(self, **values: object) -> httpx.Response:
        return self.client.patch("/api/metrics/overdue/verification", json=values)

    def changed(self, **values: object) -> dict[str, Any]:
        response = self.change(**values)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def shown(self) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get("/api/metrics/OVER").json()
        return document

    def log(self) -> list[dict[str, Any]]:
        query = (
            "select actor, subject, field, old_value, new_value, reason"
            " from heartbeat.change_log order by id"
        )
        return self.marts.cursor(row_factory=dict_row).execute(query).fetchall()


@pytest.fixture
def operated(
    loopback_writes: None, settings: Settings, marts: psycopg.Connection[Any]
) -> Iterator[Operated]:
    with (
        served(create_app(settings)) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        yield Operated(settings, marts, client)


@pytest.mark.parametrize(
    ("field", "given", "shown", "old", "new"),
    [
        ("owner", " dana@bank.example ", "dana@bank.example", None, "dana@bank.example"),
        ("norm_value", 9.5, 9.5, "7", "9.5"),
        ("norm_value", None, None, "7", None),
        ("alert_value", "40", 40, "30", "40"),
        ("target_value", 0, 0, None, "0"),
        ("target_due_date", "2026-12-31", "2026-12-31", None, "2026-12-31"),
        ("verification_state", "verified", "verified", "unverified", "verified"),
    ],
)
def test_each_value_alone_is_written_shown_at_once_and_logged(
    operated: Operated, field: str, given: object, shown: object, old: object, new: object
) -> None:
    operated.shown()
    assert operated.changed(**{field: given})[field] == shown
    assert operated.shown()[field] == shown
    assert operated.log() == [
        {
            "actor": "loopback",
            "subject": "overdue",
            "field": field,
            "old_value": old,
            "new_value": new,
            "reason": None,
        }
    ]


def test_several_values_are_one_change_with_one_reason(operated: Operated) -> None:
    operated.changed(norm_value=10, alert_value=50, reason=" agreed with risk ")
    assert [(each["field"], each["reason"]) for each in operated.log()] == [
        ("alert_value", "agreed with risk"),
        ("norm_value", "agreed with risk"),
    ]


def test_what_is_so_already_is_not_logged(operated: Operated) -> None:
    operated.changed(norm_value=7.0, reason="no change")
    operated.changed(reason="nothing at all")
    operated.changed(verification_state="unverified")
    assert operated.log() == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"owner": "dana"}, "'dana' is no e-mail address such as name@company.example"),
        ({"norm_value": "much"}, "norm_value"),
        ({"norm_value": "NaN"}, "norm_value"),
        ({"norm_value": 31}, "alert_value: with lower_is_better the alert must not be below"),
        ({"verification_state": "maybe"}, "verification_state"),
        ({"verification_state": None}, "verification_state: it is verified or unverified"),
        ({"target_due_date": "soon"}, "target_due_date"),
        ({"code": "ELSE"}, "code"),
        ({"reason": "x" * 2001}, "reason"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_value_that_makes_no_sense_changes_nothing(
    operated: Operated, values: dict[str, object], words: str
) -> None:
    before = operated.shown()
    response = operated.change(**values)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert words in response.json()["detail"]
    assert operated.shown() == before
    assert operated.log() == []


def test_a_metric_that_is_not_there_is_not_found(operated: Operated) -> None:
    response = operated.client.patch("/api/metrics/nothing/verification", json={"norm_value": 1})
    assert response.status_code == 404


def test_who_may_not_write_changes_nothing(operated: Operated) -> None:
    response = operated.client.patch(
        "/api/metrics/overdue/verification",
        json={"norm_value": 1},
        headers={"Origin": "https://elsewhere.example"},
    )
    assert response.status_code == 403
    assert operated.log() == []


def test_a_changed_definition_is_unverified_by_itself_and_verified_again_when_it_is_reverted(
    operated: Operated,
) -> None:
    verified = operated.changed(verification_state="verified", reason="counted by hand")
    assert verified["verification_reason"] == "verified by loopback"

    operated.write(FILE.replace("'OPEN'", "'LATE'"))
    wait_for(operated, "unverified")
    changed = operated.shown()
    assert "changed after it was verified by loopback on " in changed["verification_reason"]
    assert changed["verification_reason"].endswith(": the value statement")
    assert changed["verification_since"] is not None

    operated.write(FILE.replace("select count(*)", "SELECT  count(*) -- as before\n"))
    wait_for(operated, "verified")
    assert [each["field"] for each in operated.log()] == ["verification_state"]


def wait_for(operated: Operated, state: str) -> None:
    """The API reads at most once a second."""
    for _ in range(100):
        if operated.shown()["verification_state"] == state:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"it never became {state}: {operated.shown()}")


def test_a_column_that_becomes_another_type_ends_the_verification(operated: Operated) -> None:
    operated.changed(verification_state="verified")
    operated.marts.execute("alter table bank.payment alter column state type varchar(9)")
    operated.write(FILE)
    wait_for(operated, "unverified")
    assert operated.shown()["verification_reason"].endswith(
        "bank.payment.state from text to character varying(9)"
    )


def test_another_column_of_the_table_does_not(operated: Operated) -> None:
    operated.changed(verification_state="verified")
    operated.marts.execute("alter table bank.payment add column colour text")
    operated.write(FILE)
    assert operated.changed(target_value=1)["verification_state"] == "verified"


def test_a_lapsed_verification_can_be_given_again_and_survives_other_edits(
    operated: Operated,
) -> None:
    operated.changed(verification_state="verified")
    operated.write(FILE.replace("'OPEN'", "'LATE'"))
    assert operated.changed(norm_value=8)["verification_state"] == "unverified"
    again = operated.changed(verification_state="verified", reason="counted again")
    assert again["verification_state"] == "verified"
    assert [each["reason"] for each in operated.log()] == [None, None, "counted again"]
    assert operated.log()[-1]["old_value"] == "verified, lapsed"
    operated.write(FILE)
    assert operated.changed(norm_value=9)["verification_state"] == "unverified"


def test_a_verification_that_is_taken_back_stays_away_when_the_file_returns(
    operated: Operated,
) -> None:
    operated.changed(verification_state="verified")
    operated.write(FILE.replace("'OPEN'", "'LATE'"))
    operated.changed(verification_state="unverified")
    operated.write(FILE)
    shown = operated.changed(target_due_date=str(date(2027, 1, 1)))
    assert (shown["verification_state"], shown["verification_reason"]) == (
        "unverified",
        "it was set to unverified",
    )


def test_two_changes_at_once_are_both_logged_with_what_they_found(operated: Operated) -> None:
    threads = [
        threading.Thread(target=operated.changed, kwargs={"norm_value": number})
        for number in range(8, 18)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = operated.log()
    assert len(log) == 10
    assert [each["old_value"] for each in log] == ["7", *(each["new_value"] for each in log[:-1])]


@pytest.mark.parametrize("table", ["change_log", "metric_signature"])
@pytest.mark.parametrize("change", ["delete from {}", "truncate {}", "update {} set id = default"])
def test_what_was_logged_and_signed_never_changes(
    operated: Operated, table: str, change: str
) -> None:
    operated.changed(verification_state="verified")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never changed or deleted"):
        operated.marts.execute(change.format(f"heartbeat.{table}").encode())


def test_the_history_can_be_backtested(operated: Operated) -> None:
    for day, value in enumerate([5, 31, 40, 2], start=1):
        operated.marts.execute(
            "insert into heartbeat.metric_history (metric_id, d, v, run_id)"
            " values ('overdue', %s, %s, '')",
            [date(2026, 11, day), value],
        )
    found = operated.client.get("/api/metrics/OVER/backtest?alert=30&norm=4").json()
    assert (found["days"], found["alert"]["days"], found["norm"]["days"]) == (4, 2, 3)
    assert found["alert"]["longest"] == {
        "start": "2026-11-02",
        "end": "2026-11-03",
        "days": 2,
        "worst": 40,
    }
    last = operated.client.get("/api/metrics/OVER/backtest?alert=30&days=2").json()
    assert (last["days"], last["alert"]["days"], last["norm"]) == (2, 1, None)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 422, "give a line"),
        ("?alert=high", 422, "alert"),
        ("?alert=NaN", 422, "alert"),
        ("?alert=1&days=0", 422, "days"),
    ],
)
def test_a_backtest_that_cannot_be_made_is_a_problem(
    operated: Operated, query: str, status: int, words: str
) -> None:
    response = operated.client.get(f"/api/metrics/OVER/backtest{query}")
    assert response.status_code == status
    assert words in response.json()["detail"]
