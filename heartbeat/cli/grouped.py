"""Lines about many things, each message once."""

from collections.abc import Iterable

_NAMES = 4


def grouped(told: Iterable[tuple[str, str]], separator: str = "  ") -> list[str]:
    """Names with the same text as one line, "a, b, c, d and 8 more  text", in the order told."""
    by_text: dict[str, list[str]] = {}
    for name, text in told:
        by_text.setdefault(text, []).append(name)
    return [f"{_listed(names)}{separator}{text}" for text, names in by_text.items()]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
