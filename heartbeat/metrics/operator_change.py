"""What operators change of a metric at run time: lines, target, owner and verification."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from psycopg import Connection, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from heartbeat.change_reason import ChangeReason
from heartbeat.email_address import email_address
from heartbeat.errors import HeartbeatError
from heartbeat.judgement.metric_lines import lines_problem
from heartbeat.metrics.metric import Direction
from heartbeat.metrics.verification import VerificationState
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("operator_change")

_LAPSED = "verified, lapsed"
_DIGITS = 40


def _written_out(value: Decimal) -> Decimal:
    """The same without an exponent; pydantic counts no digits of a zero, 0e-300000000."""
    _, digits, exponent = value.as_tuple()
    if isinstance(exponent, str) or max(len(digits) + exponent, -exponent) > _DIGITS:
        raise ValueError(f"must have at most {_DIGITS} digits, zeros of an exponent among them")
    return Decimal(f"{value:f}")


Amount = Annotated[
    Decimal, Field(allow_inf_nan=False, max_digits=_DIGITS), AfterValidator(_written_out)
]
"""A line as people give it; its digits count zeros too, and so an exponent is bounded."""


class UnknownMetricError(HeartbeatError):
    """No registered metric has the id."""


class RefusedChangeError(HeartbeatError):
    """The values, together with those that stay, make no sense."""


class OperatorChange(BaseModel):
    """New values of one metric; what is not given stays, null takes a value away.

    Values are in the metric's unit; `owner` is an e-mail address. To set `verified` signs the
    definition that the metric has now. `reason` goes into the change log.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    verification_state: VerificationState | None = None
    owner: Annotated[str, AfterValidator(email_address)] | None = None
    norm_value: Amount | None = None
    alert_value: Amount | None = None
    target_value: Amount | None = None
    target_due_date: date | None = None
    reason: ChangeReason | None = None

    @property
    def values(self) -> Mapping[str, Any]:
        """The values that were given, by column."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "reason"}


def apply_change(
    connection: Connection[Any], metric_id: str, change: OperatorChange, *, actor: str
) -> None:
    """Write the change and log each column that it alters, in one transaction.

    What equals the present value is neither written nor logged; a verification that has lapsed can
    be given again. Raises UnknownMetricError, and RefusedChangeError for lines in the wrong order,
    a range without its target, and a verification state of null.
    """
    with connection.transaction():
        connection.execute("set local role heartbeat_operator")
        cursor = connection.cursor(row_factory=dict_row)
        row = cursor.execute(_sql("current"), {"metric_id": metric_id}).fetchone()
        if row is None:
            raise UnknownMetricError(f"no metric has the id {metric_id!r}")
        altered = _altered(row, change)
        if not altered:
            return
        after = row | altered
        _refuse_nonsense(after)
        connection.execute(_update(altered), after)
        if altered.get("verification_state") == VerificationState.VERIFIED:
            signed = after | {"actor": actor, "definition": Jsonb(row["definition"])}
            connection.execute(_sql("sign"), signed)
        before = row | ({"verification_state": _LAPSED} if _has_lapsed(row) else {})
        for name, new in sorted(altered.items()):
            entry = {
                "subject": metric_id,
                "field": name,
                "old_value": _told(before[name]),
                "new_value": _told(new),
                "actor": actor,
                "reason": change.reason or None,
            }
            connection.execute(_sql("log"), entry)


def _altered(row: Mapping[str, Any], change: OperatorChange) -> dict[str, Any]:
    """The given values that differ; to verify anew is one while the last signature has lapsed."""
    return {
        name: new
        for name, new in change.values.items()
        if new != row[name] or (new is VerificationState.VERIFIED and _has_lapsed(row))
    }


def _has_lapsed(row: Mapping[str, Any]) -> bool:
    """Whether it was verified, and its definition is another one now."""
    verified = row["verification_state"] == VerificationState.VERIFIED
    return bool(verified and row["signed_hash"] != row["definition_hash"])


def _update(altered: Mapping[str, Any]) -> sql.Composed:
    assignments = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in altered
    ]
    template = sql.SQL(_STATEMENTS["update"])
    return template.format(assignments=sql.SQL(", ").join(assignments))


def _refuse_nonsense(row: Mapping[str, Any]) -> None:
    if row["verification_state"] is None:
        raise RefusedChangeError("verification_state: it is verified or unverified, never null")
    if row["verification_state"] == VerificationState.VERIFIED and row["definition"] is None:
        raise RefusedChangeError("verification_state: nothing to sign before the next sync")
    problem = lines_problem(
        Direction(row["direction"]), row["norm_value"], row["alert_value"], row["target_value"]
    )
    if problem:
        raise RefusedChangeError(f"{problem.field}: {problem.text}")


def _told(value: object) -> str | None:
    return None if value is None else str(value)


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
