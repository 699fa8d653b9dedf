"""The landed bank after a change that is undone, for cases that the bank does not have."""

from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from heartbeat.audit import chart_rendering
from heartbeat.audit.cut_module import imported
from heartbeat.audit.cut_payload import json_payload
from tests.integration.audit_cuts.bank_cuts import BankCuts
from tests.integration.demo_platform import ANCHOR


def payload_after(bank: BankCuts, cut_id: str, window: str, *changes: str) -> dict[str, Any]:
    """The payload of a cut after those statements; it is drawn too, and the changes rolled back."""
    payload = counted_after(bank, cut_id, window, *changes)
    cuts = {cut.cut_id: cut for cut in bank.platform.project.cuts.cuts}
    chart_rendering.render(imported(cuts[cut_id].path).chart(payload), ZoneInfo("UTC"))
    return payload


def counted_after(bank: BankCuts, cut_id: str, window: str, *changes: str) -> dict[str, Any]:
    """The payload of a cut after those statements, which are rolled back."""
    cuts = {cut.cut_id: cut for cut in bank.platform.project.cuts.cuts}
    with psycopg.connect(bank.platform.settings.database_url) as connection:
        connection.execute("select set_config('heartbeat.as_of', %s, true)", [ANCHOR.isoformat()])
        for change in changes:
            connection.execute(change.encode())
        payload = json_payload(imported(cuts[cut_id].path).compute(connection, window=window))
        connection.rollback()
    return payload
