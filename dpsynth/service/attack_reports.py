"""Attack reports that leave the screen: only with the viewer, the time and the request across every page."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dpsynth.audit.pages import write_report
from dpsynth.core.errors import Conflict
from dpsynth.service.clock import iso_now
from dpsynth.service.decisions import audit_report
from dpsynth.service.desk import Desk

__all__ = ["EXPORTED", "AttackReports", "watermark"]

EXPORTED = "attack report exported with a watermark"
"""What the access log says of an export."""


def watermark(person: str, request_id: str, time: str) -> str:
    """Who looks at what, and when; stands across a page that has exact numbers."""
    return f"{person} · {time} · {request_id}"


class AttackReports(Desk):
    """Asked for as ``platform.attack_reports``."""

    def export(self, actor: str, request_id: str) -> str:
        """The review room's page of a release, as HTML with a watermark (compliance officers, auditors).

        Each export is an entry of the access log, written before anything is drawn.

        Raises:
            PolicyRefusal: another role, or the requester; Conflict: a run that failed has no report.
        """
        with self._witnessed():
            report = audit_report(self._store, self._home, actor, request_id, EXPORTED)
        if "failed" in report:
            raise Conflict(
                "The run failed, so there is no attack report",
                allowed="requests whose run has ended well",
                remedy="nothing was exported",
            )
        viewed = f"{iso_now()} · {request_id}"
        with tempfile.TemporaryDirectory(prefix="dpsynth-report-") as folder:
            return write_report(report, Path(folder), "B", viewer=actor, viewed=viewed).read_text("utf-8")
