"""Why are outgoing payments rejected, of which type, and since when?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any, TypeAlias

import altair as alt
import pandas as pd

from heartbeat.audit.audit_cut import Connection, window_days
from heartbeat.audit.chart_theme import shade, shade_colour, shade_text_colour, title
from heartbeat.audit.palette import Colour
from heartbeat.judgement.wording import value_text

from ._moments import as_of, day_text, whole_days_or_weeks
from ._wording import counted, share_text

META = {
    "page": "journeys",
    "place": 5,
    "title": "Why payments are rejected",
    "prose": "For which reasons outgoing payments are rejected, of which type, and since when.",
    "windows": ["7d", "30d", "90d"],
    "window_default": "30d",
    "reads": [
        "webbank_core.payment",
        "webbank_core.payment_state_log",
        "webbank_dict.payment_state",
        "webbank_dict.payment_type",
        "webbank_dict.reject_reason",
    ],
    "how_to_read": "The reasons stand in the order of their number; the share behind a bar is that "
    "of all reasons so far. Beside them stand the types of payment, below the days or weeks in "
    "which the rejections came: a dark cell at the right end is a fault that goes on.",
    "methodology": "Payments with direction OUT created in the window that the payment state log "
    "says are rejected by the moment, each once, at its first rejection. Cancellations by the "
    "client and returns are no rejections. SEPA and SEPA Instant are rejected in the clearing as "
    "well, which is not landed; what stands here is what the bank rejected itself. The window "
    "before is as long, and judged at its own end. Days and weeks are those of the business time "
    "zone, weeks from Monday; the first and the last may be part of one.",
}

REJECTIONS_SQL = """
with half as materialized (
    select is_now, ends - make_interval(days => %(days)s) as begins, ends
      from (values
          (true, heartbeat.as_of() at time zone 'UTC'),
          (false, heartbeat.as_of() at time zone 'UTC' - make_interval(days => %(days)s))
      ) as h (is_now, ends)
), rejection as materialized (
    select l.payment_id, min(l."timestamp") as at
      from webbank_core.payment_state_log as l
     where l.state_id = any (array(
               select id from webbank_dict.payment_state where code = 'REJECTED'))
       and l."timestamp" >= (select min(begins) from half)
       and l."timestamp" < (select max(ends) from half)
     group by l.payment_id
)
select half.is_now,
       coalesce(reason.code, 'NO_REASON_GIVEN'),
       t.code,
       date_trunc(%(step)s, rejection.at at time zone 'UTC'
                            at time zone (select heartbeat.business_timezone()))::date,
       count(*)
  from rejection
  join webbank_core.payment as p on p.id = rejection.payment_id
  join half on p.create_time >= half.begins and p.create_time < half.ends
           and rejection.at < half.ends
  join webbank_dict.payment_type as t on t.id = p.type_id and t.direction = 'OUT'
  left join webbank_dict.reject_reason as reason on reason.id = p.reject_reason_id
 group by 1, 2, 3, 4
"""

PAYMENTS_SQL = """
select count(*) filter (where p.create_time >= moment.at - make_interval(days => %(days)s)),
       count(*) filter (where p.create_time < moment.at - make_interval(days => %(days)s))
  from webbank_core.payment as p
  join webbank_dict.payment_type as t on t.id = p.type_id and t.direction = 'OUT'
 cross join (select heartbeat.as_of() at time zone 'UTC') as moment (at)
 where p.create_time >= moment.at - make_interval(days => 2 * %(days)s)
   and p.create_time < moment.at
"""

TYPES = {
    "SWIFT_OUT": "SWIFT",
    "SEPA_CREDIT_OUT": "SEPA",
    "SEPA_INSTANT_OUT": "Inst.",
    "CARD_SETTLEMENT": "Card",
    "INTERNAL_OUT": "Book",
    "FEE": "Fee",
    "FX_EXCHANGE": "FX",
}
"""Types of payment as the heads of the columns call them; others by their code."""

SPOKEN_TYPES = {"SEPA": "SEPA credit", "Inst.": "SEPA instant", "Card": "card", "Book": "internal"}
Layers: TypeAlias = alt.LayerChart | alt.FacetChart

MOST_TYPES = 5
COUNTS = 0.1
"""From this share of all rejections on, a reason that has doubled is spoken of first."""
REASONS_WIDTH, BARS_WIDTH, TYPE_WIDTH = 160, 126, 52
TIMES_WIDTH, WIDEST_TIME, DAY_TEXT_WIDTH = 368, 66, 62
ROW_HEIGHT = 30


@dataclass(frozen=True)
class Rejections:
    """How many payments of a type were rejected for a reason on a day, or in a week."""

    reason: str
    type: str
    bucket: date
    number: int


def compute(conn: Connection, *, window: str) -> dict[str, Any]:
    """Rejections by reason, type and day or week; the most frequent reason first."""
    days = window_days(window)
    step = "day" if days <= 7 else "week"
    now, before = _rejections(conn, days, step)
    payments, payments_before = conn.execute(PAYMENTS_SQL, {"days": days}).fetchone() or (0, 0)
    ranked = [reason for reason, _ in _ranked(_by_reason(now))]
    return {
        "as_of": as_of(conn),
        "window_days": days,
        "step": step,
        "headline": _headline(now, before, ranked, days),
        "prose": _prose(now, before, payments, payments_before, days),
        "payments": payments,
        "rejected": _total(now),
        "rejected_before": _total(before),
        "rows": [
            {"reason": each.reason, "type": each.type, step: each.bucket, "rejected": each.number}
            for each in sorted(now, key=lambda each: (each.bucket, each.reason, each.type))
        ],
        "reasons": _reasons(now, before, ranked, _leading(now, before, ranked)),
        "types": _cells(_by_type(now), ranked, _shown_types(now)),
        "times": _cells(
            _by_bucket(now), ranked, list(whole_days_or_weeks(conn, days=days, step=step))
        ),
    }


def chart(payload: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Bars of the reasons beside their types; below, when they came."""
    reasons, times = payload["reasons"], payload["times"]
    columns = max(1, len({cell["column"] for cell in times}))
    time_width = min(WIDEST_TIME, TIMES_WIDTH // columns)
    drawn = (
        "payments by reason (share so far), type of payment, "
        f"and {payload['step']} of the rejection"
    )
    return alt.vconcat(
        alt.hconcat(_bars(reasons), _matrix(payload["types"], TYPE_WIDTH), spacing=8),
        alt.hconcat(_labels(reasons), _matrix(times, time_width), spacing=8),
        spacing=28,
        title=title(payload, drawn),
    )


def _bars(reasons: Sequence[Mapping[str, Any]]) -> Layers:
    frame = pd.DataFrame(reasons, columns=["label", "now", "text", "kind"])
    highest = max([*frame["now"], 1])
    rows = alt.Chart(frame).encode(
        y=_rows(reasons),
        x=alt.X("now:Q", axis=None).scale(domain=[0, highest * 3.6], nice=False),
    )
    colour = alt.when("datum.kind == 'leading'").then(alt.value(Colour.ACCENT))
    bars = rows.mark_bar(height=18).encode(color=colour.otherwise(alt.value(Colour.NEUTRAL)))
    text = rows.mark_text(align="left", dx=6).encode(text="text:N")
    height = ROW_HEIGHT * max(1, len(reasons))
    return alt.layer(bars, text).properties(width=BARS_WIDTH, height=height)


def _matrix(cells: Sequence[Mapping[str, Any]], column_width: int) -> Layers:
    frame = pd.DataFrame(cells, columns=["label", "column", "head", "text", "shade"])
    heads = dict(zip(frame["column"], frame["head"], strict=True))
    spoken = [f"datum.value == '{column}' ? '{head}'" for column, head in heads.items()]
    labels = list(dict.fromkeys(frame["label"]))
    grid = alt.Chart(frame).encode(
        x=alt.X("column:O", sort=list(heads), title=None).axis(
            orient="top",
            labelAngle=0,
            labelExpr=" : ".join([*spoken, "''"]),
            labelOverlap=False,
        ),
        y=alt.Y("label:N", sort=labels, axis=None).scale(domain=labels),
    )
    tiles = grid.mark_rect(stroke=Colour.PANEL, strokeWidth=2).encode(color=shade_colour("shade"))
    text = grid.mark_text().encode(text="text:N", color=shade_text_colour("shade"))
    return alt.layer(tiles, text).properties(
        width=column_width * max(1, len(heads)), height=ROW_HEIGHT * max(1, len(labels))
    )


def _labels(reasons: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """The names of the reasons alone."""
    names = pd.DataFrame(reasons, columns=["label"])
    height = ROW_HEIGHT * max(1, len(reasons))
    alone: alt.Chart = alt.Chart(names, width=1, height=height).mark_text(text="")
    return alone.encode(y=_rows(reasons))


def _rows(reasons: Sequence[Mapping[str, Any]]) -> alt.Y:
    labels = [reason["label"] for reason in reasons]
    return (
        alt.Y("label:N", sort=labels, title=None)
        .axis(labelColor=Colour.TEXT, minExtent=REASONS_WIDTH, maxExtent=REASONS_WIDTH)
        .scale(domain=labels)
    )


def _rejections(
    conn: Connection, days: int, step: str
) -> tuple[list[Rejections], list[Rejections]]:
    """Those of the window, and those of the window before."""
    halves: dict[bool, list[Rejections]] = {True: [], False: []}
    for is_now, *found in conn.execute(REJECTIONS_SQL, {"days": days, "step": step}):
        halves[is_now].append(Rejections(*found))
    return halves[True], halves[False]


def _total(rejections: Sequence[Rejections]) -> int:
    return sum(each.number for each in rejections)


def _by_reason(rejections: Sequence[Rejections]) -> Counter[str]:
    numbers: Counter[str] = Counter()
    for each in rejections:
        numbers[each.reason] += each.number
    return numbers


def _by_type(rejections: Sequence[Rejections]) -> Counter[tuple[str, object]]:
    numbers: Counter[tuple[str, object]] = Counter()
    for each in rejections:
        numbers[each.reason, TYPES.get(each.type, each.type)] += each.number
    return numbers


def _by_bucket(rejections: Sequence[Rejections]) -> Counter[tuple[str, object]]:
    numbers: Counter[tuple[str, object]] = Counter()
    for each in rejections:
        numbers[each.reason, each.bucket] += each.number
    return numbers


def _ranked(numbers: Counter[str]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda item: (-item[1], item[0]))


def _shown_types(rejections: Sequence[Rejections]) -> list[str]:
    """The types with the most rejections, in that order."""
    numbers: Counter[str] = Counter()
    for each in rejections:
        numbers[TYPES.get(each.type, each.type)] += each.number
    return [name for name, _ in _ranked(numbers)[:MOST_TYPES]]


def _reasons(
    now: Sequence[Rejections],
    before: Sequence[Rejections],
    ranked: Sequence[str],
    leading: str | None,
) -> list[dict[str, Any]]:
    numbers, earlier, total = _by_reason(now), _by_reason(before), _total(now)
    so_far = 0
    reasons = []
    for reason in ranked:
        so_far += numbers[reason]
        share = value_text(round(100 * so_far / total), "%")
        reasons.append(
            {
                "reason": reason,
                "label": _spoken(reason),
                "now": numbers[reason],
                "before": earlier[reason],
                "text": f"{numbers[reason]:,} ({share})",
                "kind": "leading" if reason == leading else "other",
            }
        )
    return reasons


def _cells(
    numbers: Counter[tuple[str, object]], ranked: Sequence[str], columns: Sequence[object]
) -> list[dict[str, Any]]:
    highest = max(numbers.values(), default=0)
    return [
        {
            "label": _spoken(reason),
            "column": str(column),
            "head": _head(column, place, len(columns)),
            "number": numbers[reason, column],
            "text": f"{numbers[reason, column]:,}" if numbers[reason, column] else "",
            "shade": shade(numbers[reason, column], highest),
        }
        for reason in ranked
        for place, column in enumerate(columns)
    ]


def _head(column: object, place: int, columns: int) -> str:
    """The name of a type, or a day; as many days as there is room for."""
    if not isinstance(column, date):
        return str(column)
    return "" if place % ceil(DAY_TEXT_WIDTH * columns / TIMES_WIDTH) else day_text(column)


def _spoken(reason: str) -> str:
    words = _in_a_sentence(reason)
    return words[:1].upper() + words[1:]


def _in_a_sentence(reason: str) -> str:
    return reason.replace("_", " ").lower().replace("aml", "AML")


def _leading(
    now: Sequence[Rejections], before: Sequence[Rejections], ranked: Sequence[str]
) -> str | None:
    """The reason to speak of first: one that has doubled and counts, else the most frequent."""
    numbers, earlier, total = _by_reason(now), _by_reason(before), _total(now)
    doubled = [
        reason
        for reason in ranked
        if numbers[reason] >= 2 * earlier[reason] and numbers[reason] >= COUNTS * total
    ]
    rises = {reason: numbers[reason] - earlier[reason] for reason in doubled}
    return max(rises, key=rises.__getitem__, default=ranked[0] if ranked else None)


def _headline(
    now: Sequence[Rejections], before: Sequence[Rejections], ranked: Sequence[str], days: int
) -> str:
    total, leading = _total(now), _leading(now, before, ranked)
    if leading is None:
        return f"No payment was rejected in {days} days"
    were = "payment was" if total == 1 else "payments were"
    number, earlier = _by_reason(now)[leading], _by_reason(before)[leading]
    share = share_text(number, total)
    told = f"{total:,} {were} rejected in {days} days, {share} for {_in_a_sentence(leading)}"
    return f"{told} ({earlier:,} to {number:,})" if number >= 2 * earlier else told


def _prose(
    now: Sequence[Rejections],
    before: Sequence[Rejections],
    payments: int,
    payments_before: int,
    days: int,
) -> str:
    of_all = f"of {counted(payments, 'outgoing payment', 'outgoing payments')}"
    rejected = share_text(_total(now), payments)
    earlier = share_text(_total(before), payments_before)
    opening = f"Rejected is {rejected} {of_all}; in the {days} days before it was {earlier}."
    return " ".join([opening, *_rise(now, before), *_where(now)])


def _rise(now: Sequence[Rejections], before: Sequence[Rejections]) -> list[str]:
    """Which reason has grown the most, where one has."""
    numbers, earlier = _by_reason(now), _by_reason(before)
    grown = [(numbers[reason] - earlier[reason], reason) for reason in numbers]
    most, reason = max(grown, default=(0, ""))
    if most <= 0:
        return ["No reason has become more frequent."] if now else []
    rise = f"from {earlier[reason]:,} to {numbers[reason]:,}{_on_one_type(now, reason)}"
    return [f"{_spoken(reason)} rose most: {rise}."]


def _on_one_type(now: Sequence[Rejections], reason: str) -> str:
    names = {TYPES.get(each.type, each.type) for each in now if each.reason == reason}
    if len(names) != 1:
        return ""
    (name,) = names
    return f", all of it {SPOKEN_TYPES.get(name, name)}"


def _where(now: Sequence[Rejections]) -> list[str]:
    if not now:
        return []
    name = _shown_types(now)[0]
    number = sum(each.number for each in now if TYPES.get(each.type, each.type) == name)
    of_all = f"{number:,}, {share_text(number, _total(now))} of all"
    return [f"Most rejections are of {SPOKEN_TYPES.get(name, name)} payments: {of_all}."]
