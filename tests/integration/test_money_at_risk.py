import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg
import pytest
from psycopg import sql

from heartbeat.audit.audit_cut import AuditCut, load_cuts
from heartbeat.audit.audit_snapshot import compute_snapshot
from heartbeat.audit.chart_rendering import render
from heartbeat.audit.cut_module import imported
from heartbeat.settings import Settings

NOW = datetime(2026, 2, 14, 12)  # noqa: DTZ001 - the bank writes naive UTC
AS_OF = NOW.replace(tzinfo=UTC)
TODAY = NOW.date()
RELEASED = 4
DDL = """
create schema webbank_core;
create schema webbank_dict;
create schema currency_rate_rate;
create table webbank_core.account (id bigint, currency char(3));
create table webbank_core.account_balance_log
    (id bigint, account_id bigint, balance numeric(19,4), "timestamp" timestamp);
create table webbank_core.collateral
    (id bigint, required_amount numeric(19,4), currency char(3), due_date date, state_id smallint,
     create_time timestamp, update_time timestamp);
create table webbank_core.collateral_payment
    (collateral_id bigint, amount numeric(19,4), paid_by varchar(16), paid_at timestamp);
create table webbank_core.entry
    (payment_id bigint, entry_state_id smallint, debit_credit char(1), amount numeric(19,4),
     currency char(3), create_time timestamp);
create table webbank_core.payment
    (id bigint, type_id smallint, amount numeric(19,4), currency char(3), create_time timestamp,
     state_id smallint, update_time timestamp);
create table webbank_core.payment_state_log
    (payment_id bigint, state_id smallint, "timestamp" timestamp);
create table webbank_dict.collateral_state (id smallint, code varchar(32));
create table webbank_dict.payment_state (id smallint, is_terminal boolean);
create table webbank_dict.payment_type (id smallint, direction varchar(8));
create table currency_rate_rate.rate
    (id bigint, base char(3), quote char(3), rate numeric(18,8), rate_time timestamp);
"""


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def due(days_ago: int) -> date:
    return TODAY - timedelta(days=days_ago)


# every amount is a different sum, so that one wrong row shows
ACCOUNT = pd.DataFrame([(1, "EUR"), (2, "EUR"), (3, "USD"), (4, "JPY")], columns=["id", "currency"])
ACCOUNT_BALANCE_LOG = pd.DataFrame(
    [
        (1, 1, -900.0, ago(40)),
        (2, 1, 50.0, ago(20)),
        (3, 1, -10.25, ago(1)),
        (4, 2, -77.0, ago(9)),
        (5, 2, 33.0, ago(9)),  # equal moment: the later id is the later balance
        (6, 3, -540.0, ago(3)),
        (7, 4, -5000.0, ago(2)),  # no rate for the yen
        (8, 1, -8000.0, ago(-1)),  # after the moment of the compute
    ],
    columns=["id", "account_id", "balance", "timestamp"],
)
COLLATERAL = pd.DataFrame(
    [
        (1, 1000.0, "EUR", due(124), 3, ago(150), ago(120)),
        (2, 2000.0, "EUR", due(50), 1, ago(80), ago(2)),
        (3, 4000.0, "EUR", due(0), 1, ago(20), ago(20)),  # due today is not overdue
        (4, 8000.0, "EUR", due(60), 4, ago(80), ago(50)),  # released
        (5, 160.0, "EUR", due(10), 2, ago(31), ago(12)),
        (6, 16000.0, "EUR", due(60), 4, ago(80), ago(8)),  # overdue then, released since
        (7, 32000.0, "EUR", due(40), 4, ago(8), ago(6)),  # demanded in arrears, released
    ],
    columns=[
        "id",
        "required_amount",
        "currency",
        "due_date",
        "state_id",
        "create_time",
        "update_time",
    ],
)
COLLATERAL_STATE = pd.DataFrame(
    [(1, "REQUIRED"), (2, "PARTIAL"), (3, "COVERED"), (4, "RELEASED")], columns=["id", "code"]
)
COLLATERAL_PAYMENT = pd.DataFrame(
    [
        (1, 1000.0, "OWN_FUNDS", ago(120)),  # the bank's own money does not count
        (2, 1500.0, "CLIENT", ago(20)),
        (2, 500.0, "CLIENT", ago(2)),
        (5, 60.0, "CLIENT", ago(12)),
    ],
    columns=["collateral_id", "amount", "paid_by", "paid_at"],
)
ENTRY = pd.DataFrame(
    [
        (1, 2, "D", 300.0, "EUR", ago(35)),
        (1, 2, "C", 300.0, "EUR", ago(35)),
        (2, 2, "D", 0.01, "EUR", ago(33)),
        (3, 2, "C", 0.04, "EUR", ago(2)),  # would cancel against the one above in one sum
        (3, 3, "D", 90.0, "EUR", ago(2)),  # reversed
        (None, 2, "D", 5.0, "EUR", ago(1)),
        (None, 2, "C", 5.0, "EUR", ago(1)),
    ],
    columns=[
        "payment_id",
        "entry_state_id",
        "debit_credit",
        "amount",
        "currency",
        "create_time",
    ],
)
PAYMENT = pd.DataFrame(
    [
        (1, 1, 100.0, "EUR", ago(3), 1, ago(3)),
        (2, 3, 216.0, "USD", ago(40), 2, ago(39)),
        (3, 1, 400.0, "EUR", ago(0.9), 1, ago(0.9)),  # younger than a day
        (4, 5, 800.0, "EUR", ago(3), 1, ago(3)),  # incoming
        (5, 1, 1600.0, "EUR", ago(3), 5, ago(2.5)),  # executed
        (6, 1, 3200.0, "EUR", ago(36), 6, ago(6)),  # stuck then, rejected since
        (7, 1, 6400.0, "EUR", ago(36), 8, ago(5)),  # executed then, returned since
        (8, 1, 12800.0, "EUR", ago(3), 5, ago(1)),  # executed; its row of the log is late
    ],
    columns=["id", "type_id", "amount", "currency", "create_time", "state_id", "update_time"],
)
PAYMENT_STATE_LOG = pd.DataFrame(
    [
        (1, 1, ago(3)),
        (2, 2, ago(39)),
        (5, 5, ago(2.5)),
        (6, 1, ago(36)),
        (6, 6, ago(6)),
        (7, 5, ago(35)),
        (7, 8, ago(5)),
    ],
    columns=["payment_id", "state_id", "timestamp"],
)
PAYMENT_STATE = pd.DataFrame(
    [(1, False), (2, False), (4, False), (5, True), (6, True), (8, True)],
    columns=["id", "is_terminal"],
)
PAYMENT_TYPE = pd.DataFrame([(1, "OUT"), (3, "OUT"), (5, "IN")], columns=["id", "direction"])
RATE = pd.DataFrame(
    [
        (1, "EUR", "USD", 1.2, ago(60)),
        (2, "EUR", "USD", 1.08, ago(4)),
        (3, "EUR", "USD", 9.0, ago(-1)),  # after the moment of the compute
    ],
    columns=["id", "base", "quote", "rate", "rate_time"],
)

LANDED = {
    ("webbank_core", "account"): ACCOUNT,
    ("webbank_core", "account_balance_log"): ACCOUNT_BALANCE_LOG,
    ("webbank_core", "collateral"): COLLATERAL,
    ("webbank_core", "collateral_payment"): COLLATERAL_PAYMENT,
    ("webbank_core", "entry"): ENTRY,
    ("webbank_core", "payment"): PAYMENT,
    ("webbank_core", "payment_state_log"): PAYMENT_STATE_LOG,
    ("webbank_dict", "collateral_state"): COLLATERAL_STATE,
    ("webbank_dict", "payment_state"): PAYMENT_STATE,
    ("webbank_dict", "payment_type"): PAYMENT_TYPE,
    ("currency_rate_rate", "rate"): RATE,
}


def records(frame: pd.DataFrame) -> list[Any]:
    return list(frame.itertuples(index=False))


def by_pandas(at: datetime) -> dict[str, float]:
    """The four sums counted a second time, row by row, without the cut's SQL."""
    return {
        "overdue_collateral": overdue_collateral(at),
        "negative_balances": negative_balances(at),
        "stuck_outgoing": stuck_outgoing(at),
        "one_sided_entries": one_sided_entries(at),
    }


def in_euro(amount: float, currency: str, at: datetime) -> float:
    if currency == "EUR":
        return amount
    known = RATE[(RATE.quote == currency) & (RATE.rate_time <= at)]
    if known.empty:
        return 0.0
    return amount / float(known.sort_values(["rate_time", "id"]).rate.iloc[-1])


def overdue_collateral(at: datetime) -> float:
    payments = COLLATERAL_PAYMENT
    counted = payments[(payments.paid_by == "CLIENT") & (payments.paid_at <= at)]
    paid = counted.groupby("collateral_id").amount.sum()
    owed = [
        max(row.required_amount - paid.get(row.id, 0.0), 0.0)
        for row in records(COLLATERAL)
        if row.due_date < at.date()
        and row.create_time <= at
        and (row.state_id != RELEASED or row.update_time > at)
    ]
    return float(sum(owed))


def negative_balances(at: datetime) -> float:
    log = ACCOUNT_BALANCE_LOG
    last = log[log["timestamp"] <= at].sort_values(["timestamp", "id"]).groupby("account_id").last()
    overdrawn = last[last.balance < 0].join(ACCOUNT.set_index("id"))
    return sum(in_euro(-row.balance, row.currency, at) for row in records(overdrawn))


def stuck_outgoing(at: datetime) -> float:
    outgoing = set(PAYMENT_TYPE[PAYMENT_TYPE.direction == "OUT"].id)
    terminal = set(PAYMENT_STATE[PAYMENT_STATE.is_terminal].id)
    log = PAYMENT_STATE_LOG
    logged = log[log.state_id.isin(terminal) & (log["timestamp"] <= at)]
    closed = PAYMENT[PAYMENT.state_id.isin(terminal) & (PAYMENT.update_time <= at)]
    ended = {*logged.payment_id, *closed.id}
    return sum(
        in_euro(row.amount, row.currency, at)
        for row in records(PAYMENT)
        if row.type_id in outgoing
        and row.create_time < at - timedelta(hours=24)
        and row.id not in ended
    )


def one_sided_entries(at: datetime) -> float:
    posted = ENTRY[(ENTRY.entry_state_id == 2) & (ENTRY.create_time <= at)]
    signed = posted.amount.where(posted.debit_credit == "D", -posted.amount)
    differences = signed.groupby([posted.payment_id.fillna(0), posted.currency]).sum().abs()
    return float(differences.sum())


@pytest.fixture
def url(marts_url: str) -> str:
    with psycopg.connect(marts_url) as connection:
        connection.execute("alter default privileges grant usage on schemas to heartbeat_reader")
        connection.execute("alter default privileges grant select on tables to heartbeat_reader")
        connection.execute(DDL)
    return marts_url


@pytest.fixture(scope="module")
def cut() -> AuditCut:
    loaded = load_cuts(Path(__file__).parents[2] / "audit_cuts")
    return next(cut for cut in loaded.cuts if cut.cut_id == "money_at_risk")


@pytest.fixture
def bank(url: str) -> str:
    with psycopg.connect(url) as connection:
        for table, content in LANDED.items():
            land(connection, sql.Identifier(*table), content)
    return url


def land(connection: psycopg.Connection[Any], table: sql.Identifier, content: pd.DataFrame) -> None:
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in content.columns)
    statement = sql.SQL("copy {} ({}) from stdin").format(table, columns)
    with connection.cursor().copy(statement) as copy:
        for row in records(content):
            copy.write_row([None if pd.isna(value) else _plain(value) for value in row])


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def settings_on(url: str) -> Settings:
    return Settings.load().model_copy(update={"explicit_database_url": url})


def payload_of(url: str, cut: AuditCut, window: str) -> dict[str, Any]:
    outcome = compute_snapshot(cut, window, settings_on(url), as_of=AS_OF, run_id="run-1")
    assert outcome.error is None
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select payload from heartbeat.audit_cut_snapshot"
            " where cut_id = 'money_at_risk' and window_key = %s",
            [window],
        ).fetchone()
    assert row is not None
    payload: dict[str, Any] = row[0]
    return payload


@pytest.mark.parametrize("days", [7, 30, 90])
def test_every_part_equals_a_second_count_now_and_at_the_start_of_the_window(
    bank: str, cut: AuditCut, days: int
) -> None:
    payload = payload_of(bank, cut, f"{days}d")
    now, before = by_pandas(NOW), by_pandas(ago(days))

    for bar in payload["bars"][:-1]:
        assert bar["eur"] == pytest.approx(now[bar["part"]], abs=0.0001)
        assert bar["before_eur"] == pytest.approx(before[bar["part"]], abs=0.0001)
    assert payload["total_eur"] == pytest.approx(sum(now.values()), abs=0.001)
    assert payload["total_before_eur"] == pytest.approx(sum(before.values()), abs=0.001)


def test_the_sums_are_those_of_a_count_by_hand(bank: str, cut: AuditCut) -> None:
    bars = {bar["part"]: bar for bar in payload_of(bank, cut, "30d")["bars"]}

    assert {part: bar["eur"] for part, bar in bars.items()} == {
        "overdue_collateral": 1100,  # 1,000 that only the bank paid, and 160 less 60
        "negative_balances": 510.25,  # 10.25 and 540 USD at 1.08
        "stuck_outgoing": 300,  # 100 and 216 USD at 1.08
        "one_sided_entries": 0.05,  # 0.01 and 0.04, which do not cancel
        "total": 1910.3,
    }
    assert {part: bar["before_eur"] for part, bar in bars.items()} == {
        "overdue_collateral": 19000,  # 1,000; 2,000 paid since; 16,000 released since
        "negative_balances": 900,
        "stuck_outgoing": 3380,  # 3,200 rejected since, and 216 USD at 1.20
        "one_sided_entries": 0.01,
        "total": 23280.01,
    }


def test_the_bars_stand_end_to_end_from_the_largest_and_the_total_spans_them(
    bank: str, cut: AuditCut
) -> None:
    bars = payload_of(bank, cut, "30d")["bars"]

    steps, total = bars[:-1], bars[-1]
    assert [step["part"] for step in steps] == [
        "overdue_collateral",
        "negative_balances",
        "stuck_outgoing",
        "one_sided_entries",
    ]
    assert [step["start"] for step in steps] == [0, *(step["end"] for step in steps[:-1])]
    assert (total["start"], total["end"]) == (0, steps[-1]["end"])


def test_headline_and_prose_are_made_of_the_numbers(bank: str, cut: AuditCut) -> None:
    payload = payload_of(bank, cut, "30d")

    assert payload["headline"] == "€1.9k at risk, 57.6 % in overdue collateral"
    assert payload["prose"] == (
        "As of 14 February 2026, 12:00 UTC, €1.9k is at risk, €21.4k less than 30 days earlier. "
        "The largest part is overdue collateral: €1.1k in 2 collaterals. "
        "Left out for want of a euro rate: 1 item."
    )


def test_labels_count_what_they_name(bank: str, cut: AuditCut) -> None:
    bars = payload_of(bank, cut, "30d")["bars"]

    assert [bar.get("note") for bar in bars] == [
        "2 collaterals",
        "2 accounts",
        "2 payments",
        "2 postings",
        None,
    ]
    assert [bar["change"] for bar in bars] == ["−€17.9k", "−€390", "−€3.1k", "+€0.04", "−€21.4k"]


def test_a_bank_without_a_loss_in_sight_says_so(url: str, cut: AuditCut) -> None:
    payload = payload_of(url, cut, "30d")

    assert payload["headline"] == "No money is at risk"
    assert payload["prose"] == (
        "As of 14 February 2026, 12:00 UTC, €0 is at risk, the same as 30 days earlier."
    )
    assert {bar["note"] for bar in payload["bars"][:-1]} == {"none"}


def test_the_drawing_carries_every_label_and_the_spec_its_prose(bank: str, cut: AuditCut) -> None:
    payload = payload_of(bank, cut, "30d")

    drawn = render(imported(cut.path).chart(payload), ZoneInfo("UTC"))

    labels = {
        text for bar in payload["bars"] for text in (bar["label"], bar["text"], bar["change"])
    }
    assert labels <= set(re.findall(r">([^<>]+)</text>", drawn.svg))
    assert not {"null", "undefined", "NaN"} & set(re.findall(r">([^<>]+)</text>", drawn.svg))
    assert drawn.spec["description"] == payload["prose"]


def test_the_business_time_zone_decides_when_a_collateral_is_overdue(
    bank: str, cut: AuditCut
) -> None:
    kiritimati_is_a_day_ahead = "Pacific/Kiritimati"

    settings = settings_on(bank).model_copy(update={"timezone": kiritimati_is_a_day_ahead})
    compute_snapshot(cut, "30d", settings, as_of=AS_OF, run_id="run-1")

    with psycopg.connect(bank) as connection:
        row = connection.execute(
            "select payload -> 'bars' -> 0 ->> 'eur' from heartbeat.audit_cut_snapshot"
            " where cut_id = 'money_at_risk' and window_key = '30d'"
        ).fetchone()
    assert row == ("5100",)
