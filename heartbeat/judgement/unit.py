"""The units whose text Heartbeat knows how to write, and what else people call them."""

_OTHER_NAMES = {
    "EUR": ("€", "euro", "euros"),
    "USD": ("$", "us$", "dollar", "dollars"),
    "GBP": ("£", "pound", "pounds"),
    "%": ("percent", "per cent", "pct", "percentage"),
    "count": ("counts", "number", "#"),
    "d": ("day", "days"),
    "h": ("hour", "hours", "hr", "hrs"),
    "min": ("minute", "minutes", "mins"),
    "s": ("second", "seconds", "sec", "secs"),
}
_KNOWN = {name.casefold(): unit for unit, names in _OTHER_NAMES.items() for name in (unit, *names)}


def unit_problem(unit: str) -> str | None:
    """Why a unit is refused: it is another name of a known one, which is then written otherwise.

    Any other text is a unit of its own and stands after the number as it is.
    """
    known = _KNOWN.get(unit.casefold(), unit)
    return None if known == unit else f"write {known}, not '{unit}'"
