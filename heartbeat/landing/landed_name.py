"""What a name of the source becomes in marts: snake_case, with the letters of every script."""

from dlt.common.normalizers.naming.snake_case import NamingConvention

_MOST_BYTES = 63
"""Of an identifier of Postgres."""
_ascii = NamingConvention(max_length=_MOST_BYTES)


def landed_name(name: str) -> str:
    """The landed name of a table or a column; names in ASCII become what dlt makes of them."""
    return str(_ascii.normalize_identifier(name))


def is_dlts_own(name: str) -> bool:
    """Whether a table of that name would be taken for one that dlt keeps in each landed schema."""
    return landed_name(name).startswith("_dlt")
