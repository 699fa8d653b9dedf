"""Whether a metric is verified: somebody signed the definition that it has now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from heartbeat.metrics.definition import differences


class VerificationState(StrEnum):
    """A state that the wall shows; unverified is a normal one."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"


@dataclass(frozen=True)
class Signature:
    """One verification: who signed which definition, and when."""

    signed_at: datetime
    signed_by: str
    definition: Mapping[str, Any]
    definition_hash: str


@dataclass(frozen=True)
class Verification:
    """The state, since when, and why; `since` is None for what was never verified."""

    state: VerificationState
    since: datetime | None
    reason: str


def verification(
    wanted: VerificationState,
    signature: Signature | None,
    definition: Mapping[str, Any] | None,
    definition_hash: str | None,
    definition_changed_at: datetime | None,
) -> Verification:
    """The state that the operators `wanted`, as far as the last signature still holds.

    A signature holds for as long as the definition is the one that was signed: it lapses when the
    file or a column that it names changes, and holds again when the change is taken back.
    """
    if wanted is VerificationState.UNVERIFIED or signature is None:
        reason = "nobody has verified it" if signature is None else "it was set to unverified"
        return Verification(VerificationState.UNVERIFIED, None, reason)
    signed = f"verified by {signature.signed_by}"
    if signature.definition_hash == definition_hash:
        return Verification(VerificationState.VERIFIED, signature.signed_at, signed)
    changed = ", ".join(differences(signature.definition, definition or {}))
    reason = f"changed after it was {signed} on {signature.signed_at:%Y-%m-%d}: {changed}"
    return Verification(VerificationState.UNVERIFIED, definition_changed_at, reason)
