"""Lines about many things, each message once."""

from collections.abc import Iterable, Sequence


def grouped(
    told: Iterable[tuple[str, str]], *, separator: str = ": ", at_most: int | None = None
) -> list[str]:
    """Names with the same text as one line, "a, b and 8 more: text", in the order told.

    `at_most` is how many names a line has; without it all of them.
    """
    by_text: dict[str, list[str]] = {}
    for name, text in told:
        by_text.setdefault(text, []).append(name)
    return [f"{_listed(names, at_most)}{separator}{text}" for text, names in by_text.items()]


def _listed(names: Sequence[str], at_most: int | None) -> str:
    if at_most is None or len(names) <= at_most:
        return ", ".join(names)
    return f"{', '.join(names[:at_most])} and {len(names) - at_most} more"
