"""SIGKILL at the two sides of the commit, on a real worker process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from dpsynth.core.errors import Conflict
from dpsynth.service import Platform, RequestForm, jobs
from dpsynth.service.jobs import recover
from dpsynth.service.tables import requests

WORKER = """
import sys, time
from pathlib import Path
from dpsynth.service import Platform, pipeline, worker

def hang(*args, **kwargs):
    print("here", flush=True)
    time.sleep(600)

point = sys.argv[2]
module, name = {"before commit": (pipeline, "commit_charge"),
                "after commit": (pipeline, "read_bytes"),
                "after settle": (pipeline, "run_release_attacks"),
                "before the dossier": (worker, "build_dossier")}[point]
setattr(module, name, hang)
Platform.open(Path(sys.argv[1]), lease_seconds=1).run_once("doomed")
"""


def kill_at(state: Path, point: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(state), point], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(2.1)  # the lease of one second, on a clock of whole seconds, must have ended


def test_killed_before_commit_nothing_is_spent_and_another_worker_takes_over(
    open_platform: Callable[..., Platform], form: Callable[..., RequestForm], tmp_path: Path
) -> None:
    platform = open_platform(lease_seconds=1)
    request = platform.submit("sam", form())
    kill_at(tmp_path / "state", "before commit")
    recover(platform._store)
    assert platform.request("sam", request.id).state == "queued"
    people = platform.budget("carol")[0]
    assert (people.spent_nano, people.held_nano) == (0, request.rho_nano)
    after = platform.run_once("second worker")
    assert after is not None
    assert after.state == "awaiting_decision"


@pytest.mark.parametrize("point", ["after commit", "after settle", "before the dossier"])
def test_killed_after_commit_all_is_spent_nothing_is_published_and_it_is_never_retried(
    open_platform: Callable[..., Platform], form: Callable[..., RequestForm], tmp_path: Path, point: str
) -> None:
    platform = open_platform(lease_seconds=1)
    request = platform.submit("sam", form())
    kill_at(tmp_path / "state", point)
    assert platform.run_once("second worker") is None
    assert platform.request("sam", request.id).state == "failed"
    people = platform.budget("carol")[0]
    assert (people.spent_nano, people.held_nano) == (request.rho_nano, 0)
    assert people.forfeited_nano == (request.rho_nano if point == "after commit" else 0)
    assert list(platform.bundles_dir.iterdir()) == []
    assert platform.verify_ledger() > 0


def test_a_living_worker_is_not_taken_for_dead(
    open_platform: Callable[..., Platform], form: Callable[..., RequestForm]
) -> None:
    platform = open_platform(lease_seconds=2)
    request = platform.submit("sam", form())

    def slow(stage: str) -> None:
        if stage == "fitting":
            time.sleep(4.2)
            recover(platform._store)

    done = platform.run_once("slow worker", slow)
    assert done is not None
    assert done.id == request.id
    assert done.state == "awaiting_decision"


def test_a_busy_database_does_not_end_the_heartbeat(
    open_platform: Callable[..., Platform], form: Callable[..., RequestForm], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = open_platform()
    request = platform.submit("sam", form())
    tries: list[int] = []

    def busy(*_: object) -> None:
        tries.append(1)
        raise Conflict("The ledger is busy")

    monkeypatch.setattr(jobs, "_extend", busy)
    with platform._store.read() as connection:
        row = connection.execute(select(requests).where(requests.c.id == request.id)).one()
    with jobs.heartbeat(platform._store, row, lease_seconds=0.3):  # type: ignore[arg-type]
        for _ in range(100):
            if len(tries) >= 3:
                break
            time.sleep(0.1)
    assert len(tries) >= 3


def test_a_superseded_worker_moves_neither_the_lease_nor_the_stage_of_its_heir(
    open_platform: Callable[..., Platform], form: Callable[..., RequestForm]
) -> None:
    platform = open_platform()
    request = platform.submit("sam", form())
    rows = []
    for name in ("first", "heir"):
        assert jobs.claim(platform._store, name, lease_seconds=60) == request.id
        with platform._store.read() as connection:
            rows.append(connection.execute(select(requests).where(requests.c.id == request.id)).one())
        recover(platform._store, now=int(time.time()) + 1000 * (name == "first"))
    first, heir = rows
    jobs._extend(platform._store, first, 2**40)
    with pytest.raises(jobs.Superseded):
        jobs.set_stage(platform._store, first, "fitting")
    with platform._store.read() as connection:
        now = connection.execute(select(requests).where(requests.c.id == request.id)).one()
    assert (now.lease_until, now.stage, now.worker) == (heir.lease_until, heir.stage, heir.worker)
    jobs.set_stage(platform._store, heir, "fitting")
    jobs._extend(platform._store, heir, 2**40)
    with platform._store.read() as connection:
        now = connection.execute(select(requests).where(requests.c.id == request.id)).one()
    assert (now.lease_until, now.stage) == (2**40, "fitting")
