"""The daily snapshots of the client segments."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from dagster import AssetKey

from heartbeat.author_query import QueryError
from heartbeat.project import Project
from heartbeat.segments.segment_days import SegmentDay, store_segments
from heartbeat.segments.segment_file import parse_segments
from heartbeat.settings import Settings
from tests.integration.command_line import refused, run_here, told
from tests.integration.tiny_project import PAYMENT, TinyProject, failure_messages

QUERY = """\
select id, case when eur > 10 then 'large' else 'small' end
from bank_core.client
where since < heartbeat.as_of()
"""
NOW = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
TODAY = NOW.date()
FILE = f"""\
/* ---
segments:
  large: pays more than 10
  small: all others
description: Who pays.
methodology: Counted.
--- */
-- name: segments
{QUERY}"""
SEGMENTS = AssetKey(["heartbeat", "client_segment"])


class Segmented:
    """Clients in a landed table, and the snapshots that are stored of them."""

    def __init__(self, settings: Settings, marts: psycopg.Connection[Any]) -> None:
        self.settings = settings
        self.marts = marts
        marts.execute(
            "create schema bank_core;"
            "create table bank_core.client (id text, eur numeric, since timestamptz);"
            "call heartbeat.open_to_readers('bank_core', '{client}')"
        )
        (settings.project / "segments").mkdir()
        self.path = settings.project / "segments" / "clients.sql"
        self.path.write_text(FILE, encoding="utf-8")

    def has(self, client: str, eur: int, since: datetime) -> None:
        self.marts.execute("insert into bank_core.client values (%s, %s, %s)", [client, eur, since])

    def stores(self, now: datetime = NOW) -> list[SegmentDay]:
        segments = parse_segments(self.path)
        return list(store_segments(segments, self.settings, now=now, run_id="run"))

    def stored(self) -> dict[date, dict[str, str]]:
        days: dict[date, dict[str, str]] = {
            d: {} for (d,) in self.marts.execute("select d from heartbeat.client_segment_day")
        }
        for d, client, segment in self.marts.execute("table heartbeat.client_segment"):
            days[d][client] = segment
        return days


@pytest.fixture
def segmented(settings: Settings, marts: psycopg.Connection[Any]) -> Segmented:
    return Segmented(settings, marts)


def test_every_client_has_its_segment_of_the_day(segmented: Segmented) -> None:
    segmented.has("Ąžuolas", 11, NOW - timedelta(hours=1))
    segmented.has("2", 10, NOW - timedelta(hours=1))
    (today,) = segmented.stores()
    assert segmented.stored() == {TODAY: {"Ąžuolas": "large", "2": "small"}}
    assert (today.d, today.counts) == (TODAY, {"large": 1, "small": 1})


def test_a_second_run_of_a_day_replaces_it_and_leaves_the_others(segmented: Segmented) -> None:
    segmented.has("1", 5, NOW - timedelta(hours=1))
    segmented.stores()
    segmented.has("2", 5, NOW)
    segmented.marts.execute("update bank_core.client set eur = 50 where id = '1'")
    assert [day.d for day in segmented.stores(NOW + timedelta(days=1))] == [date(2026, 11, 21)]
    segmented.marts.execute("update bank_core.client set eur = 7 where id = '2'")
    segmented.stores(NOW + timedelta(days=1, hours=2))
    assert segmented.stored() == {
        TODAY: {"1": "small"},
        date(2026, 11, 21): {"1": "large", "2": "small"},
    }
    segmented.stores(NOW + timedelta(days=1, hours=2))
    assert len(segmented.stored()[date(2026, 11, 21)]) == 2


def test_days_that_were_missed_are_made_up_for_as_of_their_end(segmented: Segmented) -> None:
    segmented.has("1", 5, NOW - timedelta(days=3))
    segmented.has("2", 50, datetime(2026, 11, 18, 23, 59, 59, tzinfo=UTC))
    days = segmented.stores()
    assert [day.d for day in days] == [TODAY - timedelta(days=ago) for ago in range(4)]
    assert segmented.stored()[date(2026, 11, 18)] == {"1": "small", "2": "large"}
    assert segmented.stored()[date(2026, 11, 17)] == {"1": "small"}
    segmented.marts.execute("update bank_core.client set eur = 50")
    segmented.stores(NOW + timedelta(days=2))
    assert segmented.stored()[date(2026, 11, 21)] == {"1": "large", "2": "large"}
    assert segmented.stored()[date(2026, 11, 17)] == {"1": "small"}


def test_a_day_is_that_of_the_business_time_zone(
    segmented: Segmented, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_TIMEZONE", "Europe/Vilnius")
    segmented.settings = Settings.load()
    # the night in which the clock goes back: the 25th has 25 hours, and ends at 22:00 UTC
    segmented.has("1", 5, datetime(2026, 10, 25, 21, 59, 59, tzinfo=UTC))
    segmented.has("2", 5, datetime(2026, 10, 25, 22, 0, 0, tzinfo=UTC))
    segmented.stores(datetime(2026, 10, 26, 4, 30, tzinfo=UTC))
    assert segmented.stored() == {
        date(2026, 10, 26): {"1": "small", "2": "small"},
        date(2026, 10, 25): {"1": "small"},
    }


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("'small' end", "'tiny' end", "clients.sql:9: the query puts client 2 in 'tiny'"),
        ("'small' end", "null end", "puts client 2 in None; the header has large, small"),
        ("select id", "select 1", "clients.sql:9: the query gives client 1 twice"),
        ("select id,", "select null,", "must give two columns"),
        ("select id,", "select id, id,", "must give two columns"),
        ("since <", "until <", 'clients.sql:11: column "until" does not exist'),
        (QUERY, "select metric_id, 'small' from heartbeat.metric_history", "permission denied"),
    ],
    ids=["unknown", "null", "twice", "no client", "columns", "SQL", "closed table"],
)
def test_what_cannot_be_used_stores_nothing_and_says_where(
    segmented: Segmented, old: str, new: str, words: str
) -> None:
    segmented.has("2", 5, NOW - timedelta(hours=1))
    segmented.has("3", 50, NOW - timedelta(hours=1))
    segmented.stores()
    before = segmented.stored()
    segmented.path.write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(QueryError, match=words):
        segmented.stores(NOW + timedelta(days=1))
    assert segmented.stored() == before


def test_a_broken_file_and_a_table_that_nobody_lands_are_problems_of_the_project(
    segmented: Segmented,
) -> None:
    (problem,) = Project(segmented.settings.project).problems
    assert str(problem).endswith(":9: reads bank_core.client, which no source lands")
    segmented.path.write_text("select 1", encoding="utf-8")
    (problem,) = Project(segmented.settings.project).problems
    assert "must begin with a YAML header" in str(problem)


def test_no_day_is_made_up_for_that_is_older_than_90_days(segmented: Segmented) -> None:
    segmented.has("1", 5, NOW - timedelta(days=200))
    days = [day.d for day in segmented.stores()]
    assert (days[0], days[-1], len(days)) == (TODAY, TODAY - timedelta(days=90), 91)


def test_no_client_is_a_day_without_clients(segmented: Segmented) -> None:
    (today,) = segmented.stores()
    assert today.counts == {}
    assert segmented.stored() == {TODAY: {}}


def test_two_at_once_leave_one_snapshot(segmented: Segmented) -> None:
    for client in range(200):
        segmented.has(str(client), client, NOW - timedelta(hours=1))
    failures: list[BaseException] = []

    def store() -> None:
        try:
            for _ in range(5):
                segmented.stores()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(segmented.stored()[TODAY]) == 200


def test_the_command_prints_each_stored_day(segmented: Segmented) -> None:
    segmented.has("1", 50, datetime.now(UTC) - timedelta(minutes=1))
    assert told(run_here("segments")).splitlines()[0].endswith("  1 large")
    segmented.path.unlink()
    assert refused(run_here("segments")) == "error: there is no segments/clients.sql"


def test_in_dagster_they_are_an_asset_after_their_tables(tiny: TinyProject) -> None:
    (tiny.folder / "segments").mkdir()
    path = tiny.folder / "segments" / "clients.sql"
    path.write_text(
        FILE.replace("bank_core.client", "bank_core.payment")
        .replace("eur > 10", "id > 1")
        .replace("where since < heartbeat.as_of()", ""),
        encoding="utf-8",
    )
    definitions = tiny.definitions()
    assert definitions.resolve_asset_graph().get(SEGMENTS).parent_keys == {PAYMENT}
    schedules = definitions.get_repository_def().schedule_defs
    assert ("daily_segments", "30 4 * * *") in {(s.name, s.cron_schedule) for s in schedules}
    result = tiny.runs(PAYMENT, SEGMENTS)
    (stored,) = result.asset_materializations_for_node("heartbeat__client_segment")
    assert stored.metadata["dagster/row_count"].value == 2
    path.write_text(path.read_text().replace("id,", "id, id,"))
    assert "clients.sql:9: the query must give two columns" in failure_messages(tiny.runs(SEGMENTS))
