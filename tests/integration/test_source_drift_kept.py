"""What has drifted stays closed for as long as the landed rows are not those of the source."""

import psycopg
import pytest

from heartbeat.landing.schema_write import SchemaWrite
from tests.integration.command_line import refused, run_here, told
from tests.integration.test_source_drift import Drifting, drifting

__all__ = ["drifting"]

RENAMED = (
    "alter table core.payment rename column state to status;"
    "insert into core.payment values (3, now(), 'open'), (4, now(), 'open')"
)
BACK = "alter table core.payment rename column status to state"
GONE = r"^bank_core\.payment\.state is gone since"


def in_marts(project: Drifting, statement: str) -> None:
    with psycopg.connect(project.tiny.settings.database_url, autocommit=True) as marts:
        marts.execute(statement.encode())


def test_a_column_that_is_back_stays_closed_until_its_values_have_landed(
    drifting: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifting.source(RENAMED)
    drifting.refreshes()
    drifting.source(BACK)
    monkeypatch.setenv("HEARTBEAT_LOCK_TIMEOUT", "200ms")
    with psycopg.connect(drifting.tiny.settings.database_url) as holder:
        holder.execute("lock table bank_core.payment in row exclusive mode")
        assert "waited too long" in refused(run_here("ingest", "--table", "payment"))
    run_here("compute", "open_payments")
    drifting.keeps_its_value(GONE)

    drifting.refreshes()
    assert drifting.metric().value == 4
    assert drifting.is_ok()


def test_a_landing_that_dies_before_it_writes_has_opened_nothing(
    drifting: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifting.source(RENAMED)
    drifting.refreshes()
    drifting.source(BACK)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SchemaWrite, "run", dies)
        assert run_here("ingest").returncode != 0
    run_here("compute", "open_payments")

    drifting.keeps_its_value(GONE)


def test_a_loss_is_remembered_while_its_whole_table_is_not_landed(drifting: Drifting) -> None:
    drifting.source(RENAMED)
    drifting.refreshes()
    told(run_here("source", "discover", "bank"))
    path = drifting.tiny.folder / "sources" / "bank.yaml"
    path.rename(path.with_suffix(".off"))
    run_here("compute")
    drifting.keeps_its_value("payment is not landed any more")
    path.with_suffix(".off").rename(path)

    drifting.refreshes()

    drifting.keeps_its_value(GONE)


ENUMS = (
    "create type core.phase as enum ('open', 'shut');"
    "create type core.step as enum ('open', 'shut');"
    "alter table core.payment alter state drop default, alter state type core.phase using 'open'"
)
RELABELLED = {
    "another enum": (
        "alter table core.payment alter state type core.step using 'shut'",
        r"payment\.state was core\.phase and is core\.step since",
    ),
    "a value of the enum renamed": (
        "alter type core.phase rename value 'open' to 'active'",
        r"payment\.state has lost the value 'open' since",
    ),
}


@pytest.mark.parametrize("change", RELABELLED)
def test_an_enum_that_means_something_else_is_another_type(drifting: Drifting, change: str) -> None:
    drifting.source(ENUMS)
    told(run_here("source", "discover", "bank"))
    drifting.refreshes()
    assert drifting.is_ok()
    statement, message = RELABELLED[change]
    drifting.source(statement)

    drifting.refreshes()

    drifting.keeps_its_value(message)


OPENED = {
    "to all": "grant select on bank_core.payment to public",
    "to a role of the reader": "grant pg_read_all_data to heartbeat_reader",
}


@pytest.mark.parametrize("grant", OPENED)
def test_a_grant_that_opens_the_lost_column_is_told_and_nothing_is_computed(
    drifting: Drifting, grant: str
) -> None:
    in_marts(drifting, OPENED[grant])
    try:
        drifting.source(RENAMED)
        drifting.refreshes()
        drifting.keeps_its_value(r"and a grant in marts, .* keeps it open to readers: revoke that")
    finally:
        in_marts(drifting, "revoke pg_read_all_data from heartbeat_reader")


def test_a_table_that_cannot_be_closed_is_not_written_and_the_others_land(
    drifting: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_LOCK_TIMEOUT", "200ms")
    drifting.source(RENAMED + "; insert into core.fee values (3, 1)")
    with psycopg.connect(drifting.tiny.settings.database_url) as other:
        other.execute("grant select on bank_core.payment to heartbeat_sync")
        error = refused(run_here("ingest"))
        assert "bank_core.payment: the source has lost" in error
        assert "a GRANT or REVOKE on it open" in error
        assert "bank_core.fee" not in error
    run_here("compute")

    assert drifting.metric().value == 2
    assert drifting.metric("fees").value == 3.75


def test_a_column_that_the_file_drops_is_told_so_and_one_that_is_renamed_too(
    drifting: Drifting,
) -> None:
    path = drifting.tiny.folder / "sources" / "bank.yaml"
    text = path.read_text()
    path.write_text(text.replace("{cursor: update_time}", "{drop_columns: [state]}"))
    told(run_here("source", "discover", "bank"))
    drifting.refreshes()
    drifting.keeps_its_value(r"state is not landed any more since .*; the source file drops it$")

    path.write_text(text)
    drifting.source("alter table core.payment rename column state to status")
    drifting.refreshes()
    drifting.keeps_its_value(GONE)


def test_a_loss_that_only_the_history_reads_is_told_until_the_past_days_are_computed(
    drifting: Drifting,
) -> None:
    drifting.tiny.writes_metric(
        "open_payments",
        "OPEN",
        "select count(*) from bank_core.payment\n-- name: history\n"
        "select d, (select count(*) from bank_core.payment where state = 'open') as v"
        " from heartbeat.business_days() where not is_today",
    )
    drifting.refreshes()
    assert drifting.is_ok()
    drifting.source("alter table core.payment rename column state to status")
    drifting.refreshes()
    assert drifting.metric().error is not None
    run_here("compute", "--all-days")
    assert drifting.metric().error is not None


def test_what_the_catalog_has_been_written_without_is_no_news(drifting: Drifting) -> None:
    drifting.source("alter table core.payment rename column state to status")
    drifting.refreshes()
    assert "changed in a source (1)" in told(run_here("today"))
    told(run_here("source", "discover", "bank"))
    drifting.refreshes()

    assert "changed in a source" not in told(run_here("today"))
    drifting.keeps_its_value(GONE)


def test_a_type_that_changed_before_the_first_load_is_told_by_that_load(
    drifting: Drifting,
) -> None:
    drifting.source("create table core.client (id int primary key, n int)")
    told(run_here("source", "discover", "bank"))
    drifting.source("alter table core.client alter n type text")

    assert "bank_core.client.n was integer and is text since" in run_here("ingest").stdout
