"""The triangle of cohorts, against the state log and the entries in pandas."""

import math
from datetime import timedelta

import pandas as pd
import pytest

from tests.integration.audit_cuts.altered_bank import payload_after
from tests.integration.audit_cuts.bank_cuts import MOMENT, BankCuts

# period of the cohorts, earliest cohort, length of a step
AGEINGS = {
    "7d": ("W-SUN", "2026-09-14", timedelta(days=7)),
    "30d": ("M", "2026-04-01", timedelta(days=30)),
    "90d": ("M", "2025-11-01", timedelta(days=30)),
}


def activations(bank: BankCuts, window: str) -> pd.DataFrame:
    """Clients of the window's cohorts: client, since, cohort."""
    period, earliest, _ = AGEINGS[window]
    states = bank.table("webbank_dict.profile_state").set_index("code")["id"]
    log = bank.table("webbank_core.client_profile_state_log")
    log = log[(log["profile_state"] == states["ACTIVE"]) & (log["timestamp"] < MOMENT)]
    since = log.groupby("client_profile_id")["timestamp"].min().rename("since")
    cohort = since.dt.to_period(period).dt.start_time.rename("cohort")
    frame = pd.concat([since, cohort], axis="columns").rename_axis("client").reset_index()
    members: pd.DataFrame = frame[frame["cohort"] >= earliest]
    return members


def business(bank: BankCuts) -> pd.DataFrame:
    """Client and moment of every posted PRINCIPAL entry."""
    entries = bank.table("webbank_core.entry")
    types = bank.table("webbank_dict.entry_type").set_index("code")["id"]
    states = bank.table("webbank_dict.entry_state").set_index("code")["id"]
    clients = bank.table("webbank_core.account").set_index("id")["client_profile_id"]
    posted = entries[
        (entries["entry_type_id"] == types["PRINCIPAL"])
        & (entries["entry_state_id"] == states["POSTED"])
        & (entries["create_time"] < MOMENT)
    ]
    return pd.DataFrame(
        {"client": posted["account_id"].map(clients), "at": posted["create_time"]}
    ).dropna()


def triangle(bank: BankCuts, window: str) -> dict[tuple[str, int], tuple[int, int]]:
    """Cohort and step to the clients of the cohort and those who did business in the step."""
    step_length = AGEINGS[window][2]
    members = activations(bank, window)
    first_entry = bank.table("webbank_core.entry")["create_time"].min()
    done = members.merge(business(bank), on="client")
    done = done[done["at"] >= done["since"]]
    done["step"] = [age // step_length + 1 for age in done["at"] - done["since"]]
    cells = {}
    for cohort, clients in members.groupby("cohort"):
        complete = (MOMENT - clients["since"].max()) // step_length
        unknown = max(0, math.ceil((first_entry - clients["since"].min()) / step_length))
        for step in range(unknown + 1, complete + 1):
            active = done[(done["cohort"] == cohort) & (done["step"] == step)]
            cells[f"{cohort:%Y-%m-%d}", step] = (len(clients), active["client"].nunique())
    return cells


@pytest.mark.parametrize("window", AGEINGS)
def test_every_cell_is_counted_alike(bank: BankCuts, window: str) -> None:
    rows = bank.payload("cohort_retention", window)["rows"]
    counted = {
        (row["cohort"], row["step"]): (row["clients"], row["doing_business"]) for row in rows
    }
    assert counted == triangle(bank, window)


@pytest.mark.parametrize("window", AGEINGS)
def test_the_share_and_its_shade_are_of_the_cohort(bank: BankCuts, window: str) -> None:
    for row in bank.payload("cohort_retention", window)["rows"]:
        assert row["share"] == pytest.approx(100 * row["doing_business"] / row["clients"])
        assert row["shade"] == min(5, int(6 * row["doing_business"] / row["clients"]))


@pytest.mark.parametrize("window", AGEINGS)
def test_an_older_cohort_is_never_seen_for_a_shorter_time(bank: BankCuts, window: str) -> None:
    rows = pd.DataFrame(bank.payload("cohort_retention", window)["rows"])
    last_steps = rows.groupby("cohort")["step"].max().tolist()
    assert last_steps == sorted(last_steps, reverse=True)


@pytest.mark.parametrize(("window", "unit"), [("7d", "week"), ("30d", "month"), ("90d", "month")])
def test_the_headline_compares_the_youngest_cohort_with_the_oldest(
    bank: BankCuts, window: str, unit: str
) -> None:
    payload = bank.payload("cohort_retention", window)
    starts = [row for row in payload["rows"] if row["step"] == 1]
    youngest, oldest = (f"{round(starts[place]['share'], 1):g} %" for place in (-1, 0))
    assert payload["headline"].startswith(f"First {unit}: {youngest} of the ")
    assert f", {oldest} of " in payload["headline"]
    assert [row for row in payload["rows"] if row["is_compared"]] == [starts[0], starts[-1]]


def test_the_words_name_the_weakest_cell(bank: BankCuts) -> None:
    payload = bank.payload("cohort_retention", "7d")
    weakest = min(payload["rows"], key=lambda row: row["share"])
    name = weakest["label"].split(" (")[0]
    assert f"The weakest is {name} in week {weakest['step']}" in payload["prose"]


def test_a_lone_cohort_is_compared_with_none(bank: BankCuts) -> None:
    payload = payload_after(
        bank,
        "cohort_retention",
        "30d",
        "delete from webbank_core.client_profile_state_log "
        "where timestamp < '2026-09-01' or timestamp >= '2026-10-01'",
    )
    share = round(payload["rows"][0]["share"], 1)
    assert payload["headline"] == f"First month: {share:g} % of the Sep cohort did business"


def test_before_the_first_entry_nothing_is_known(bank: BankCuts) -> None:
    payload = payload_after(bank, "cohort_retention", "90d", "delete from webbank_core.entry")
    assert payload["headline"] == "No cohort has completed its first month"


@pytest.mark.parametrize(("window", "unit"), [("7d", "week"), ("30d", "month"), ("90d", "month")])
def test_without_clients_no_cohort_is_complete(
    empty_bank: BankCuts, window: str, unit: str
) -> None:
    payload = empty_bank.payload("cohort_retention", window)
    assert payload["headline"] == f"No cohort has completed its first {unit}"
    assert payload["rows"] == []
