"""When things happen in the bank: arrival rates, seasons and office hours, all in naive UTC.

People live by the wall clock of Vilnius, summer time included.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

Moments = npt.NDArray[np.datetime64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ZONE = "Europe/Vilnius"
NEVER = np.datetime64("NaT", "ms")

# BPI Challenge 2012: shares of applications per weekday (Monday first) and per hour
WEEKDAY_PER_MILLE: Floats = np.array([180, 161, 182, 168, 133, 89, 87], dtype=np.float64)
HOUR_WEIGHT: Floats = np.array(
    [16, 8, 4, 2, 2, 1, 3, 8, 16, 44, 62, 73, 70, 74, 79, 72, 74, 57, 60, 67, 72, 61, 47, 28],
    dtype=np.float64,
)
HUMAN_HOURS: Floats = HOUR_WEIGHT / HOUR_WEIGHT.sum()
# standing orders and batches run at night: half of the payments ignore the hour
PAYMENT_HOURS: Floats = (HUMAN_HOURS + np.full(24, 1 / 24)) / 2

# the same log's human work: no Sunday, 9 to 21, dips at lunch and at 17 h
REVIEW_WEEKDAY_PER_MILLE: Floats = np.array([208, 194, 173, 184, 158, 83, 0], dtype=np.float64)
REVIEW_HOUR_WEIGHT: Floats = np.array(
    [0] * 9 + [80, 110, 115, 70, 90, 115, 110, 105, 60, 90, 80, 65] + [0] * 3, dtype=np.float64
)
WORK_ITEM_MEDIAN_S, WORK_ITEM_LN_SD = 2.3 * 60, 1.58

GROWTH_PER_DAY = 0.0012
HOLIDAYS = ((1, 1), (2, 16), (3, 11), (5, 1), (7, 6), (11, 1), (12, 25), (12, 26))
HOLIDAY_FACTOR, PAYROLL_FACTOR, AUGUST_FACTOR = 0.25, 1.25, 0.8
PAYROLL_DAYS = (1, 25, 26, 27, 28)
AUGUST = 8
MILLISECONDS_PER_HOUR = 3_600_000
HOURS_PER_WEEK = 168
OPEN_HOURS_PER_WEEK = 72


def later(moments: Moments, seconds: Floats) -> Moments:
    """The moments moved by that many seconds each, to the millisecond."""
    return np.asarray(moments + np.round(seconds * 1000).astype("timedelta64[ms]"))


def days_of(moments: Moments) -> Moments:
    return moments.astype("datetime64[D]")


def local(moments: Moments) -> Moments:
    """What the wall clock shows at those moments."""
    shown = pd.DatetimeIndex(moments).tz_localize("UTC").tz_convert(ZONE).tz_localize(None)
    return np.asarray(shown.to_numpy().astype("datetime64[ms]"))


def weekdays(days: Moments) -> Ints:
    """0 is Monday; day 0 of the epoch was a Thursday."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7


def season(days: Moments) -> Floats:
    """Relative volume of each day: payroll, holidays, August."""
    months = days.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    day = (days.astype("datetime64[D]") - months).astype(np.int64) + 1
    factor = np.where(np.isin(day, PAYROLL_DAYS), PAYROLL_FACTOR, 1.0)
    factor = np.where(month == AUGUST, factor * AUGUST_FACTOR, factor)
    holiday = np.isin(month * 100 + day, [m * 100 + d for m, d in HOLIDAYS])
    return np.where(holiday, HOLIDAY_FACTOR, factor)


def arrivals(
    rng: np.random.Generator,
    start: np.datetime64,
    end: np.datetime64,
    *,
    per_day: float,
    hour_share: Floats,
) -> Moments:
    """A Poisson process by local hour, weekday, season and growth; sorted, in [start, end)."""
    hours = _hours(start, end)
    shown = local(hours)
    days = days_of(shown)
    growth = np.exp(GROWTH_PER_DAY * (days - days[0]).astype(np.int64))
    weekday = WEEKDAY_PER_MILLE[weekdays(days)] * 7 / WEEKDAY_PER_MILLE.sum()
    rate = per_day * weekday * hour_share[_hour_of(shown)] * season(days) * growth
    starts = np.repeat(hours, rng.poisson(rate)).astype("datetime64[ms]")
    within = rng.integers(0, MILLISECONDS_PER_HOUR, starts.size).astype("timedelta64[ms]")
    moments = np.sort(starts + within)
    return moments[(moments >= start) & (moments < end)]


def _hours(start: np.datetime64, end: np.datetime64) -> Moments:
    return np.arange(start.astype("datetime64[h]"), end + np.timedelta64(1, "h"), dtype="M8[h]")


def _hour_of(moments: Moments) -> Ints:
    return np.asarray((moments.astype("datetime64[h]") - days_of(moments)).astype(np.int64))


class Office:
    """The business clock: it stands still while nobody works, and runs by how many people do."""

    def __init__(self, start: np.datetime64, end: np.datetime64) -> None:
        hours = _hours(start, end)
        shown = local(hours)
        staff = REVIEW_WEEKDAY_PER_MILLE[weekdays(shown)] * REVIEW_HOUR_WEIGHT[_hour_of(shown)]
        a_week = REVIEW_WEEKDAY_PER_MILLE.sum() * REVIEW_HOUR_WEIGHT.sum()
        worked = staff * OPEN_HOURS_PER_WEEK / a_week
        self._milliseconds = hours.astype("datetime64[ms]").astype(np.float64)
        self._worked = np.concatenate([[0.0], np.cumsum(worked)[:-1]])

    def after(self, moments: Moments, business_hours: Floats) -> Moments:
        """The moments at which that much work has been done since each of the given ones."""
        since = np.interp(moments.astype(np.float64), self._milliseconds, self._worked)
        until = np.interp(since + business_hours, self._worked, self._milliseconds)
        return np.asarray(np.round(until).astype(np.int64).astype("datetime64[ms]"))

    def about(self, moments: Moments, hours: Floats) -> Moments:
        """Moments of work about that many hours of the wall clock later."""
        return self.after(moments, hours * OPEN_HOURS_PER_WEEK / HOURS_PER_WEEK)


def lognormal(
    rng: np.random.Generator, median: float | Floats, ln_sd: float | Floats, size: int
) -> Floats:
    return np.asarray(median * np.exp(ln_sd * rng.standard_normal(size)), dtype=np.float64)
