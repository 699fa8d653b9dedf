"""What a GraphQL request wants to do, as Dagster will read it."""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

from heartbeat_web.refusal import Refusal

_MOST_FIELDS = 10
_LONGEST_QUERY = 60_000
_MOST_TOKENS = 10_000
"""Several times what the largest query of Dagster's own pages has."""
_READS = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION})


def changes_something(query: object) -> bool:
    """Whether a document holds anything but queries and subscriptions, run or not.

    Raises Refusal for one that is no GraphQL. Dagster must not get what cannot be read here: it
    reads on another stack, on which a document may be not too deep.
    """
    if not isinstance(query, str):
        return False
    if len(query) > _LONGEST_QUERY:
        detail = f"the query has more than {_LONGEST_QUERY:,} characters; put values into variables"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    try:
        # who asks is not known yet, and other requests wait for this one
        document = parse(query, no_location=True, max_tokens=_MOST_TOKENS)
    except GraphQLError as error:
        detail = f"the query is no GraphQL: {error.message[:200]}"
        raise Refusal(HTTPStatus.BAD_REQUEST, detail) from error
    except RecursionError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the query is nested too deep") from error
    return any(
        isinstance(each, OperationDefinitionNode) and each.operation not in _READS
        for each in document.definitions
    )


def query_of_address(query_string: bytes) -> str | None:
    """The document in an address; raises Refusal for one that has several."""
    try:
        fields = parse_qsl(
            query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the address has too many fields") from error
    queries = [value for name, value in fields if name == "query"]
    if len(queries) > 1:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the address has more than one query")
    return queries[0] if queries else None


def query_of_body(body: bytes) -> object:
    """The document in a JSON body; raises Refusal for what is no JSON object."""
    found = _json(body)
    if not isinstance(found, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, "a GraphQL request is one JSON object")
    return found.get("query")


def query_of_message(text: str) -> object:
    """The document that a message of a websocket starts, None where it starts none."""
    found = _json(text.encode(errors="replace"))
    payload = found.get("payload") if isinstance(found, dict) else None
    return payload.get("query") if isinstance(payload, dict) else None


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the request is no JSON") from error
