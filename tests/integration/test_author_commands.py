"""The commands of an author: a new metric, what is known of it, lines tried, the day's triage."""

import json
import subprocess
from typing import Any

import psycopg
import pytest

from heartbeat.settings import Settings
from tests.integration.command_line import (
    HEARTBEAT,
    METRIC,
    Run,
    landed_bank,
    refused,
    told,
)


@pytest.fixture
def landed(heartbeat: Run) -> None:
    landed_bank(heartbeat)


DRAFT = (
    *("metric", "new", "fees_paid", "--table", "bank_core.fee", "--measure", "sum"),
    *("--column", "eur", "--period", "30d", "--time-column", "paid_at", "--code", "PAID"),
    *("--name", "Fees paid", "--short-name", "Fees paid", "--unit", "EUR"),
    *("--direction", "higher_is_better"),
    *("--red-means", "Fees that are not paid are income that does not come back."),
)


@pytest.mark.usefixtures("landed")
def test_from_a_landed_table_to_a_metric_that_lints_runs_and_shows_its_number(
    heartbeat: Run, settings: Settings
) -> None:
    shown = told(heartbeat(*DRAFT))
    assert f"Wrote {settings.project / 'metrics' / 'fees_paid.sql'}" in shown
    assert "PAID  Fees paid\n€0  green" in shown
    assert "bank_core.fee  0 min old" in shown
    told(heartbeat("metric", "lint", "fees_paid"))
    assert "has the id or code fees_payd" in refused(heartbeat("metric", "lint", "fees_payd"))
    past = told(heartbeat("compute", "fees_paid", "--as-of", "2026-02-10T00:00:00+00:00"))
    assert past.split() == ["fees_paid", "0.25", "green"]
    assert "is there already; choose another id" in refused(heartbeat(*DRAFT))


@pytest.mark.usefixtures("landed")
def test_what_is_not_said_is_asked(settings: Settings) -> None:
    answers = (
        *("bank_core.fee", "oldest", "snapshot", "OLDF", "Oldest fee", "Oldest fee", "h"),
        *(
            "lower_is_better",
            "A fee that is old was paid by a client who has left since.",
            "paid_at",
        ),
    )
    asked = subprocess.run(
        [HEARTBEAT, "metric", "new", "oldest_fee"],
        input="\n".join(answers) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "without norm_value and alert_value a threshold metric is always green" in asked.stdout
    assert "Column that is measured (id, eur, paid_at): " in asked.stdout
    assert "OLDF  Oldest fee" in asked.stdout
    assert "the linter has 1 finding; edit the file" in asked.stderr
    assert (settings.project / "metrics" / "oldest_fee.sql").exists()


@pytest.mark.usefixtures("landed")
@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--table", "bank_core.fees", "no source lands bank_core.fees; there are bank_core.fee"),
        ("--table", "core.fee", "no source lands core.fee; there are bank_core"),
        ("--column", "usd", "bank_core.fee has no column usd; it has eur, id, paid_at"),
        ("--code", "FEES", "code FEES is used by fees.sql; take another"),
        ("--code", "TOOLONG", "must be exactly 4 characters A-Z or 0-9"),
        ("--short-name", "x" * 27, "short_name"),
    ],
)
def test_a_metric_that_cannot_be_is_refused_in_one_line(
    heartbeat: Run, settings: Settings, option: str, value: str, words: str
) -> None:
    assert words in refused(heartbeat(*DRAFT, option, value))
    assert [each.name for each in (settings.project / "metrics").iterdir()] == ["fees.sql"]


@pytest.mark.usefixtures("landed")
def test_a_metric_is_shown_with_all_that_is_known_of_it(heartbeat: Run) -> None:
    told(heartbeat("compute"))
    text = told(heartbeat("metric", "show", "FEES"))
    assert text.startswith("FEES  Fees\n€2.75  green\n  €2.75 crosses no line, since ")
    assert "unverified: nobody has verified it" in text
    assert "last runs\n" in text
    assert "2.75 green" in text
    assert "Seq Scan on fee" in text
    document = json.loads(told(heartbeat("metric", "show", "fees", "--json")))
    assert (document["value"], document["status"], len(document["runs"])) == (2.75, "green", 1)
    assert "no registered metric has the id or code NONE" in refused(
        heartbeat("metric", "show", "NONE")
    )


@pytest.mark.usefixtures("landed")
def test_lines_are_tried_on_the_history(heartbeat: Run, marts: psycopg.Connection[Any]) -> None:
    told(heartbeat("registry", "sync"))
    marts.execute(
        "insert into heartbeat.metric_history (metric_id, d, v, run_id) select 'fees',"
        " date '2026-11-01' + n, (array[5, 1, 2, 9, 1])[n + 1], '' from generate_series(0, 4) n"
    )
    assert told(heartbeat("metric", "backtest", "FEES", "--alert", "3")).splitlines() == [
        "FEES  5 days, 2026-11-01 to 2026-11-05",
        "alert 3 EUR: beyond it on 3 days (60%), in 2 stretches",
        "  2026-11-02 to 2026-11-03  2 d, worst 1  longest",
        "  2026-11-05 to 2026-11-05  1 d, worst 1",
    ]
    both = ("metric", "backtest", "fees", "--alert", "3", "--norm", "6", "--json")
    document = json.loads(told(heartbeat(*both)))
    assert (document["alert"]["days"], document["norm"]["days"]) == (3, 4)
    assert "give a line to try" in refused(heartbeat("metric", "backtest", "FEES"))
    assert "it must be a number" in refused(
        heartbeat("metric", "backtest", "FEES", "--alert", "much")
    )


@pytest.mark.usefixtures("landed")
def test_the_triage_of_today_is_one_screen(
    heartbeat: Run, settings: Settings, marts: psycopg.Connection[Any]
) -> None:
    told(heartbeat("compute"))
    assert told(heartbeat("today")) == "1 metric, all green and fresh.\n"
    folder = settings.project / "metrics"
    red = METRIC.replace("FEES", "REDF").replace(
        "kind: threshold", "kind: threshold\nalert_value: 9"
    )
    (folder / "red.sql").write_text(red)
    (folder / "bad.sql").write_text(
        METRIC.replace("FEES", "BADF").replace("sum(eur)", "max(1 / (id - id))")
    )
    marts.execute("update heartbeat.table_load set polled_at = now() - interval '3 days'")
    marts.execute("update heartbeat.table_load set error = 'the source is away'")
    heartbeat("compute")
    text = told(heartbeat("today"))
    assert "red (1)\n  REDF  Fees: €2.75 is below alert €9, for " in text
    assert "failing (1)\n  BADF  bad.sql:11: division by zero" in text
    assert "stale (2)" in text
    assert "did not land (1)\n  bank_core.fee  the source is away" in text
    document = json.loads(told(heartbeat("today", "--json")))
    assert document["did not land"][0]["table"] == "bank_core.fee"


@pytest.mark.usefixtures("landed")
def test_the_typical_bands_are_computed_on_demand(
    heartbeat: Run, settings: Settings, marts: psycopg.Connection[Any]
) -> None:
    path = settings.project / "metrics" / "fees.sql"
    path.write_text(METRIC.replace("kind: threshold", "kind: rolling_stat"))
    told(heartbeat("registry", "sync"))
    assert told(heartbeat("benchmark")) == (
        "fees  no band: fewer than 14 complete days have a value\n"
    )
    marts.execute(
        "insert into heartbeat.metric_history (metric_id, d, v, run_id)"
        " select 'fees', (now() at time zone 'UTC')::date - n, 4 + 2 * (n % 2), ''"
        " from generate_series(1, 20) n"
    )
    assert told(heartbeat("benchmark")) == "fees  5 ± 1.02598 over 20 days\n"


def test_a_sync_shows_what_changes_before_it_changes_it(
    heartbeat: Run, settings: Settings, marts: psycopg.Connection[Any]
) -> None:
    assert told(heartbeat("registry", "sync", "--dry-run")) == "+ fees\n"
    assert told(heartbeat("registry", "sync")) == "+ fees\n"
    with marts.transaction():
        marts.execute("set local role heartbeat_operator")
        marts.execute("update heartbeat.metric_registry set alert_value = 3")
    changed = METRIC.replace("name: Fees", "name: All fees", 1)
    changed = changed.replace("kind: threshold", "kind: threshold\nalert_value: 5")
    changed = changed.replace("sum(eur)", "max(eur)")
    (settings.project / "metrics" / "fees.sql").write_text(changed)
    difference = (
        "~ fees\n"
        "    name: Fees → All fees\n"
        "    definition: the value statement\n"
        "= fees\n"
        "    alert_value: stays 3, which is the operators'; the file says 5\n"
    )
    assert told(heartbeat("registry", "status")) == difference
    assert told(heartbeat("registry", "sync")) == difference
    assert told(heartbeat("registry", "sync")).startswith("The registry is as the files say.\n")


CUT_DRAFT = (
    *("cut", "new", "fees_by_day", "--table", "bank_core.fee", "--time-column", "paid_at"),
    *("--page", "overview", "--title", 'Fees "by" day'),
)


@pytest.mark.usefixtures("landed")
def test_from_a_landed_table_to_a_cut_that_draws_at_once(
    heartbeat: Run, settings: Settings
) -> None:
    shown = told(heartbeat(*CUT_DRAFT))
    assert f"Wrote {settings.project / 'audit_cuts' / 'fees_by_day.py'}" in shown
    assert (
        'Fees "by" day\nRows of bank_core.fee in 30 days: 0\nIn the 30 days before there were 0.'
        in shown
    )
    past = ("--window", "7d", "--as-of", "2026-02-03T00:00:00+00:00")
    assert "Rows of bank_core.fee in 7 days: 1" in told(
        heartbeat("cut", "run", "fees_by_day", *past)
    )
    drawn = settings.home / "drawings"
    assert (drawn / "fees_by_day-7d.svg").read_text().startswith("<svg")
    assert (drawn / "fees_by_day-7d.png").read_bytes().startswith(b"\x89PNG")
    assert "is there already; choose another id" in refused(heartbeat(*CUT_DRAFT))
    told(heartbeat("validate"))


@pytest.mark.usefixtures("landed")
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"fees_by_day": "../fees"}, "a cut is named a-z, 0-9 and _"),
        ({"bank_core.fee": "bank_core.fees"}, "no source lands bank_core.fees"),
        ({"paid_at": "eur"}, "eur is numeric, which is no moment in time"),
        ({"paid_at": "paid"}, "bank_core.fee has no column paid; it has eur, id, paid_at"),
        ({"overview": "The first"}, "META.page: must match the pattern"),
    ],
    ids=["id", "table", "no moment", "no column", "page"],
)
def test_a_cut_that_cannot_be_is_not_written(
    heartbeat: Run, settings: Settings, changed: dict[str, str], reason: str
) -> None:
    assert reason in refused(heartbeat(*(changed.get(word, word) for word in CUT_DRAFT)))
    assert list((settings.project / "audit_cuts").iterdir()) == []


@pytest.mark.usefixtures("landed")
def test_a_cut_that_cannot_be_drawn_says_why(heartbeat: Run, settings: Settings) -> None:
    told(heartbeat(*CUT_DRAFT))
    path = settings.project / "audit_cuts" / "fees_by_day.py"
    path.write_text(path.read_text().replace("as rows\n", "as rowz,\n"))
    assert "compute failed at fees_by_day.py" in refused(heartbeat("cut", "run", "fees_by_day"))
    path.write_text("META = 7\n")
    assert "fees_by_day.py:1: META" in refused(heartbeat("cut", "run", "fees_by_day"))
    assert "there is no file fees.py" in refused(heartbeat("cut", "run", "fees"))
