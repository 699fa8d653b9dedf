"""Euro exchange rates: daily anchors, an hourly bridge between them, one quote a pair and hour."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo_bank.clock import Floats, Moments, later
from demo_bank.incidents import Incidents, quoted
from demo_bank.table import Table, one_of

# units of each currency for one euro, in the order of accounts.CURRENCIES
LEVELS = (1.0, 1.08, 0.85, 0.95, 4.3)
QUOTES = ("USD", "GBP", "CHF", "PLN")
DAILY_SD = np.array([0.0046, 0.0033, 0.0034, 0.0035])
STUDENT_DF = 4
BRIDGE_SHARE = 0.15


@dataclass(frozen=True)
class Rates:
    """Quotes until the horizon: a row an hour, a column a pair, and when each was written."""

    moment: Moments
    rate: Floats
    written: Moments

    def table(self, at: np.datetime64, incidents: Incidents) -> Table:
        """rate.rate: every pair each hour, one minute past."""
        hours, pairs = self.rate.shape
        there = np.repeat(quoted(self.moment, incidents), pairs) & (self.written.ravel() < at)
        frame = pd.DataFrame(
            {
                "id": np.arange(1, hours * pairs + 1),
                "base": "EUR",
                "quote": one_of(np.tile(np.arange(pairs), hours), QUOTES),
                "rate": self.rate.ravel(),
                "provider": "ECB-LIKE",
                "rate_time": np.repeat(self.moment, pairs),
                "create_time": self.written.ravel(),
            }
        )
        return Table("rate", "rate", frame[there])


def quote_rates(rng: np.random.Generator, start: np.datetime64, horizon: np.datetime64) -> Rates:
    """The walk of all pairs between those moments."""
    first = start.astype("datetime64[h]") + np.timedelta64(1, "m")
    moments = np.arange(first, horizon, np.timedelta64(60, "m")).astype("datetime64[ms]")
    rates = np.round(_paths(rng, moments.size), 8)
    delays = rng.uniform(0.2, 2.0, rates.shape)
    return Rates(moments, rates, later(moments[:, None], delays))


def _paths(rng: np.random.Generator, hours: int) -> Floats:
    """Log rates walk by Student-t(4) days; within a day they keep near the line between anchors."""
    days = hours // 24 + 2
    spread = np.sqrt(STUDENT_DF / (STUDENT_DF - 2))
    returns = rng.standard_t(STUDENT_DF, (days, len(QUOTES))) / spread * DAILY_SD
    anchors = np.cumsum(returns, axis=0)
    hour = np.arange(hours) / 24
    line = np.column_stack([np.interp(hour, np.arange(days), path) for path in anchors.T])
    noise = rng.standard_normal((hours, len(QUOTES))) * DAILY_SD * BRIDGE_SHARE
    # the bridge is tied to the anchors at both ends of a day
    noise *= np.sqrt(4 * (hour % 1) * (1 - hour % 1))[:, None]
    return np.asarray(np.array(LEVELS[1:]) * np.exp(line + noise), dtype=np.float64)
