"""The process that draws specs: confined like those of authors, and free of their code.

A picture goes to every page as it is, so nothing may make it but the house's renderer. Its engine
takes half a second to start, which is why the process is kept for the next picture.
"""

import atexit
import base64
import os
from collections.abc import Mapping
from typing import Any

from heartbeat.audit.chart_rendering import RenderedChart
from heartbeat.audit.confined_process import ConfinedProcess, CutLimitError, CutLimits, Patience


class DrawingProcess:
    """One such process at a time."""

    def __init__(self) -> None:
        self._kept: ConfinedProcess | None = None
        self._owner = 0

    def draw(
        self, spec: Mapping[str, Any], timezone: str, limits: CutLimits, patience: Patience
    ) -> RenderedChart:
        """The pictures of a spec; raises CutFaultError and CutLimitError."""
        kept = self._kept if self._owner == os.getpid() else None
        if kept is not None:
            kept.patience = patience
            try:
                return _drawn(kept, spec, timezone)
            except CutLimitError:
                self.end()  # it may be what earlier pictures have left; a fresh one tells
        fresh = ConfinedProcess(limits, None, patience=patience)
        self._kept, self._owner = fresh, os.getpid()
        try:
            return _drawn(fresh, spec, timezone)
        except CutLimitError:
            self.end()
            raise

    def end(self) -> None:
        """Let it be killed, where there is one."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def _drawn(process: ConfinedProcess, spec: Mapping[str, Any], timezone: str) -> RenderedChart:
    drawn = process.ask("draw", spec=spec, zone=timezone)
    return RenderedChart(drawn["spec"], drawn["svg"], base64.b64decode(drawn["png"]))


DRAWING = DrawingProcess()
atexit.register(DRAWING.end)
