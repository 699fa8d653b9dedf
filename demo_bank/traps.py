"""Small tables whose only purpose is awkward values, keys and names."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pandas as pd

from demo_bank.table import Table, from_rows

NAMESPACE_BITS = 0x5EED << 96


def trap_tables(anchor: datetime) -> list[Table]:
    """Every table that carries a trap for whoever lands it; the same rows for the same anchor."""
    return [
        _account_limit(),
        _client_tariff(anchor),
        _client_document(anchor),
        _fee_bucket(),
        _operator_note(anchor),
        _lock_table(anchor),
        _provider_call_log(anchor),
        _statement_line(anchor),
        _api_client(anchor),
    ]


def _uuid(number: int) -> UUID:
    return UUID(int=NAMESPACE_BITS + number, version=4)


def _utc(moment: datetime) -> str:
    """A timestamptz literal, whatever the session's time zone."""
    return f"{moment.isoformat()}+00"


def _ago(anchor: datetime, **span: float) -> datetime:
    return anchor - timedelta(**span)


def _account_limit() -> Table:
    rows: Sequence[Sequence[object]] = (
        (1, 1, Decimal("10000.0000")),
        (1, 2, None),
        (2, 1, Decimal("0.0001")),
        (2, 2, Decimal("999999999999999.9999")),
    )
    columns = ["account_id", "limit_type", "amount"]
    return from_rows("core", "account_limit", columns, rows, tuple(columns[:2]))


def _client_tariff(anchor: datetime) -> Table:
    today = anchor.date()
    rows = (
        (1, "SEPA_OUT", date(2020, 2, 29), Decimal("0.000300"), Decimal("0.4000")),
        (1, "SEPA_OUT", today - timedelta(days=30), Decimal("0.000250"), Decimal("0.3500")),
        (1, "", today, None, None),
        (2, "a\tb", date(1, 1, 1), Decimal("-0.000001"), Decimal("0")),
    )
    columns = ["client_profile_id", "fee_code", "valid_from", "pct", "fixed"]
    return from_rows("core", "client_tariff", columns, rows, tuple(columns[:3]))


def _client_document(anchor: datetime) -> Table:
    rows = (
        (_uuid(1), 1, "PASSPORT", r"\x00ff5c7820616e6420612074616209", _utc(_ago(anchor, days=90))),
        (_uuid(2), 1, "", r"\x", _utc(_ago(anchor, days=2))),
        (_uuid(3), None, None, None, None),
    )
    columns = ["id", "client_profile_id", "kind", "content", "uploaded_at"]
    return from_rows("core", "client_document", columns, rows)


def operator_sessions(anchor: datetime, worked: pd.DataFrame) -> Table:
    """core.operator_session: awkward rows first, then one a work item; it has no key."""
    awkward: Sequence[Sequence[object]] = (
        (1, "10.0.0.7", "01:30:00", _utc(_ago(anchor, days=210))),
        (1, "10.0.0.7", "01:30:00", _utc(_ago(anchor, days=210))),
        (2, "2001:db8::1/64", "1 year 2 mons -3 days 04:05:06.789", _utc(_ago(anchor, days=211))),
        (3, "192.168.0.0/24", "-00:00:00.000001", "infinity"),
        (None, None, None, "-infinity"),
    )
    columns = ["operator_id", "ip", "duration", "started_at"]
    items = pd.DataFrame(
        {
            "operator_id": worked["operator_id"],
            "ip": "10.0.1." + worked["operator_id"].astype(str),
            "duration": worked["seconds"].round(3).astype(str) + " s",
            "started_at": worked["started_at"].astype(str) + "+00",
        }
    ).astype(object)
    table = from_rows("core", "operator_session", columns, awkward, ())
    return Table("core", "operator_session", pd.concat([table.frame, items]), ())


def _fee_bucket() -> Table:
    rows = (
        ("small", Decimal("0"), Decimal("1000"), "[0,1000)"),
        ("", Decimal("1e-30"), Decimal("123456789012345678901234567890.123456789"), "(,)"),
        (None, None, None, None),
        ("NaN", "NaN", "NaN", "empty"),
        ("\\N", Decimal("-0.10"), Decimal("0.100000"), "[-0.10,0.100000]"),
        ('it\'s "quoted", with\ttab,\nnewline, \r and \\ backslash', None, None, "(0.5,]"),
        ("naïve 漢字 🏦 e\u0301", Decimal("1"), Decimal("2"), "[1,2]"),
    )
    return from_rows("core", "fee_bucket", ["name", "lo", "hi", "r"], rows, ())


def _operator_note(anchor: datetime) -> Table:
    rows = (
        (1, "Called the client; will send\nthe passport.", _utc(_ago(anchor, days=12))),
        (2, "", _utc(_ago(anchor, days=3))),
        (None, "NULL", _utc(_ago(anchor, hours=1))),
        (3, None, None),
    )
    return from_rows("core", "OperatorNote", ["ClientProfileId", "Body", "CreatedAt"], rows, ())


def _lock_table(anchor: datetime) -> Table:
    rows = ((1, False, None, None), (2, True, _ago(anchor, minutes=3), "batch-1 (10.0.0.9)"))
    return from_rows("core", "lock_table", ["id", "locked", "lockgranted", "lockedby"], rows)


def _provider_call_log(anchor: datetime) -> Table:
    rows = (
        (1, "kyc-provider", 200, datetime(2026, 1, 1)),  # noqa: DTZ001 the source is naive UTC
        (2, "kyc-provider", 503, datetime(2026, 3, 31, 23, 59, 59)),  # noqa: DTZ001
        (3, None, None, datetime(2026, 4, 1)),  # noqa: DTZ001
        (4, "aml-provider", 200, _ago(anchor, hours=2)),
    )
    columns = ["id", "provider", "status", "called_at"]
    return from_rows("integration", "provider_call_log", columns, rows, ("id", "called_at"))


def _statement_line(anchor: datetime) -> Table:
    rows = (
        (1, 1, Decimal("12.3400"), 1, _ago(anchor, days=2).date()),
        (2, 1, Decimal("-0.0100"), None, None),
    )
    columns = ["id", "statement_no", "amount", "matched_payment_id", "booked_at"]
    return from_rows("scb", "statement_line", columns, rows)


def _api_client(anchor: datetime) -> Table:
    rows: Sequence[Sequence[object]] = (
        (_uuid(11), 1, r'{payments:read,"quo\"te",""}', _utc(_ago(anchor, days=400))),
        (_uuid(12), None, "{}", None),
        (_uuid(13), 2, '{NULL,"NULL","{}"}', _utc(_ago(anchor, days=4))),
    )
    columns = ["id", "client_profile_id", "scopes", "created_at"]
    return from_rows("eapi", "api_client", columns, rows)


def other_cluster_tables(anchor: datetime) -> list[tuple[str, Table]]:
    """A few rows in every database that Heartbeat may not read or cannot reach."""
    ago = _ago(anchor, hours=3)
    columns = {
        ("bpm", "process_instance"): (["payment_id", "definition", "started_at"], (1, "hold", ago)),
        ("notification", "message"): (
            ["client_profile_id", "channel", "status", "sent_at"],
            (1, "SMS", "SENT", ago),
        ),
        ("vmi", "declaration"): (["client_profile_id", "period", "sent_at"], (1, "2026-10", ago)),
        ("mms", "sepa_message"): (
            ["payment_id", "message_type", "status", "sent_at"],
            (1, "pacs.008", "ACCEPTED", ago),
        ),
        ("mms_inst", "instant_message"): (
            ["payment_id", "status", "accepted_at", "latency_ms"],
            (2, "ACCEPTED", ago, 4_200),
        ),
        ("mss_kart", "authorization_log"): (
            ["card_id", "amount", "approved", "authorized_at"],
            (1, Decimal("12.5000"), True, ago),
        ),
    }
    return [
        (database, from_rows(database, name, ["id", *fields], [(1, *row), (2, *row)]))
        for (database, name), (fields, row) in columns.items()
    ]
