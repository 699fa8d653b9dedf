"""What a GraphQL request wants to do is told by its document, whatever surrounds it."""

import pytest

from dagster_guard.graphql_request import (
    changes_something,
    query_of_address,
    query_of_body,
    query_of_message,
)
from heartbeat_web.refusal import Refusal


@pytest.mark.parametrize(
    "query",
    [
        "mutation { a }",
        "mutation Named($x: ID!) { a(x: $x) }",
        "# a comment with query in it\n\n,, mutation{a}",
        "query Q { a } mutation M { b }",
        "fragment F on T { a } mutation { ...F }",
        "\ufeffmutation { a }",
    ],
)
def test_a_document_with_a_mutation_changes_something(query: str) -> None:
    assert changes_something(query)


@pytest.mark.parametrize(
    "query",
    [
        "{ a }",
        "query { mutation }",
        'query { a(x: "mutation { b }") }',
        "subscription { a }",
        5,
    ],
)
def test_any_other_document_changes_nothing(query: object) -> None:
    assert not changes_something(query)


@pytest.mark.parametrize(
    "query",
    ["", "launch", "mutation {", f"mutation {'{a' * 10_000}{'}' * 10_000}"],
    ids=lambda query: query[:12],
)
def test_a_document_that_cannot_be_read_is_refused(query: str) -> None:
    with pytest.raises(Refusal):
        changes_something(query)


@pytest.mark.parametrize("query", ["{" + " a" * 20_000 + "}", "{ a }" + " " * 60_000])
def test_a_document_is_only_so_long(query: str) -> None:
    with pytest.raises(Refusal):
        changes_something(query)
    assert not changes_something("{" + " a" * 2_000 + "}")


def test_an_address_has_one_query() -> None:
    assert query_of_address(b"query=%7Ba%7D&variables=%7B%7D") == "{a}"
    assert query_of_address(b"operationName=x") is None
    for several in (b"query={a}&query=mutation{b}", b"&".join([b"a=b"] * 20)):
        with pytest.raises(Refusal):
            query_of_address(several)


def test_a_body_is_one_json_object() -> None:
    assert query_of_body(b'{"query": "{a}"}') == "{a}"
    for body in (b"", b"[]", b'[{"query": "mutation{a}"}]', b"query=x", b'{"a":' * 100_000):
        with pytest.raises(Refusal):
            query_of_body(body)


def test_a_message_of_a_websocket_may_start_a_document() -> None:
    assert query_of_message('{"type": "start", "payload": {"query": "{a}"}}') == "{a}"
    assert query_of_message('{"type": "connection_init", "payload": {}}') is None
