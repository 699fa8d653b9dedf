"""Addresses of people, loosely as RFC 5321 has them."""

import re

from heartbeat.client_text import one_line

_LONGEST = 254
_ADDRESS = re.compile(r"[^\s@\x00-\x1f]{1,64}@[^\s@.\x00-\x1f]+(\.[^\s@.\x00-\x1f]+)*")


def email_address(text: str) -> str:
    """The address as it stands in the text; raises ValueError when it is none.

    One @, up to 64 characters before it, a host name or domain after it, no white space, at most
    254 characters. Whether somebody reads it is not checked.
    """
    address = one_line(text)
    if len(address) > _LONGEST or not _ADDRESS.fullmatch(address):
        raise ValueError(f"'{address}' is no e-mail address such as name@company.example")
    return address
