"""When things happen in the bank: arrival rates, seasons and office hours, all in naive UTC."""

import numpy as np
import numpy.typing as npt

Moments = npt.NDArray[np.datetime64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# BPI Challenge 2012: shares of applications per weekday (Monday first) and per hour
WEEKDAY_FACTOR: Floats = np.array([180, 161, 182, 168, 133, 89, 87]) * 7 / 1000
HOUR_WEIGHT: Floats = np.array(
    [16, 8, 4, 2, 2, 1, 3, 8, 16, 44, 62, 73, 70, 74, 79, 72, 74, 57, 60, 67, 72, 61, 47, 28],
    dtype=np.float64,
)
HUMAN_HOURS: Floats = HOUR_WEIGHT / HOUR_WEIGHT.sum()
# standing orders and batches run at night: half of the payments ignore the hour
PAYMENT_HOURS: Floats = (HUMAN_HOURS + np.full(24, 1 / 24)) / 2

GROWTH_PER_DAY = 0.0012
HOLIDAYS = ((1, 1), (5, 1), (12, 25), (12, 26))
PAYROLL_DAYS = (1, 25, 26, 27, 28)
OFFICE_OPENS = np.timedelta64(9, "h")
OFFICE_CLOSES = np.timedelta64(21, "h")
SUNDAY = 6


def later(moments: Moments, seconds: Floats) -> Moments:
    """The moments moved by that many seconds each, to the millisecond."""
    return np.asarray(moments + np.round(seconds * 1000).astype("timedelta64[ms]"))


def days_of(moments: Moments) -> Moments:
    return moments.astype("datetime64[D]")


def weekdays(days: Moments) -> Ints:
    """0 is Monday; day 0 of the epoch was a Thursday."""
    return (days.astype(np.int64) + 3) % 7


def season(days: Moments) -> Floats:
    """Relative volume of each day: payroll, holidays, August."""
    months = days.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    day = (days - months).astype(np.int64) + 1
    factor = np.where(np.isin(day, PAYROLL_DAYS), 1.25, 1.0)
    factor = np.where(month == 8, factor * 0.8, factor)
    holiday = np.isin(month * 100 + day, [m * 100 + d for m, d in HOLIDAYS])
    return np.where(holiday, 0.25, factor)


def arrivals(
    rng: np.random.Generator,
    start: np.datetime64,
    end: np.datetime64,
    *,
    per_day: float,
    hour_share: Floats,
) -> Moments:
    """A Poisson process by hour, weekday, season and growth; sorted, in [start, end)."""
    hours = np.arange(start.astype("datetime64[h]"), end + np.timedelta64(1, "h"), dtype="M8[h]")
    days = days_of(hours)
    growth = np.exp(GROWTH_PER_DAY * (days - days[0]).astype(np.int64))
    hour = (hours - days).astype(np.int64)
    rate = per_day * WEEKDAY_FACTOR[weekdays(days)] * hour_share[hour] * season(days) * growth
    starts = np.repeat(hours, rng.poisson(rate)).astype("datetime64[ms]")
    moments = np.sort(starts + rng.integers(0, 3_600_000, starts.size).astype("timedelta64[ms]"))
    return moments[(moments >= start) & (moments < end)]


def office_moment(moments: Moments) -> Moments:
    """The same moment when people work (Monday to Saturday, 9 to 21), else the next opening."""
    days = days_of(moments)
    days = days + (moments - days >= OFFICE_CLOSES).astype("timedelta64[D]")
    days = days + (weekdays(days) == SUNDAY).astype("timedelta64[D]")
    return np.asarray(np.maximum(moments, (days + OFFICE_OPENS).astype("datetime64[ms]")))


def lognormal(
    rng: np.random.Generator, median: float | Floats, ln_sd: float | Floats, size: int
) -> Floats:
    return np.asarray(median * np.exp(ln_sd * rng.standard_normal(size)), dtype=np.float64)
