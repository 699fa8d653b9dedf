"""Euro exchange rates: daily anchors, an hourly bridge between them, one quote a pair and hour."""

from datetime import datetime

import numpy as np

from demo_bank import incidents
from demo_bank.clock import Floats, later
from demo_bank.table import Table

# units of each currency for one euro, in the order of accounts.CURRENCIES
LEVELS = (1.0, 1.08, 0.85, 0.95, 4.3)
QUOTES = ("USD", "GBP", "CHF", "PLN")
DAILY_SD = np.array([0.0046, 0.0033, 0.0034, 0.0035])
STUDENT_DF = 4
BRIDGE_SHARE = 0.15


def rate_table(rng: np.random.Generator, start: np.datetime64, anchor: datetime) -> Table:
    """rate.rate: every pair each hour, one minute past, up to the anchor."""
    end = np.datetime64(anchor, "ms")
    first = start.astype("datetime64[h]") + np.timedelta64(1, "m")
    moments = np.arange(first, end, np.timedelta64(60, "m")).astype("datetime64[ms]")
    rates = _paths(rng, moments.size)
    heard = incidents.fx_quotes_heard(moments, anchor)
    moments, rates = moments[heard], rates[heard]
    size = moments.size * len(QUOTES)
    spoken = np.repeat(moments, len(QUOTES))
    return Table(
        "rate",
        "rate",
        {
            "id": list(range(1, size + 1)),
            "base": ["EUR"] * size,
            "quote": list(QUOTES) * moments.size,
            "rate": [f"{r:.8f}" for r in rates.reshape(-1).tolist()],
            "provider": ["ECB-LIKE"] * size,
            "rate_time": spoken.tolist(),
            "create_time": later(spoken, rng.uniform(0.2, 2.0, size)).tolist(),
        },
    )


def _paths(rng: np.random.Generator, hours: int) -> Floats:
    """Log rates walk by Student-t(4) days; within a day they keep near the line between anchors."""
    days = hours // 24 + 2
    spread = np.sqrt(STUDENT_DF / (STUDENT_DF - 2))
    returns = rng.standard_t(STUDENT_DF, (days, len(QUOTES))) / spread * DAILY_SD
    anchors = np.cumsum(returns, axis=0)
    hour = np.arange(hours) / 24
    line = np.column_stack([np.interp(hour, np.arange(days), path) for path in anchors.T])
    noise = rng.standard_normal((hours, len(QUOTES))) * DAILY_SD * BRIDGE_SHARE
    return np.asarray(np.array(LEVELS[1:]) * np.exp(line + noise), dtype=np.float64)
