"""Counts, shares and changes in words."""

from decimal import Decimal

from heartbeat.judgement.wording import Number, value_text


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun: "no case", "1 case", "12,480 cases"."""
    if number == 0:
        return f"no {one}"
    return f"{value_text(number, 'count')} {one if number == 1 else many}"


def percent(part: Number, whole: Number) -> float:
    """100 times part through whole; 0 of nothing."""
    return 100 * float(part) / float(whole) if whole > 0 else 0.0


def known_percent(part: Number, whole: Number) -> Decimal | None:
    """The same exactly; None of nothing."""
    return 100 * Decimal(str(part)) / Decimal(str(whole)) if whole > 0 else None


def share_text(part: Number, whole: Number) -> str:
    """The part in percent of the whole: "49.6 %"; "0 %" of nothing."""
    return value_text(percent(part, whole), "%")


def signed_text(difference: Number, unit: str) -> str:
    """A difference with its sign: "+12", "−€1.9M", "±0"."""
    sign = "+" if difference > 0 else "±" if difference == 0 else ""
    return f"{sign}{value_text(difference, unit)}"


def compared(now: Number, before: Number, unit: str) -> str:
    """ "12 % more than the €4k of", "the same as", or, after nothing, "up from €0 in"."""
    if value_text(now, unit) == value_text(before, unit):
        return "the same as"
    if before <= 0:
        return f"{'up' if now > before else 'down'} from {value_text(before, unit)} in"
    direction = "more" if now > before else "less"
    change = share_text(abs(float(now) - float(before)), before)
    return f"{change} {direction} than the {value_text(before, unit)} of"
