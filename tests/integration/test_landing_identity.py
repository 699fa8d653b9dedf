"""A load goes on with what has landed only while it is part of the same whole table."""

import pytest

from tests.integration.landed_bank import Bank, Notes

BIG = """
create table core.big (id int primary key, t timestamptz);
insert into core.big
    select i, timestamptz '2026-01-30' - i * interval '1 day' from generate_series(1, 20) i;
analyze core.big;
"""
RANGED = "first_load_rows: 5\ntables:\n  core.big: {cursor: t}\n"


class KilledAfterARange(Notes):
    def noted(self, message: str) -> None:
        if "landed up to" in message:
            raise KeyboardInterrupt


def test_a_part_of_a_first_load_is_never_taken_for_the_whole_table(bank: Bank) -> None:
    bank.has(BIG)
    source = bank.discovered(RANGED)
    bank.lands(source)
    bank.marts.execute("drop table bank_core.big")

    with pytest.raises(KeyboardInterrupt):
        bank.watched_by(KilledAfterARange()).lands(source)
    assert bank.landed("select count(*) from bank_core.big") == [(5,)]
    assert bank.ledger("big")["polled_at"] is None

    load = bank.lands(source)["big"]
    assert (load.error, load.row_count) == (None, 20)
    assert "big: the first load goes on after id = 5" in "".join(bank.observer.messages)
    assert bank.ledger("big")["polled_at"] is not None


def test_a_table_that_marts_lacks_has_no_age_from_before(bank: Bank) -> None:
    bank.has(BIG)
    source = bank.discovered(RANGED)
    bank.lands(source)
    bank.marts.execute("drop table bank_core.big")
    bank.has("alter table core.big rename to other")

    assert bank.lands(source)["big"].error is not None

    assert bank.ledger("big")["polled_at"] is None
