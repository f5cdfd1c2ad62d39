"""The demo's walk: each station calls the platform as its person would, and says so in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dpsynth.core.errors import AuditBlocked, DpsynthError

if TYPE_CHECKING:
    from dpsynth.core.curator import Progress
    from dpsynth.service import Dossier, Platform, RequestView

__all__ = [
    "APPROVERS",
    "PURPOSE",
    "REQUESTER",
    "RunFailed",
    "approve_all",
    "ensure_people",
    "follow",
    "require_publishable",
]

REQUESTER = "sam"
OWNER = "dana"
APPROVERS = ("carol", "dana")
PURPOSE = (
    "Teaching an introductory course on health economics: students fit count models of outpatient visits "
    "to synthetic rows. No decision about any individual is made with them."
)
_PEOPLE = (
    ("sam", "Sam Rivera", "data_scientist"),
    ("carol", "Carol Okafor", "compliance_officer"),
    ("dana", "Dana Lindqvist", "data_owner"),
)
_POLL_SECONDS = 0.2


class RunFailed(DpsynthError):
    """The run ended without a candidate release (exit 1)."""

    exit_code = 1
    kind = "run_failed"


def ensure_people(platform: Platform) -> None:
    """Add the three people of the demo, if they are not there yet; a new state is marked as a demo's."""
    known = {person.id for person in platform.people()}
    if not known and not platform.access.is_demo:
        platform.access.mark_demo()
    for person_id, name, role in _PEOPLE:
        if person_id not in known:
            platform.add_person(person_id, name, (role,))


def follow(
    platform: Platform,
    state: Path,
    request_id: str,
    on_stage: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> RequestView:
    """Start workers, each a process of its own, until the request has run; report each stage as it is seen.

    A worker takes the oldest request of the queue, so one that an earlier demo left behind runs first.
    ``on_progress`` gets the rounds of the fit, straight from the worker and from nowhere else.
    ``environment`` names the worker's database and sinks; an address may hold a password, so it is no word
    of the command.
    Raises RunFailed when a worker ends with an error or the run fails.
    """
    with tempfile.TemporaryFile() as complaints, _Rounds() as rounds:
        worker = _start_worker(state, complaints, environment or {}, rounds.write_end)
        try:
            while (view := platform.request(REQUESTER, request_id)).state in {"queued", "running"}:
                on_stage(view.stage)
                rounds.pass_on(on_progress)
                if worker.poll() is not None:
                    _require_success(worker, complaints)
                    if view.state == "queued":
                        worker = _start_worker(state, complaints, environment or {}, rounds.write_end)
                time.sleep(_POLL_SECONDS)
            worker.wait()
        except BaseException:
            worker.terminate()
            worker.wait()
            raise
    if view.state in {"failed", "cancelled"}:
        remedy = "see `dpsynth ledger show` for what was spent, and ask an officer"
        raise RunFailed(view.message, remedy=remedy)
    on_stage(view.stage)
    return view


class _Rounds:
    """A pipe through which workers tell how far their fits are."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._rest = b""

    def __enter__(self) -> _Rounds:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._read_end)
        os.close(self.write_end)

    def pass_on(self, on_progress: Callable[[Progress], None] | None) -> None:
        """The newest round that a worker told since the last call, if there is one."""
        from dpsynth.core.curator import Progress

        with suppress(BlockingIOError):
            while part := os.read(self._read_end, 65536):
                self._rest += part
        *lines, self._rest = self._rest.split(b"\n")
        if lines and on_progress is not None:
            with suppress(ValueError, TypeError):  # a line that was cut short because nobody read in time
                on_progress(Progress(**json.loads(lines[-1])))


def _start_worker(
    state: Path, complaints: IO[bytes], environment: Mapping[str, str], progress_to: int
) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "dpsynth.cli",
        "--state",
        str(state),
        "run",
        "--once",
        "--worker",
        "demo",
        "--progress-to",
        str(progress_to),
    ]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        env={**os.environ, **environment},
        pass_fds=(progress_to,),
    )


def _require_success(worker: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    if worker.returncode == 0:
        return
    complaints.seek(0)
    lines = complaints.read().decode("utf-8", "replace").strip().splitlines() or ["it left no message"]
    raise RunFailed(
        f"The worker ended with exit code {worker.returncode}: {lines[-1]}",
        remedy="run `dpsynth run --once` to see it alone; a charge that was committed stays spent",
    )


def require_publishable(platform: Platform, view: RequestView) -> Dossier:
    """The dossier, if people may approve it. Raises AuditBlocked with the audit's reasons otherwise."""
    dossier = platform.dossier(OWNER, view.id)
    if view.state == "blocked":
        reasons = [
            *dossier.body["audit"]["why"],
            *(c["plain"] for c in dossier.body["checks"] if not c["ok"]),
        ]
        raise AuditBlocked(
            f"Not published. The audit's verdict is {view.verdict}: {'; '.join(reasons)}",
            allowed="a verdict that the policy lets people approve",
            remedy=f"read `dpsynth --as carol audit {view.id} --exact`; the budget of this run stays spent",
        )
    return dossier


def approve_all(platform: Platform, dossier: Dossier) -> None:
    """Both approvers sign the dossier, with a reason that names the audit's warning if there is one."""
    body = dossier.body
    reason = "Demo: I read the dossier; purpose and recipients fit."
    if body["gate"] == "eligible_with_reason":
        reason += f" The audit says {body['audit']['verdict']}: {'; '.join(body['audit']['why'])}"
    for person in APPROVERS:
        platform.approve(person, body["release_id"], dossier.sha256, reason[:4000], tuple(body["must_tick"]))
