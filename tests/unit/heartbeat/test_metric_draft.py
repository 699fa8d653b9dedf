from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from heartbeat.landing.catalog import Catalog, Column, Table, write_catalog
from heartbeat.lint.linter import lint_files
from heartbeat.metrics.metric import Direction, Kind, Period
from heartbeat.metrics.metric_draft import Draft, DraftError, Measure
from heartbeat.project import Project
from heartbeat.table_reference import TableRef

REFERENCE = TableRef("bank_core", "order")
TYPES = {
    "id": "bigint",
    "amount": "numeric",
    "timestamp": "timestamp without time zone",
    "booked_at": "timestamp with time zone",
    "due_on": "date",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A source that lands one table."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "sources" / "bank.yaml").write_text(
        "kind: postgres\nconnection_env: SOURCE_BANK_URL\nschemas: [core]\n", encoding="utf-8"
    )
    columns = tuple(
        Column(name=name, landed_as=name, source_type=type_, landed_type=type_, nullable=True)
        for name, type_ in TYPES.items()
    )
    table = Table(
        schema_name="core",
        name="order",
        landed_as="order",
        columns=columns,
        primary_key=("id",),
        write="replace",
        reason="small",
    )
    write_catalog(tmp_path / "sources" / "bank.catalog.json", Catalog(tables=(table,)))
    return Project(tmp_path)


@pytest.fixture
def draft(project: Project) -> Draft:
    return Draft(
        metric_id="orders",
        code="ORDR",
        name="Orders: all of them",
        short_name="Orders",
        period=Period.DAY,
        unit="%",
        direction=Direction.HIGHER_IS_BETTER,
        how_to_read="An order that does not come is a fee of 4 € that nobody pays.",
        table=project.tables[REFERENCE],
        measure=Measure.COUNT,
        time_column="timestamp",
    )


@pytest.mark.parametrize(
    ("measure", "period", "time_column"),
    list(product(Measure, Period, ("timestamp", "booked_at", "due_on"))),
    ids=str,
)
def test_every_draft_is_a_metric_that_lints(
    project: Project, draft: Draft, measure: Measure, period: Period, time_column: str
) -> None:
    column = {Measure.COUNT: None, Measure.SUM: "amount", Measure.OLDEST: time_column}[measure]
    drafted = replace(
        draft,
        measure=measure,
        period=period,
        unit="d" if measure is Measure.OLDEST else "%",
        column=column,
        time_column=time_column,
        alert_value="7.5",
    )
    (project.folder / "metrics" / "orders.sql").write_text(drafted.text(), encoding="utf-8")
    assert list(lint_files(project)) == []
    (metric,) = project.metrics.metrics
    rolling = period in (Period.DAY, Period.WEEK, Period.MONTH)
    assert metric.kind is (Kind.ROLLING_STAT if rolling else Kind.THRESHOLD)
    assert (metric.history_sql is not None) is rolling
    assert (metric.name, metric.unit, str(metric.alert_value)) == (
        "Orders: all of them",
        drafted.unit,
        "7.5",
    )
    assert metric.reads == (REFERENCE,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"time_column": "created"},
            "bank_core.order has no column created; it has amount",
        ),
        ({"metric_id": "../elsewhere"}, "a metric is named a-z, 0-9 and _"),
        ({"time_column": None}, "the period 24h needs the column that dates a row"),
        ({"time_column": "amount"}, "amount is numeric, which is no moment in time"),
        ({"measure": Measure.SUM}, "the measure sum needs a column"),
        ({"measure": Measure.OLDEST, "column": "id"}, "id is bigint, which is no moment in time"),
        ({"measure": Measure.SUM, "column": "due_on"}, "due_on is date, which is no number"),
        (
            {"measure": Measure.OLDEST, "column": "due_on", "unit": "h"},
            "due_on is a date, whose age is in days: the unit is d",
        ),
        (
            {"measure": Measure.OLDEST, "column": "timestamp", "unit": "EUR"},
            "the age of the oldest is in min, h, d, not EUR",
        ),
    ],
    ids=[
        *("no name", "unknown", "undated", "no moment", "no column", "no age"),
        *("no number", "hours", "no unit"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(
    draft: Draft, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(DraftError, match=words):
        replace(draft, **changes).text()  # type: ignore[arg-type]
