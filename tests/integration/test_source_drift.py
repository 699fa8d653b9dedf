"""What a source has lost is never computed from: what reads it keeps its last good value."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest

from heartbeat.audit.audit_view import AuditSnapshotView, read_audit_snapshots
from heartbeat.judgement.signal import Signal
from heartbeat.metrics.metric_view import MetricView, read_metrics
from tests.integration.command_line import refused, run_here, told
from tests.integration.tiny_project import CUT, CUT_KEY, TinyProject, failure_messages

SINCE = r"\d+ \w{3} \d\d:\d\d"
STATES = (
    "alter table core.payment add column state text not null default 'open';"
    "create table core.account (id int primary key, state text);"
    "insert into core.account values (1, 'open')"
)


SEGMENTS = """\
/* ---
segments: {open: all of them}
description: Who is open.
methodology: Counted.
--- */
-- name: segments
select id, state from bank_core.account
"""


@dataclass(frozen=True)
class Drifting:
    """A tiny project whose payments have a state, which `open_payments` counts."""

    tiny: TinyProject

    def source(self, statements: str) -> None:
        self.tiny.source.execute(statements.encode())

    def lands(self) -> str:
        return run_here("ingest").stdout

    def refreshes(self) -> None:
        run_here("refresh", "--in-process")

    def metric(self, metric_id: str = "open_payments") -> MetricView:
        with psycopg.connect(self.tiny.settings.database_url) as marts:
            views = read_metrics(marts, now=datetime.now(UTC), zone=self.tiny.settings.zone)
        return next(view for view in views if view.metric_id == metric_id)

    def cut(self) -> AuditSnapshotView:
        with psycopg.connect(self.tiny.settings.database_url) as marts:
            return read_audit_snapshots(marts, {"payments": "7d"})["payments"]

    def is_ok(self, metric_id: str = "open_payments") -> bool:
        return self.metric(metric_id).signal is Signal.OK

    def keeps_its_value(self, message: str, value: int = 2) -> None:
        view = self.metric()
        assert view.signal is Signal.ERROR
        assert re.search(message, view.error or ""), view.error
        assert view.value == Decimal(value)


@pytest.fixture
def drifting(tiny: TinyProject) -> Drifting:
    project = Drifting(tiny)
    project.source(STATES)
    tiny.discovers()
    tiny.writes_metric(
        "open_payments", "OPEN", "select count(*) from bank_core.payment where state = 'open'"
    )
    tiny.writes_metric("accounts", "ACCO", "select count(*) from bank_core.account")
    project.refreshes()
    assert project.metric().value == 2
    return project


LOSSES = {
    "a renamed column": (
        "alter table core.payment rename column state to status",
        rf"^bank_core\.payment\.state is gone since {SINCE}; renamed to status\?$",
        "alter table core.payment rename column status to state",
    ),
    "a dropped column": (
        "alter table core.payment drop column state",
        rf"^bank_core\.payment\.state is gone since {SINCE}; renamed\?$",
        "alter table core.payment add column state text default 'open'",
    ),
    "a renamed table": (
        "alter table core.payment rename to payments",
        rf"^bank_core\.payment is gone since {SINCE}; renamed to payments\?$",
        "alter table core.payments rename to payment",
    ),
    "a type that means something else": (
        "alter table core.payment alter state type char(9)",
        rf"payment\.state was text and is character\(9\) since {SINCE}; check",
        "alter table core.payment alter state type text",
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_reads_a_loss_fails_from_the_load_that_saw_it_until_it_is_back(
    drifting: Drifting, loss: str
) -> None:
    breaks, message, mends = LOSSES[loss]
    drifting.source(breaks)

    drifting.lands()
    drifting.keeps_its_value(message)

    drifting.refreshes()
    drifting.keeps_its_value(message)
    assert drifting.is_ok("accounts")

    drifting.source(mends)
    drifting.refreshes()
    assert drifting.is_ok()


def test_a_metric_that_does_not_read_the_lost_column_goes_on(drifting: Drifting) -> None:
    drifting.source("alter table core.payment drop column state")
    drifting.source("insert into core.payment values (3, now())")

    drifting.refreshes()

    assert drifting.metric("payments").value == 3
    assert drifting.is_ok("payments")


def test_a_mended_metric_file_computes_again(drifting: Drifting) -> None:
    drifting.source("alter table core.payment rename column state to status")
    drifting.refreshes()
    drifting.tiny.writes_metric(
        "open_payments", "OPEN", "select count(*) from bank_core.payment where status = 'open'"
    )

    drifting.refreshes()

    assert drifting.is_ok()


def test_a_loss_stays_after_the_catalog_is_written_anew(drifting: Drifting) -> None:
    drifting.source("alter table core.payment drop column state")
    drifting.refreshes()
    drifting.tiny.discovers()

    drifting.refreshes()

    drifting.keeps_its_value(r"^bank_core\.payment\.state is gone since")


def test_another_type_is_accepted_by_writing_the_catalog_anew(drifting: Drifting) -> None:
    drifting.source("alter table core.payment alter column id type text")
    drifting.refreshes()
    assert not drifting.is_ok("both")
    assert drifting.is_ok("payments")
    drifting.tiny.writes_metric(
        "both",
        "BOTH",
        "select count(*) from bank_core.payment join bank_core.fee on payment.id = fee.id::text",
    )
    drifting.tiny.discovers()

    drifting.refreshes()

    assert drifting.is_ok("both")


def test_a_table_that_no_source_lands_any_more_is_not_computed_from(drifting: Drifting) -> None:
    path = drifting.tiny.folder / "sources" / "bank.yaml"
    text = path.read_text()
    path.write_text(text.partition("tables:")[0] + "skip_tables: [core.payment]\n")
    told(run_here("source", "discover", "bank"))

    drifting.refreshes()
    drifting.keeps_its_value(
        rf"^bank_core\.payment is not landed any more since {SINCE}; no source"
    )

    path.write_text(text)
    told(run_here("source", "discover", "bank"))
    drifting.refreshes()
    assert drifting.is_ok()


def test_a_source_file_that_cannot_be_read_closes_nothing(drifting: Drifting) -> None:
    path = drifting.tiny.folder / "sources" / "bank.yaml"
    path.write_text("kind: [")

    run_here("compute")

    assert drifting.is_ok()


def test_a_cut_that_names_the_lost_column_keeps_its_picture_and_says_why(
    drifting: Drifting,
) -> None:
    ending = 'payment").fetchone'
    assert ending in CUT
    drifting.tiny.writes_cut(CUT.replace(ending, "payment where state = 'open'\").fetchone"))
    drifting.tiny.runs(CUT_KEY)
    assert drifting.cut().error is None
    drifting.source("alter table core.payment rename column state to status")

    drifting.lands()
    before = drifting.cut()
    result = drifting.tiny.runs(CUT_KEY)
    after = drifting.cut()

    message = rf"^bank_core\.payment\.state is gone since {SINCE}; renamed to status\?$"
    assert re.search(message, before.error or "")
    assert after == before
    assert after.svg
    assert "bank_core.payment.state is gone" in failure_messages(result)


def test_a_cut_that_does_not_read_the_lost_column_is_drawn(drifting: Drifting) -> None:
    drifting.source("alter table core.payment drop column state")
    drifting.lands()

    result = drifting.tiny.runs(CUT_KEY)

    assert result.success
    assert drifting.cut().error is None


def test_a_refresh_in_dagster_is_red_and_names_the_loss(drifting: Drifting) -> None:
    drifting.source("alter table core.payment rename column state to status")

    result = drifting.tiny.refreshes()

    assert not result.success
    assert "bank_core.payment.state is gone since" in failure_messages(result)


def test_segments_that_read_a_loss_keep_their_days_and_say_why(drifting: Drifting) -> None:
    folder = drifting.tiny.folder / "segments"
    folder.mkdir()
    (folder / "clients.sql").write_text(SEGMENTS)
    told(run_here("segments"))
    drifting.source("alter table core.account drop column state")
    drifting.lands()

    assert "bank_core.account.state is gone since" in refused(run_here("segments"))
    with psycopg.connect(drifting.tiny.settings.database_url) as marts:
        stored = marts.execute("select distinct client_id, segment from heartbeat.client_segment")
        assert stored.fetchall() == [("1", "open")]
    assert "segments  bank_core.account.state is gone since" in told(run_here("today"))


def test_today_and_lint_tell_of_the_loss(drifting: Drifting) -> None:
    drifting.source("alter table core.payment rename column state to status")
    drifting.lands()

    message = "bank_core.payment.state is gone since"
    assert "changed in a source (1)" in told(run_here("today"))
    assert message in told(run_here("today"))
    assert message in run_here("metric", "lint", "open_payments").stdout
