"""A document that is compressed once, and not sent to who has it."""

import gzip
from dataclasses import dataclass

import pytest
from fastapi import Request

from heartbeat_api.representation import Representation, version_of

PAGE = Representation(b"<p>3.8 %</p>" * 100, "text/html; charset=utf-8", "abc")


def asked(**headers: str) -> Request:
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request({"type": "http", "headers": pairs})


def test_who_takes_gzip_gets_it_and_all_others_the_bytes() -> None:
    plain, packed = PAGE.answers(asked()), PAGE.answers(asked(accept_encoding="br, gzip"))
    assert (plain.body, "content-encoding" in plain.headers) == (PAGE.body, False)
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(bytes(packed.body)) == PAGE.body
    assert len(packed.body) < len(PAGE.body) / 5
    assert {plain.headers["vary"], packed.headers["vary"]} == {"Accept-Encoding"}


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ('W/"abc"', 304),
        ('"abc"', 304),
        ('"x", W/"abc"', 304),
        ('W/"abd"', 200),
        ("", 200),
        ('W/""', 200),
    ],
)
def test_who_has_the_version_gets_no_body(header: str, status: int) -> None:
    answer = PAGE.answers(asked(if_none_match=header))
    assert (answer.status_code, bool(answer.body)) == (status, status == 200)
    assert answer.headers["etag"] == 'W/"abc"'


@dataclass(frozen=True)
class Said:
    text: str


def test_a_version_is_of_what_the_parts_say_and_of_their_borders() -> None:
    assert version_of(Said("a"), b"b") == version_of(Said("a"), b"b")
    different = {version_of(b"ab"), version_of(b"a", b"b"), version_of(Said("b")), version_of("b")}
    assert len(different) == 4
