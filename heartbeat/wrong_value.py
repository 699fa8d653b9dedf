"""What is wrong with a value that a person wrote, in words that a person reads."""

import re

from pydantic_core import ErrorDetails

_NAME = re.compile(r"[\w.-]{1,60}")
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "finite_number": "must be a finite number",
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type"),
        "must have keys and values, such as {key: value}",
    ),
    **dict.fromkeys(
        ("int_type", "int_parsing", "int_from_float"), "must be a whole number, such as 5"
    ),
    **dict.fromkeys(
        ("decimal_type", "decimal_parsing", "float_type", "float_parsing"),
        "must be a number, such as 0.5",
    ),
}
_WORDS_WITH_LIMIT = {
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
}
_LISTS = ("tuple_type", "list_type", "set_type", "frozen_set_type")


def wrong_value(detail: ErrorDetails) -> str:
    """One error of pydantic, without the place; what the validators of Heartbeat say stays."""
    kind = detail["type"]
    if kind in _LISTS:
        return f"must be a list, such as [{_example(detail['input'])}]"
    if kind in _WORDS_WITH_LIMIT:
        return _WORDS_WITH_LIMIT[kind].format(**detail["ctx"])
    return _WORDS.get(kind, detail["msg"].removeprefix("Value error, "))


def _example(given: object) -> str:
    # anything else may be an address with its password
    return given if isinstance(given, str) and _NAME.fullmatch(given) else "one, two"
