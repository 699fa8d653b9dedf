"""How do outgoing payments end, and of which type do too many fail?"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import CHART_WIDTH, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of
from ._wording import counted, percent, share_text

META = {
    "page": "overview",
    "place": 4,
    "title": "How payments end",
    "prose": "Which outgoing payments reach their receiver, and of which type too many fail.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "webbank_core.payment",
        "webbank_core.payment_state_log",
        "webbank_dict.payment_state",
        "webbank_dict.payment_type",
    ],
    "how_to_read": "Each bar is all payments of a type, from the left: failed, still open, "
    "executed. The type of which the largest share failed stands first; the last column is the "
    "same share in the window before.",
    "methodology": "Payments with direction OUT created in the window, by what the payment state "
    "log says up to the moment. Failed is rejected, cancelled or returned; a payment that was "
    "executed and then returned is returned. Open is what has reached no end; a payment whose row "
    "says executed is executed although the log may follow a day and a half later. The window "
    "before is as long, and judged at its own end, so that both had the same time to fail. "
    "Rejected SWIFT, book and card payments through all of them is the reject rate of the wall; "
    "its approval rate counts by the hour of decision instead. The headline leaves out types with "
    "less than 1 % of the payments.",
}

OUTCOMES_SQL = """
with failure as materialized (
    select l.payment_id, l.id, l."timestamp", s.code
      from webbank_dict.payment_state as s
      join webbank_core.payment_state_log as l on l.state_id = s.id
     where s.is_terminal and not s.is_success
       and l."timestamp" >= (select heartbeat.as_of() at time zone 'UTC')
                            - make_interval(days => 2 * %(days)s)
       and l."timestamp" < (select heartbeat.as_of() at time zone 'UTC')
), half as materialized (
    select is_now, ends - make_interval(days => %(days)s) as begins, ends
      from (values
          (true, heartbeat.as_of() at time zone 'UTC'),
          (false, heartbeat.as_of() at time zone 'UTC' - make_interval(days => %(days)s))
      ) as h (is_now, ends)
), failed as materialized (
    select distinct on (p.id) p.id, lower(f.code) as outcome
      from failure as f
      join webbank_core.payment as p on p.id = f.payment_id
      join half as h
        on p.create_time >= h.begins and p.create_time < h.ends and f."timestamp" < h.ends
     order by p.id, f."timestamp" desc, f.id desc
)
select h.is_now, t.code, t.rail,
       case when f.outcome is not null then f.outcome
            when s.is_success and p.update_time < h.ends then 'executed'
            when exists (
                select
                  from webbank_core.payment_state_log as l
                  join webbank_dict.payment_state as ended on ended.id = l.state_id
                 where l.payment_id = p.id and ended.is_success and l."timestamp" < h.ends
            ) then 'executed'
            else 'open'
       end,
       count(*)
  from half as h
  join webbank_core.payment as p on p.create_time >= h.begins and p.create_time < h.ends
  join webbank_dict.payment_type as t on t.id = p.type_id and t.direction = 'OUT'
  join webbank_dict.payment_state as s on s.id = p.state_id
  left join failed as f on f.id = p.id
 group by 1, 2, 3, 4
"""

NAMES = {
    "SEPA_CREDIT_OUT": "SEPA credit",
    "SEPA_INSTANT_OUT": "SEPA instant",
    "SWIFT_OUT": "SWIFT",
    "INTERNAL_OUT": "Internal",
    "CARD_SETTLEMENT": "Card",
    "FEE": "Fee",
    "FX_EXCHANGE": "Exchange",
}
FAILURES = ("rejected", "cancelled", "returned")
OUTCOMES = ("executed", *FAILURES, "open")
REJECT_RATE_RAILS = frozenset({"SWIFT", "BOOK", "CARD"})
LEAST_SHARE = 0.01

ROW_HEIGHT = 58
TITLE_HEIGHT = 160
UPPER_LINE, LOWER_LINE = -10, 14
BAR_LEFT, BAR_RIGHT = 140, 425


@dataclass(frozen=True)
class Ended:
    """The payments of one type: how many ended in which way, in the window and before."""

    code: str
    rail: str
    now: Counter[str]
    before: Counter[str]

    @property
    def name(self) -> str:
        """The type as the picture and the sentences call it."""
        return NAMES.get(self.code, self.code)


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """Payments by type and outcome, the type of which most failed first."""
    days = window_days(window)
    found = _types(conn, days)
    now, before = _sum(each.now for each in found), _sum(each.before for each in found)
    types = [each for each in found if each.now]
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "headline": _headline(types, now, days),
        "prose": _prose(types, now, before, days),
        "drawn": "Outgoing payments by their end: failed, open, executed (100 %); shares "
        f"that failed, now and in the {days} days before",
        "payments": now.total(),
        "failed": _failed(now),
        "payments_before": before.total(),
        "failed_before": _failed(before),
        "names": [each.name for each in types],
        "bars": [bar for each in types for bar in _bars(each)],
        "rows": [_row(each) for each in types],
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """One bar of 100 % a type, with its failures in words below and in percent beside it."""
    y = alt.Y("name:N", title=None, scale=alt.Scale(domain=payload["names"])).axis(None)
    bars = alt.Chart(pd.DataFrame(payload["bars"], columns=["name", "kind", "start", "end"]))
    columns = ["name", "payments_text", "note", "failed_text", "before_text"]
    rows = alt.Chart(pd.DataFrame(payload["rows"], columns=columns)).encode(y=y)
    colour = alt.Color("kind:N", legend=None).scale(
        domain=["failed", "open", "executed"], range=[Colour.ACCENT, Colour.CONTRAST, Colour.QUIET]
    )
    scale = alt.Scale(domain=[0, 100], range=[BAR_LEFT, BAR_RIGHT])
    return alt.layer(
        bars.mark_bar(height=20, yOffset=UPPER_LINE).encode(
            x=alt.X("start:Q", axis=None, scale=scale), x2="end:Q", y=y, color=colour
        ),
        _text(rows.mark_text(dy=UPPER_LINE, align="left"), 0, "name"),
        _text(_soft(rows), 0, "payments_text"),
        _text(_soft(rows), BAR_LEFT, "note"),
        _text(rows.mark_text(dy=UPPER_LINE, align="right", fontWeight=600), 495, "failed_text"),
        _text(rows.mark_text(dy=UPPER_LINE, align="right"), CHART_WIDTH - 26, "before_text"),
        _column_head("failed", 495),
        _column_head("before", CHART_WIDTH - 26),
    ).properties(
        width=CHART_WIDTH,
        height=ROW_HEIGHT * len(payload["names"]) + TITLE_HEIGHT,
        title=title(payload, payload["drawn"]),
        description=payload["prose"],
    )


def _text(mark: alt.Chart, x: int, field: str) -> alt.Chart:
    return mark.encode(x=alt.value(x), text=f"{field}:N")


def _soft(rows: alt.Chart) -> alt.Chart:
    mark: alt.Chart = rows.mark_text(dy=LOWER_LINE, align="left", color=Colour.TEXT_FAINT)
    return mark


def _column_head(text: str, x: int) -> alt.Chart:
    mark = alt.MarkDef("text", align="right", color=Colour.TEXT_FAINT)
    head = alt.Chart(pd.DataFrame({"head": [text]}), mark=mark)
    return head.encode(x=alt.value(x), y=alt.value(-8), text="head:N")


def _types(conn: Connection, days: int) -> list[Ended]:
    types: dict[str, Ended] = {}
    for is_now, code, rail, outcome, payments in conn.execute(OUTCOMES_SQL, {"days": days}):
        ended = types.setdefault(code, Ended(code, rail, Counter(), Counter()))
        (ended.now if is_now else ended.before)[outcome] += payments
    return sorted(types.values(), key=lambda ended: (-_failed_percent(ended.now), ended.name))


def _sum(counts: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return total


def _failed(count: Counter[str]) -> int:
    return sum(count[outcome] for outcome in FAILURES)


def _failed_percent(count: Counter[str]) -> float:
    return percent(_failed(count), count.total())


def _bars(ended: Ended) -> list[dict[str, Any]]:
    total = ended.now.total()
    failed = percent(_failed(ended.now), total)
    still_open = percent(ended.now["open"], total)
    edges = (("failed", 0.0), ("open", failed), ("executed", failed + still_open))
    ends = (failed, failed + still_open, 100.0)
    return [
        {"name": ended.name, "kind": kind, "start": start, "end": end}
        for (kind, start), end in zip(edges, ends, strict=True)
    ]


def _row(ended: Ended) -> dict[str, Any]:
    failed = _failed_percent(ended.now)
    before = _failed_percent(ended.before) if ended.before else None
    return {
        "type": ended.code,
        "name": ended.name,
        "payments": ended.now.total(),
        **{outcome: ended.now[outcome] for outcome in OUTCOMES},
        "failed_percent": failed,
        "payments_before": ended.before.total(),
        "failed_before": _failed(ended.before),
        "failed_percent_before": before,
        "payments_text": counted(ended.now.total(), "payment", "payments"),
        "note": _note(ended.now),
        "failed_text": value_text(failed, "%"),
        "before_text": "\u2013" if before is None else value_text(before, "%"),
    }


def _note(count: Counter[str]) -> str:
    parts = [f"{count[outcome]:,} {outcome}" for outcome in (*FAILURES, "open") if count[outcome]]
    return ", ".join(parts) or "all executed"


def _headline(types: Sequence[Ended], now: Counter[str], days: int) -> str:
    if not now:
        return f"No outgoing payment in {days} days"
    if not _failed(now):
        return f"No outgoing payment failed in {days} days"
    common = (each for each in types if each.now.total() >= LEAST_SHARE * now.total())
    worst = next((each for each in common if _failed(each.now)), types[0])
    return (
        f"{value_text(_failed_percent(worst.now), '%')} of {worst.name} payments failed in "
        f"{days} days, {value_text(_failed_percent(now), '%')} of all"
    )


def _prose(types: Sequence[Ended], now: Counter[str], before: Counter[str], days: int) -> str:
    earlier = counted(before.total(), "outgoing payment", "outgoing payments")
    if not now:
        return f"In the {days} days before there {_was(before.total())} {earlier}."
    opening = f"{_failed_share(now)} of {counted(now.total(), 'payment', 'payments')} failed"
    if before:
        opening += f", against {_failed_share(before)} in the {days} days before"
    shares = [f"{share_text(now[outcome], now.total())} {outcome}" for outcome in FAILURES]
    rails = _sum(each.now for each in types if each.rail in REJECT_RATE_RAILS)
    return (
        f"{opening}: now {shares[0]}, {shares[1]}, {shares[2]}; {value_text(now['open'], 'count')} "
        f"{_is(now['open'])} still open. "
        f"On SWIFT, book and card {share_text(rails['rejected'], rails.total())} were rejected."
    )


def _failed_share(count: Counter[str]) -> str:
    return value_text(_failed_percent(count), "%")


def _was(number: int) -> str:
    return "was" if number <= 1 else "were"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
