"""Incidents that come and go while the bank is alive, as the platform sees them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from demo_bank.incidents import LATE_PER_ROW
from demo_bank.simulation import as_datetime, instant
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.judgement.freshness import Freshness, freshness
from heartbeat.landing.catalog import read_catalog
from heartbeat.landing.drift import drift
from heartbeat.landing.source_session import source_session
from heartbeat.metrics.metric_file import load_metrics
from tests.integration.demo_platform import ANCHOR, REPOSITORY, DemoPlatform, demo_platform

CARD = "card_activation_rate_30d"
MOMENT = instant(ANCHOR)
TURNED = {
    "I1": "collateral_overdue_eur",
    "I3": "aml_retrospective_backlog",
    "I4": "outgoing_sepa_credit_processing_time_p50_min_24h",
    "I9": "ledger_imbalance_eur",
}


@pytest.fixture(scope="module")
def living(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[DemoPlatform]:
    """A small bank in which all is well, landed once."""
    with demo_platform(
        postgres, migrated_template, name="living_marts", clients=60, incidents={}
    ) as platform:
        platform.lands()
        yield platform


@pytest.fixture
def platform(living: DemoPlatform) -> Iterator[DemoPlatform]:
    """The same without any incident again afterwards."""
    yield living
    left_on = living.life.state().incidents
    for name in left_on:
        living.life.switch(name, on=False, now=ANCHOR)
    if left_on:
        living.lands(reconcile=True)


def landed(platform: DemoPlatform, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(platform.settings.database_url) as marts:
        return marts.execute(query.encode()).fetchall()


def in_source(platform: DemoPlatform, database: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(make_conninfo(platform.server_url, dbname=database)) as source:
        return source.execute(query.encode()).fetchall()


def values(platform: DemoPlatform, *metric_ids: str) -> dict[str, Decimal]:
    outcomes = platform.computes(*metric_ids)
    return {m: o.value for m, o in outcomes.items() if o.value is not None}


def test_incidents_that_are_switched_turn_their_numbers_with_the_next_load_and_back(
    platform: DemoPlatform,
) -> None:
    before = values(platform, *TURNED.values())
    for name in TURNED:
        platform.life.switch(name, on=True, now=ANCHOR)
    platform.lands()
    troubled = values(platform, *TURNED.values())
    for name in TURNED:
        platform.life.switch(name, on=False, now=ANCHOR)
    platform.lands()
    assert [m for m, value in troubled.items() if not value > before[m]] == []
    assert values(platform, *TURNED.values()) == before


def test_i6_a_copy_that_stops_makes_the_data_old_and_leaves_the_number(
    platform: DemoPlatform,
) -> None:
    metric = next(m for m in load_metrics(REPOSITORY / "metrics").metrics if m.metric_id == CARD)
    before = platform.computes(CARD)[CARD]
    platform.life.switch("I6", on=True, now=ANCHOR)
    platform.lands()
    after = platform.computes(CARD)[CARD]

    assert after.source_as_of == ANCHOR - timedelta(hours=50)
    assert (after.value, after.status) == (before.value, before.status)
    ages = [
        freshness(metric.period, after.source_as_of, now=ANCHOR + timedelta(days=days))
        for days in (0, 6, 13)
    ]
    assert ages == [Freshness.FRESH, Freshness.AMBER, Freshness.RED]


def test_i8_drift_of_the_schema_is_landed_and_named(platform: DemoPlatform) -> None:
    platform.life.switch("I8", on=True, now=ANCHOR)
    loads = platform.lands()

    assert {name: load.error for name, load in loads.items() if load.error} == {}
    assert landed(platform, "select distinct branch from webbank_core.account") == [("VILNIUS",)]
    units = "select minor_units from webbank_dict.currency where code = 'JPY'"
    assert landed(platform, units) == [("none",)]
    webbank = next(s for s in platform.project.sources.sources if s.name == "webbank")
    recorded = read_catalog(webbank.path.with_name("webbank.catalog.json"))
    with source_session("webbank", webbank.file) as session:
        found = drift(recorded, session.reflection())
    assert {message.split(":")[0].split(" ")[0] for message in found} == {
        "core.account",
        "core.device",
        "dict.currency",
    }


def test_i10_rows_that_are_committed_late_have_landed_after_the_next_load(
    postgres: EmbeddedPostgres, migrated_template: str
) -> None:
    with demo_platform(
        postgres, migrated_template, name="late_marts", clients=60, incidents={"I10": MOMENT}
    ) as platform:
        log = platform.bank.business({"I10": MOMENT}).log
        is_late = (log.draw < LATE_PER_ROW) & (log.moment > MOMENT)
        written = as_datetime(log.moment[is_late][0]).replace(tzinfo=UTC)
        rows = "select count(*), sum(id) from {}.payment_state_log"
        this_one = f"select 1 from {{}}.payment_state_log where id = {log.ids[is_late][0]}"

        platform.life.tick(written + timedelta(hours=35))
        platform.lands()
        assert landed(platform, this_one.format("webbank_core")) == []
        platform.life.tick(written + timedelta(hours=37))
        platform.lands()
        assert landed(platform, this_one.format("webbank_core")) == [(1,)]
        assert landed(platform, rows.format("webbank_core")) == in_source(
            platform, "webbank", rows.format("core")
        )
        newest = landed(platform, "select max(create_time) from webbank_core.payment")
        assert newest > [(written.replace(tzinfo=None),)]


def test_i11_a_deleted_country_is_gone_with_the_next_load_and_a_client_with_a_reconcile(
    platform: DemoPlatform,
) -> None:
    countries = "select count(*) from webbank_dict.country"
    clients = "select count(*) from webbank_core.client_profile"
    (country_rows,), (client_rows,) = (landed(platform, q)[0] for q in (countries, clients))
    platform.life.switch("I11", on=True, now=ANCHOR)

    platform.lands()
    assert landed(platform, countries) == [(int(str(country_rows)) - 1,)]
    assert landed(platform, clients) == [(client_rows,)]
    platform.lands(reconcile=True)
    assert landed(platform, clients) == [(int(str(client_rows)) - 1,)]


def test_i12_a_source_that_refuses_connections_leaves_every_number_as_it_was(
    platform: DemoPlatform,
) -> None:
    before = platform.computes()
    platform.life.switch("I12", on=True, now=ANCHOR)
    refused = platform.lands()
    during = platform.computes()
    platform.life.switch("I12", on=False, now=ANCHOR)
    again = platform.lands()

    assert all("not permitted to log in" in str(load.error) for load in refused.values())
    assert {m: replace(o, seconds=0) for m, o in during.items()} == {
        m: replace(o, seconds=0) for m, o in before.items()
    }
    assert {load.error for load in again.values()} == {None}
    assert {m: o.value for m, o in platform.computes().items()} == {
        m: o.value for m, o in before.items()
    }
