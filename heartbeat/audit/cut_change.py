"""What operators change of an audit cut at run time: its owner and its verification."""

from collections.abc import Mapping
from typing import Annotated, Any

from psycopg import Connection
from psycopg.rows import dict_row
from pydantic import AfterValidator, BaseModel, ConfigDict

from heartbeat.change_reason import ChangeReason
from heartbeat.email_address import email_address
from heartbeat.errors import HeartbeatError
from heartbeat.metrics.verification import VerificationState
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("cut_change")


class UnknownCutError(HeartbeatError):
    """No registered cut has the id."""


class CutChange(BaseModel):
    """New values of one cut; what is not given stays, a null owner takes the owner away.

    `owner` is an e-mail address. To set `verified` signs the code that the cut has now. `reason`
    goes into the change log.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    verification_state: VerificationState = VerificationState.UNVERIFIED
    owner: Annotated[str, AfterValidator(email_address)] | None = None
    reason: ChangeReason | None = None

    @property
    def values(self) -> Mapping[str, Any]:
        """The values that were given, by column."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "reason"}


def apply_cut_change(
    connection: Connection[Any], cut_id: str, change: CutChange, *, actor: str
) -> None:
    """Write the change and log each column that it alters, in one transaction.

    What equals the present value is neither written nor logged; a verification that has lapsed can
    be given again. Raises UnknownCutError.
    """
    with connection.transaction():
        connection.execute("set local role heartbeat_operator")
        cursor = connection.cursor(row_factory=dict_row)
        row = cursor.execute(_sql("current"), {"cut_id": cut_id}).fetchone()
        if row is None:
            raise UnknownCutError(f"no audit cut has the id {cut_id!r}")
        altered = {name: new for name, new in change.values.items() if new != row[name]}
        if not altered:
            return
        connection.execute(_sql("update"), row | altered)
        for name, new in sorted(altered.items()):
            entry = {
                "subject": f"audit_cut/{cut_id}",
                "field": name,
                "old_value": row[name],
                "new_value": new,
                "actor": actor,
                "reason": change.reason or None,
            }
            connection.execute(_sql("log"), entry)


def _sql(name: str) -> bytes:
    return _STATEMENTS[name].encode()
