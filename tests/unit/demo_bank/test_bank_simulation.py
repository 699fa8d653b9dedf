import hashlib
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import pytest

from demo_bank.simulation import Bank, simulate
from demo_bank.table import Table

ANCHOR = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
NOW = ANCHOR.replace(tzinfo=None)
SIGN = {"D": 1, "C": -1}


@pytest.fixture(scope="module")
def bank() -> Bank:
    return simulate(anchor=ANCHOR)


def checksum(table: Table) -> str:
    return hashlib.sha256(repr(list(table.rows)).encode()).hexdigest()


def checksums(bank: Bank) -> dict[str, str]:
    tables = (*bank.webbank, *bank.currency_rate)
    return {f"{t.schema}.{t.name}": checksum(t) for t in tables}


def records(bank: Bank, schema: str, name: str) -> list[dict[str, Any]]:
    table = bank.table(schema, name)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def imbalances(entries: list[dict[str, Any]]) -> Mapping[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        if entry["entry_state_id"] == 2:
            sums[entry["currency"]] += SIGN[entry["debit_credit"]] * entry["amount"]
    return sums


def test_the_same_seed_and_anchor_give_the_same_rows() -> None:
    first, second = (simulate(anchor=ANCHOR, seed=11, clients=40) for _ in range(2))
    assert checksums(first) == checksums(second)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"anchor": ANCHOR, "seed": 12}, id="another seed"),
        pytest.param({"anchor": ANCHOR + timedelta(days=1), "seed": 11}, id="another anchor"),
    ],
)
def test_another_seed_or_anchor_gives_other_business(other: dict[str, Any]) -> None:
    ours = checksums(simulate(anchor=ANCHOR, seed=11, clients=40))
    theirs = checksums(simulate(clients=40, **other))
    moving = ("core.payment", "core.entry", "core.client_profile", "rate.rate")
    assert [name for name in moving if ours[name] == theirs[name]] == []


def test_the_anchor_means_the_same_moment_in_every_time_zone() -> None:
    elsewhere = ANCHOR.astimezone(datetime.fromisoformat("2026-01-01T00:00+05:30").tzinfo)
    assert checksums(simulate(anchor=elsewhere, clients=40)) == checksums(
        simulate(anchor=ANCHOR, clients=40)
    )


@pytest.mark.parametrize(
    ("schema", "name", "column"),
    [
        ("core", "client_profile", "create_time"),
        ("core", "client_profile_state_log", "timestamp"),
        ("core", "payment", "update_time"),
        ("core", "payment_state_log", "timestamp"),
        ("core", "entry", "create_time"),
        ("core", "account_balance_log", "timestamp"),
        ("core", "collateral", "update_time"),
        ("rate", "rate", "rate_time"),
    ],
)
def test_nothing_has_happened_after_the_anchor(
    bank: Bank, schema: str, name: str, column: str
) -> None:
    moments = list(bank.table(schema, name).columns[column])
    assert moments == [m for m in moments if isinstance(m, datetime) and m < NOW]


@pytest.mark.parametrize(
    ("table", "log", "key", "state", "logged"),
    [
        pytest.param(
            "client_profile",
            "client_profile_state_log",
            "client_profile_id",
            "profile_state_id",
            "profile_state",
            id="profiles",
        ),
        pytest.param(
            "payment", "payment_state_log", "payment_id", "state_id", "state_id", id="payments"
        ),
    ],
)
def test_the_state_and_update_time_of_a_row_are_those_of_its_last_log_row(
    bank: Bank, table: str, log: str, key: str, state: str, logged: str
) -> None:
    last = {row[key]: (row[logged], row["timestamp"]) for row in records(bank, "core", log)}
    rows = records(bank, "core", table)
    assert {row["id"]: (row[state], row["update_time"]) for row in rows} == last


def test_the_balance_log_ends_where_the_posted_entries_sum_up() -> None:
    bank = simulate(anchor=ANCHOR, clients=60)
    sums: defaultdict[int, Decimal] = defaultdict(Decimal)
    for entry in records(bank, "core", "entry"):
        if entry["account_id"] > 0 and entry["entry_state_id"] == 2:
            sums[entry["account_id"]] -= SIGN[entry["debit_credit"]] * entry["amount"]
    log = records(bank, "core", "account_balance_log")
    assert {row["account_id"]: row["balance"] for row in log} == dict(sums)


def test_a_few_accounts_are_below_zero_at_some_time(bank: Bank) -> None:
    log = records(bank, "core", "account_balance_log")
    accounts = {row["account_id"] for row in log}
    negative = {row["account_id"] for row in log if row["balance"] < 0}
    assert 0 < len(negative) < len(accounts) * 0.06


def test_some_payments_are_under_way_and_some_outgoing_ones_are_stuck(bank: Bank) -> None:
    under_way = [p for p in records(bank, "core", "payment") if p["state_id"] < 5]
    stuck = [
        p
        for p in under_way
        if p["type_id"] in (1, 3) and p["create_time"] < NOW - timedelta(hours=24)
    ]
    assert len(stuck) >= 6
    assert len(under_way) > len(stuck)


def test_the_largest_tenth_of_the_clients_holds_about_half_of_the_turnover(bank: Bank) -> None:
    turnover: defaultdict[int, float] = defaultdict(float)
    for payment in records(bank, "core", "payment"):
        if payment["sender_profile_id"]:
            turnover[payment["sender_profile_id"]] += float(payment["amount"])
    sums = sorted(turnover.values(), reverse=True)
    assert 0.35 < sum(sums[: len(sums) // 10]) / sum(sums) < 0.8


def test_i1_a_mastercard_collateral_was_covered_by_the_bank_and_not_by_its_client(
    bank: Bank,
) -> None:
    paid: defaultdict[int, Decimal] = defaultdict(Decimal)
    for payment in records(bank, "core", "collateral_payment"):
        if payment["paid_by"] == "CLIENT":
            paid[payment["collateral_id"]] += payment["amount"]
    overdue = [
        (c["scheme"], c["required_amount"] - paid[c["id"]], (NOW.date() - c["due_date"]).days)
        for c in records(bank, "core", "collateral")
        if c["due_date"] < NOW.date()
        and c["state_id"] != 4
        and paid[c["id"]] < c["required_amount"]
    ]
    assert overdue == [("MASTERCARD", Decimal(180_000), 124)]
    covers = {p["paid_by"]: p["amount"] for p in records(bank, "core", "collateral_payment")}
    assert covers["OWN_FUNDS"] == Decimal(180_000)


def test_i2_every_pair_is_silent_from_1001_until_1601_of_the_next_day(bank: Bank) -> None:
    gaps: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    heard: dict[str, datetime] = {}
    for rate in records(bank, "rate", "rate"):
        quote, moment = rate["quote"], rate["rate_time"]
        if quote in heard and moment - heard[quote] > timedelta(hours=1):
            gaps[quote].append((heard[quote], moment))
        heard[quote] = moment
    gap = (
        datetime.combine(date(2026, 11, 16), time(10, 1)),
        datetime.combine(date(2026, 11, 17), time(16, 1)),
    )
    assert gaps == {quote: [gap] for quote in ("USD", "GBP", "CHF", "PLN")}


def test_i4_sepa_payments_of_the_incident_take_about_six_times_as_long(bank: Bank) -> None:
    sepa = {
        p["id"]: p["create_time"] for p in records(bank, "core", "payment") if p["type_id"] == 1
    }
    minutes: dict[bool, list[float]] = {True: [], False: []}
    for step in records(bank, "core", "payment_state_log"):
        if step["state_id"] == 5 and step["payment_id"] in sepa:
            created = sepa[step["payment_id"]]
            slow = timedelta(hours=8) <= NOW - created <= timedelta(hours=20)
            minutes[slow].append((step["timestamp"] - created).total_seconds() / 60)
    assert 30 < median(minutes[False]) < 50
    assert 3.5 < median(minutes[True]) / median(minutes[False]) < 9


def test_i9_only_one_cent_in_euro_is_out_of_balance(bank: Bank) -> None:
    entries = records(bank, "core", "entry")
    out_of_balance = {c: d for c, d in imbalances(entries).items() if d}
    assert out_of_balance == {"EUR": Decimal("0.01")}
    sides: defaultdict[tuple[datetime, int | None], int] = defaultdict(int)
    for entry in entries:
        sides[entry["create_time"], entry["payment_id"]] += 1
    one_sided = [moment for (moment, _), count in sides.items() if count % 2]
    assert one_sided == [NOW - timedelta(hours=30)]
