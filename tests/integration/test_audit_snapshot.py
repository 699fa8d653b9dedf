from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import altair as alt
import numpy as np
import pandas as pd
import psycopg
import pytest
from psycopg.rows import dict_row

from heartbeat.audit.audit_cut import AuditCut, load_cuts
from heartbeat.audit.audit_snapshot import (
    SnapshotOutcome,
    UnknownWindowError,
    compute_snapshot,
    sync_cuts,
)
from heartbeat.audit.chart_rendering import ChartError, render
from heartbeat.audit.cut_payload import PayloadError, json_payload
from heartbeat.settings import Settings

UTC_ZONE = ZoneInfo("UTC")

AS_OF = datetime(2026, 2, 14, 12, tzinfo=UTC)

CUT = """
import altair as alt
import pandas as pd

META = {
    "page": "overview",
    "title": "Payments",
    "prose": "How many.",
    "windows": ["7d", "30d"],
    "window_default": "7d",
    "reads": ["bank_core.payment", "bank_core.entry"],
    "methodology": "Counted.",
    "how_to_read": "Taller is more.",
}


def compute(conn, *, window):
    conn.execute("select from bank_core.payment, bank_core.entry")
    (as_of,) = conn.execute("select heartbeat.as_of()").fetchone()
    return {"as_of": as_of, "window": window, "n": 3}


def chart(payload):
    return alt.Chart(pd.DataFrame({"n": [payload["n"]]})).mark_bar().encode(y="n:Q")
"""


@pytest.fixture
def url(marts_url: str) -> str:
    with psycopg.connect(marts_url) as connection:
        connection.execute(
            "create schema bank_core; create table bank_core.payment (id int);"
            "create index on bank_core.payment (id);"
            "create table bank_core.entry (id int); create table bank_core.client (id int);"
            "call heartbeat.open_to_readers('bank_core', array['payment', 'entry', 'client'])"
        )
    return marts_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cuts = tmp_path / "audit_cuts"
    cuts.mkdir()
    return cuts


def written(folder: Path, content: str = CUT, name: str = "payments") -> AuditCut:
    (folder / f"{name}.py").write_text(content, encoding="utf-8")
    loaded = load_cuts(folder)
    return next(cut for cut in loaded.cuts if cut.cut_id == name)


def computed(url: str, cut: AuditCut, *, run_id: str = "run-1") -> SnapshotOutcome:
    return compute_snapshot(cut, "7d", settings_on(url), as_of=AS_OF, run_id=run_id)


def settings_on(url: str, **others: Any) -> Settings:
    return Settings.load().model_copy(update={"explicit_database_url": url, **others})


def rows(url: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query.encode()).fetchall()


def snapshot(url: str) -> dict[str, Any]:
    (row,) = rows(url, "select * from heartbeat.audit_cut_snapshot")
    return row


def synced(url: str, folder: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    with psycopg.connect(url) as connection:
        change = sync_cuts(connection, load_cuts(folder))
    return change.added, change.changed, change.removed


def registered(url: str) -> dict[str, dict[str, Any]]:
    return {row["cut_id"]: row for row in rows(url, "select * from heartbeat.audit_cut_registry")}


def polled(url: str, table: str, polled_at: datetime | None) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into heartbeat.table_load (schema_name, table_name, polled_at, write_mode,"
            " run_id) values ('bank_core', %s, %s, 'merge', 'run-0')",
            [table, polled_at],
        )


def test_the_registry_follows_the_files(url: str, folder: Path) -> None:
    written(folder)
    written(folder, name="fees")
    assert synced(url, folder) == (("fees", "payments"), (), ())
    assert synced(url, folder) == ((), (), ())

    written(folder, CUT.replace("How many.", "How many there are."))
    (folder / "fees.py").unlink()

    assert synced(url, folder) == ((), ("payments",), ("fees",))
    row = registered(url)["payments"]
    assert (row["prose"], row["windows"]) == ("How many there are.", ["7d", "30d"])
    assert row["reads"] == ["bank_core.entry", "bank_core.payment"]


def test_a_folder_without_cuts_empties_the_registry(url: str, folder: Path) -> None:
    written(folder)
    synced(url, folder)

    (folder / "payments.py").unlink()

    assert synced(url, folder) == ((), (), ("payments",))
    assert registered(url) == {}


def test_a_sync_never_touches_what_operators_own(url: str, folder: Path) -> None:
    written(folder)
    synced(url, folder)
    with psycopg.connect(url) as connection:
        connection.execute(
            "update heartbeat.audit_cut_registry"
            " set owner = 'finance', verification_state = 'verified'"
        )

    written(folder, CUT.replace("Counted.", "Counted once."))
    synced(url, folder)

    row = registered(url)["payments"]
    assert row["methodology"] == "Counted once."
    assert (row["owner"], row["verification_state"]) == ("finance", "verified")


def test_a_file_that_breaks_keeps_its_row_in_the_registry(url: str, folder: Path) -> None:
    written(folder)
    synced(url, folder)
    before = registered(url)

    (folder / "payments.py").write_text("def compute(:", encoding="utf-8")

    assert synced(url, folder) == ((), (), ())
    assert registered(url) == before


def test_snapshots_of_a_removed_cut_stay(url: str, folder: Path) -> None:
    cut = written(folder)
    synced(url, folder)
    computed(url, cut)

    (folder / "payments.py").unlink()
    synced(url, folder)

    assert snapshot(url)["cut_id"] == "payments"


def test_a_compute_stores_payload_spec_and_drawing(url: str, folder: Path) -> None:
    outcome = computed(url, written(folder))

    row = snapshot(url)
    assert outcome.error is None
    assert (row["cut_id"], row["window_key"], row["run_id"]) == ("payments", "7d", "run-1")
    assert row["payload"] == {"as_of": AS_OF.isoformat(), "window": "7d", "n": 3}
    assert row["spec"]["mark"]["type"] == "bar"
    assert row["svg"].startswith("<svg")
    assert row["png"].startswith(b"\x89PNG")
    assert outcome.svg_bytes == len(row["svg"].encode())
    assert row["error"] is None


def test_each_window_has_a_snapshot_of_its_own(url: str, folder: Path) -> None:
    cut = written(folder)

    for window in cut.windows:
        compute_snapshot(cut, window, settings_on(url), as_of=AS_OF, run_id="run-1")

    stored = rows(url, "select window_key, payload from heartbeat.audit_cut_snapshot order by 1")
    assert [(row["window_key"], row["payload"]["window"]) for row in stored] == [
        ("30d", "30d"),
        ("7d", "7d"),
    ]


def test_a_window_that_the_cut_does_not_have_is_refused(url: str, folder: Path) -> None:
    with pytest.raises(UnknownWindowError, match="payments has no window '90d'; it has 7d, 30d"):
        compute_snapshot(written(folder), "90d", settings_on(url), as_of=AS_OF, run_id="run-1")


@pytest.mark.parametrize(
    ("payment", "entry", "oldest"),
    [
        pytest.param(AS_OF, AS_OF - timedelta(hours=5), AS_OF - timedelta(hours=5), id="both"),
        pytest.param(AS_OF, None, None, id="one never landed"),
    ],
)
def test_the_source_time_is_the_oldest_poll_of_the_tables_it_reads(
    url: str, folder: Path, payment: datetime, entry: datetime | None, oldest: datetime | None
) -> None:
    polled(url, "payment", payment)
    polled(url, "entry", entry)
    polled(url, "client", AS_OF - timedelta(days=9))

    outcome = computed(url, written(folder))

    assert outcome.source_as_of == oldest
    assert snapshot(url)["source_as_of"] == oldest


def test_a_table_that_the_ledger_does_not_know_was_never_polled(url: str, folder: Path) -> None:
    polled(url, "payment", AS_OF)

    assert computed(url, written(folder)).source_as_of is None


FAULTS = {
    "SQL error": (
        '"select heartbeat.as_of()"',
        '"select * from bank_core.gone"',
        'compute failed at payments.py:19: UndefinedTable: relation "bank_core.gone"',
    ),
    "Python error": (
        '"n": 3',
        '"n": {}["x"]',
        "compute failed at payments.py:20: KeyError: 'x'",
    ),
    "NaN": (
        '"n": 3',
        '"n": float("nan")',
        "compute failed at payments.py: payload.n is nan; use None for no value",
    ),
    "no dict": (
        'return {"as_of"',
        'return [1] or {"as_of"',
        "compute failed at payments.py: compute must return a dict, not list",
    ),
    "write": (
        '"select heartbeat.as_of()"',
        '"delete from heartbeat.table_load returning now()"',
        "compute failed at payments.py:19: ReadOnlySqlTransaction: cannot execute DELETE",
    ),
    "write after a commit": (
        '"select heartbeat.as_of()"',
        '"select 1"); conn.commit(); conn.execute("delete from heartbeat.table_load"',
        "compute failed at payments.py:19: ReadOnlySqlTransaction: cannot execute DELETE",
    ),
    "table that is not declared": (
        'bank_core.entry")',
        'bank_core.entry, bank_core.client")',
        "compute failed at payments.py: its SQL reads bank_core.client; add it to META.reads",
    ),
    "declared table that is not read": (
        'bank_core.payment, bank_core.entry")',
        'bank_core.entry")',
        "compute failed at payments.py: META.reads has bank_core.payment, which its SQL does not",
    ),
    "chart error": (
        'payload["n"]',
        'payload["m"]',
        "chart failed at payments.py:24: KeyError: 'm'",
    ),
    "chart of another library": (
        "return alt.Chart",
        "return 3 or alt.Chart",
        "chart failed at payments.py: AttributeError: 'int' object has no attribute 'to_dict'",
    ),
    "chart with an address": (
        'alt.Chart(pd.DataFrame({"n": [payload["n"]]}))',
        'alt.Chart("elsewhere.csv")',
        "chart failed at payments.py: chart.data.url refers to a URL",
    ),
}


@pytest.mark.parametrize(("good", "bad", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_keeps_the_last_good_snapshot_and_tells_the_author(
    url: str, folder: Path, good: str, bad: str, message: str
) -> None:
    polled(url, "payment", AS_OF)
    polled(url, "entry", AS_OF)
    computed(url, written(folder))
    before = snapshot(url)

    outcome = computed(url, written(folder, CUT.replace(good, bad)), run_id="run-2")

    assert outcome.error is not None
    assert outcome.error.startswith(message)
    assert snapshot(url) == before | {"error": outcome.error, "run_id": "run-2"}


def test_a_table_that_lost_its_rows_keeps_the_last_picture_until_it_has_some(
    url: str, folder: Path
) -> None:
    cut = written(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into bank_core.payment values (1)")
        assert computed(url, cut).error is None
        before = snapshot(url)
        connection.execute("delete from bank_core.payment")
        outcome = computed(url, cut, run_id="run-2")
        assert outcome.error == (
            "no data: bank_core.payment had rows at the last compute and has none now"
        )
        assert snapshot(url) == before | {"error": outcome.error, "run_id": "run-2"}
        connection.execute("insert into bank_core.payment values (2)")
        assert computed(url, cut, run_id="run-3").error is None


def test_a_table_that_never_had_a_row_stops_nothing(url: str, folder: Path) -> None:
    cut = written(folder)
    assert computed(url, cut).error is None
    assert snapshot(url)["empty_reads"] == ["bank_core.entry", "bank_core.payment"]
    assert computed(url, cut, run_id="run-2").error is None


def test_a_first_compute_that_fails_stores_only_its_error(url: str, folder: Path) -> None:
    outcome = computed(url, written(folder, CUT.replace('"n": 3', '"n": 1 / 0')))

    row = snapshot(url)
    assert row["error"] == outcome.error
    assert (row["payload"], row["svg"], row["computed_at"]) == (None, None, None)


def test_a_good_compute_clears_the_error(url: str, folder: Path) -> None:
    computed(url, written(folder, CUT.replace('"n": 3', '"n": 1 / 0')))

    computed(url, written(folder))

    assert snapshot(url)["error"] is None


def test_a_statement_beyond_the_timeout_is_the_cuts_fault(url: str, folder: Path) -> None:
    cut = written(folder, CUT.replace("select heartbeat.as_of()", "select pg_sleep(60)"))

    settings = settings_on(url, statement_timeout="50ms")
    outcome = compute_snapshot(cut, "7d", settings, as_of=AS_OF, run_id="run-1")

    assert outcome.error == (
        "compute failed at payments.py:19: QueryCanceled: canceling statement due to statement "
        "timeout"
    )


@pytest.mark.parametrize(
    "ending", ["conn.rollback()", "conn.commit()", 'conn.execute("rollback")', "conn.close()"]
)
def test_a_cut_that_ends_its_transaction_is_refused(url: str, folder: Path, ending: str) -> None:
    read = 'conn.execute("select from bank_core.client")'
    cut = written(folder, CUT.replace("    return {", f"    {read}\n    {ending}\n    return {{"))

    assert computed(url, cut).error == (
        "compute failed at payments.py: it ended its transaction, so that nobody can tell what it "
        "has read; leave out commit, rollback and close"
    )


def test_a_cut_sees_the_business_time_zone(url: str, folder: Path) -> None:
    cut = written(folder, CUT.replace("heartbeat.as_of()", "heartbeat.business_timezone()"))

    settings = settings_on(url, timezone="Europe/Vilnius")
    compute_snapshot(cut, "7d", settings, as_of=AS_OF, run_id="run-1")

    assert snapshot(url)["payload"]["as_of"] == "Europe/Vilnius"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param(Decimal("0.0100"), 0.01, id="decimal"),
        pytest.param(Decimal("180000.0000"), 180000, id="whole decimal"),
        pytest.param(date(2026, 2, 14), "2026-02-14", id="date"),
        pytest.param(AS_OF, "2026-02-14T12:00:00+00:00", id="moment"),
        pytest.param(pd.Timestamp("2026-02-14"), "2026-02-14T00:00:00", id="pandas moment"),
        pytest.param(UUID(int=7), "00000000-0000-0000-0000-000000000007", id="uuid"),
        pytest.param(np.int64(3), 3, id="numpy integer"),
        pytest.param(np.array([[1.5, 2.5]]), [[1.5, 2.5]], id="numpy array"),
        pytest.param((1, None, True), [1, None, True], id="tuple"),
    ],
)
def test_a_payload_holds_plain_values_as_json_has_them(value: Any, stored: Any) -> None:
    assert json_payload({"x": [{"y": value}]}) == {"x": [{"y": stored}]}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param(float("nan"), "is nan", id="nan"),
        pytest.param(np.float64("-inf"), "is -inf", id="numpy infinity"),
        pytest.param(Decimal("NaN"), "is NaN", id="decimal nan"),
        pytest.param(pd.NaT, "is a NaTType", id="nat"),
        pytest.param(timedelta(hours=1), "is a timedelta", id="duration"),
        pytest.param({1, 2}, "is a set", id="set"),
        pytest.param(pd.DataFrame(), "is a DataFrame", id="data frame"),
        pytest.param({7: "x"}, "has the key 7", id="key that is no text"),
    ],
)
def test_a_payload_that_json_cannot_hold_is_refused_with_its_place(
    value: Any, problem: str
) -> None:
    with pytest.raises(PayloadError, match=f"^payload.x\\[1\\] {problem}"):
        json_payload({"x": [0, value]})


def clipped_line() -> alt.Chart:
    data = pd.DataFrame({"x": [1, 2, 3], "y": [2, 1, 4]})
    line = alt.Chart(data, mark=alt.MarkDef("line", clip=True))
    return line.encode(x="x:Q", y="y:Q")


def test_equal_charts_give_equal_specs_and_drawings() -> None:
    assert render(clipped_line(), UTC_ZONE) == render(clipped_line(), UTC_ZONE)


def test_a_drawing_has_the_house_background_and_names_no_address() -> None:
    svg = render(clipped_line(), UTC_ZONE).svg.replace("http://www.w3.org/", "")

    assert '<rect width="600" height="340" fill="#171d25"/>' in svg
    assert "http" not in svg


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(alt.Chart("data.csv").mark_bar().encode(x="x:Q"), id="data"),
        pytest.param(clipped_line().encode(href="x:N"), id="link"),
        pytest.param(clipped_line().mark_image(url="logo.png"), id="image"),
        pytest.param(
            clipped_line().transform_lookup(
                lookup="x", from_=alt.LookupData(data=alt.UrlData("d.csv"), key="x", fields=["z"])
            ),
            id="lookup",
        ),
    ],
)
def test_a_chart_that_refers_to_an_address_is_refused(chart: alt.Chart) -> None:
    with pytest.raises(ChartError, match="refers to a URL"):
        render(chart, UTC_ZONE)


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(clipped_line().mark_text(font="Arial").encode(text="x:Q"), id="mark"),
        pytest.param(clipped_line().encode(x=alt.X("x:Q").axis(labelFont="Arial")), id="axis"),
    ],
)
def test_a_chart_that_names_a_font_is_refused(chart: alt.Chart) -> None:
    with pytest.raises(ChartError, match="ont names the font 'Arial'; leave it to the house theme"):
        render(chart, UTC_ZONE)


def test_a_column_may_be_called_url() -> None:
    chart = alt.Chart(pd.DataFrame({"url": [1, 2], "font": [3, 4]})).mark_bar().encode(x="url:Q")

    assert render(chart, UTC_ZONE).svg.startswith("<svg")
