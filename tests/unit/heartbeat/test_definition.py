from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from heartbeat.metrics.definition import definition_of, differences
from heartbeat.metrics.metric import Direction, Metric, Period
from heartbeat.metrics.metric_file import parse_metric
from heartbeat.metrics.verification import Signature, VerificationState, verification
from heartbeat.table_reference import TableRef

FILE = """\
/* ---
code: SIGN
name: Signed
short_name: Signed
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
--- */
-- name: value
select count(*) from bank.payment p where p.state = 'Open'
-- name: history
select d, n from bank.daily
"""
PAYMENT, DAILY = TableRef("bank", "payment"), TableRef("bank", "daily")
TYPES = {
    PAYMENT: {"id": "bigint", "state": "text"},
    DAILY: {"d": "date", "n": "integer", "note": "text"},
}


@pytest.fixture
def metric(tmp_path: Path) -> Metric:
    path = tmp_path / "signed.sql"
    path.write_text(FILE, encoding="utf-8")
    return parse_metric(path)


@pytest.mark.parametrize(
    "value",
    [
        "SELECT COUNT(*)\n FROM bank.payment AS p -- open ones\n WHERE p.state = 'Open';",
        "select count ( * ) from Bank.Payment p /* which */ where p.STATE='Open'",
    ],
    ids=["comments and lines", "case and spaces"],
)
def test_how_it_is_written_is_no_part_of_a_definition(metric: Metric, value: str) -> None:
    value = value.replace(" AS p", " p")
    rewritten = replace(metric, value_sql=value)
    assert definition_of(rewritten, TYPES).hash == definition_of(metric, TYPES).hash


def test_a_signature_of_today_holds_with_the_next_version_of_the_tokenizer(
    metric: Metric,
) -> None:
    """A change here ends every verification that was ever given."""
    assert definition_of(metric, TYPES).hash == (
        "9488dae7accdbea76ca6a02cecea8d52e9f243ac37c9a3bf14d9056d7cbdb6f0"
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"value_sql": "select count(*) from bank.payment p where p.state = 'open'"},
            ("the value statement",),
        ),
        (
            {"value_sql": 'select count(*) from bank.payment p where p.state = "Open"'},
            ("the value statement",),
        ),
        (
            {"history_sql": None},
            (
                "the history statement",
                "bank.daily.d from date to absent",
                "bank.daily.n from integer to absent",
            ),
        ),
        (
            {"direction": Direction.HIGHER_IS_BETTER},
            ("direction from lower_is_better to higher_is_better",),
        ),
        ({"period": Period.DAY}, ("period from snapshot to 24h",)),
        ({"reads": (PAYMENT,)}, ("bank.daily is not read any more",)),
    ],
    ids=["a text", "a name for a text", "no history", "direction", "period", "table"],
)
def test_what_it_means_is(metric: Metric, changed: dict[str, object], words: tuple[str]) -> None:
    signed = definition_of(metric, TYPES)
    present = definition_of(replace(metric, **changed), TYPES)  # type: ignore[arg-type]
    assert present.hash != signed.hash
    assert differences(signed.document, present.document) == words


def test_the_type_of_a_column_that_is_named_is_part_of_it(metric: Metric) -> None:
    signed = definition_of(metric, TYPES)
    wider = definition_of(metric, {**TYPES, PAYMENT: {"id": "bigint", "state": "integer"}})
    assert differences(signed.document, wider.document) == (
        "bank.payment.state from text to integer",
    )


def test_a_column_that_nothing_names_is_not(metric: Metric) -> None:
    more = {**TYPES, PAYMENT: {**TYPES[PAYMENT], "colour": "text"}, DAILY: {**TYPES[DAILY]}}
    more[DAILY]["note"] = "integer"
    assert definition_of(metric, more).hash == definition_of(metric, TYPES).hash


def test_with_a_star_every_column_is(metric: Metric) -> None:
    starred = replace(metric, history_sql="select * from bank.daily")
    document = definition_of(starred, TYPES).document
    assert document["tables"]["bank.daily"] == {"d": "date", "n": "integer", "note": "text"}


NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SIGNED = Signature(datetime(2026, 10, 1, tzinfo=UTC), "dana@bank.example", {}, "hash")
VERIFIED, UNVERIFIED = VerificationState.VERIFIED, VerificationState.UNVERIFIED


def test_a_signature_verifies_for_as_long_as_the_definition_is_the_signed_one(
    metric: Metric,
) -> None:
    signed = definition_of(metric, TYPES)
    signature = Signature(SIGNED.signed_at, SIGNED.signed_by, signed.document, signed.hash)
    turned = definition_of(replace(metric, direction=Direction.HIGHER_IS_BETTER), TYPES)

    before = verification(VERIFIED, signature, signed.document, signed.hash, NOW)
    lapsed = verification(VERIFIED, signature, turned.document, turned.hash, NOW)

    assert (before.state, before.since) == (VERIFIED, SIGNED.signed_at)
    assert before.reason == "verified by dana@bank.example"
    assert (lapsed.state, lapsed.since) == (UNVERIFIED, NOW)
    assert lapsed.reason == (
        "changed after it was verified by dana@bank.example on 2026-10-01: "
        "direction from lower_is_better to higher_is_better"
    )


@pytest.mark.parametrize(
    ("wanted", "signature", "reason"),
    [
        (UNVERIFIED, None, "nobody has verified it"),
        (VERIFIED, None, "nobody has verified it"),
        (UNVERIFIED, SIGNED, "it was set to unverified"),
    ],
)
def test_without_a_signature_that_is_wanted_it_is_unverified(
    wanted: VerificationState, signature: Signature | None, reason: str
) -> None:
    found = verification(wanted, signature, {}, "hash", NOW)
    assert (found.state, found.since, found.reason) == (UNVERIFIED, None, reason)
