"""The worker: takes one request through its run, and ends it well or badly, never half."""

from __future__ import annotations

import json
import os
import secrets
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import OperationalError

from dpsynth.audit.report import report_sha256
from dpsynth.core.canonical import digest
from dpsynth.core.curator import Progress
from dpsynth.core.errors import DpsynthError
from dpsynth.ledger.chain import append
from dpsynth.ledger.charges import charge, forfeit, release
from dpsynth.ledger.store import Store
from dpsynth.mechanisms.noise import Noise
from dpsynth.service.differences import last_published
from dpsynth.service.dossier import build_dossier
from dpsynth.service.interrupts import Interrupts, Stopped
from dpsynth.service.jobs import (
    LOST,
    STOPPED,
    Superseded,
    claim,
    finish,
    heartbeat,
    is_owner,
    recover,
    requeue,
    require_owner,
    set_stage,
)
from dpsynth.service.outbox import post
from dpsynth.service.pipeline import Candidate, Run
from dpsynth.service.registry import parsed_policy
from dpsynth.service.runlog import RunLog
from dpsynth.service.tables import requests
from dpsynth.service.views import Dossier

__all__ = ["run_next"]

T = TypeVar("T")

_LEDGER_STAGES = ("committing", "sampling")
"""Stages in which the charge is committed and settled: short, and a signal waits for their end."""


def run_next(
    store: Store,
    home: Path,
    worker: str,
    noise: Noise,
    lease_seconds: int,
    on_stage: Callable[[str], None] | None,
    witness: Callable[[], object],
    watch: Callable[[Progress], None] | None = None,
) -> str | None:
    """Recover what dead workers left, then run the oldest queued request. Returns its id, or None.

    ``witness`` keeps a checkpoint outside; it is called before and after the charge is spent. ``watch`` gets
    the rounds of the fit: noisy answers' post-processing, but their timing is not, so it is for the person at
    this worker alone and is stored nowhere.

    Raises Stopped after SIGINT or SIGTERM, once the ledger is right.
    """
    with Interrupts() as interrupts:
        recover(store)
        request_id = claim(store, worker, lease_seconds)
        if request_id is None:
            return None
        with store.read() as connection:
            row = _row(connection, request_id)
        log = RunLog(request_id)

        def tell(stage: str) -> None:
            interrupts.hold()
            set_stage(store, row, stage)
            log.enter(stage)
            _show(on_stage, stage)
            interrupts.allow()
            if stage in _LEDGER_STAGES:
                interrupts.hold()

        try:
            with log, interrupts.allowed(), heartbeat(store, row, lease_seconds):
                run = Run(store, home, row, noise, lease_seconds, witness)
                candidate = run.execute(tell, partial(_show, watch))
                interrupts.hold()
                _offer(store, home, row, candidate)
        except Superseded:
            return request_id  # another worker or a cancellation has it: nothing here is ours to change
        except (Exception, SystemExit) as error:
            _end_badly(store, home, row, error)
        except BaseException as error:
            raise Stopped(_end_stopped(store, home, row)) from error
    _show(on_stage, "done")
    return request_id


def _show(shown: Callable[[T], None] | None, what: T) -> None:
    """Show people something. A terminal that went away must not cost a run its charge."""
    if shown is not None:
        with suppress(Exception):
            shown(what)


def _row(connection: Connection, request_id: str) -> Row[tuple[object, ...]]:
    return connection.execute(select(requests).where(requests.c.id == request_id)).one()


def _offer(store: Store, home: Path, row: Row[tuple[object, ...]], candidate: Candidate) -> None:
    """Store report and dossier; then the request waits for people."""
    with store.read() as connection:
        before = last_published(connection, row)
    built = build_dossier(row, candidate, before)
    # The requester may be one who reads the chain: without a salt, its digests could be guessed at.
    body = {**built.body, "salt": secrets.token_hex(16)}
    dossier = Dossier(digest(body), body)
    private_file(home / "review" / f"{row.id}.json", json.dumps(candidate.report.as_json(), indent=1))
    mechanism = json.dumps(candidate.report.mechanism_json(), indent=1)
    private_file(home / "review" / f"{row.id}.mechanism.json", mechanism)
    private_file(home / "review" / f"{row.id}.utility.json", candidate.exact_utility)
    blocked = dossier.body["gate"] == "blocked"
    policy = parsed_policy(row.policy_text, row.dataset_id)
    message = f"The run is done. {policy.approval.approvers} people must agree before anything is published."
    with store.write() as connection:
        require_owner(connection, row)
        finish(
            connection,
            row.id,
            "blocked" if blocked else "awaiting_decision",
            message,
            verdict=candidate.report.verdict.outcome,
            dossier=json.dumps({"sha256": dossier.sha256, "body": dossier.body}),
        )
        append(
            connection,
            "dossier",
            request=row.id,
            dossier_sha256=dossier.sha256,
            report_sha256=report_sha256(candidate.report),
        )
        post(connection, "your_turn", row.id)


def _end_badly(store: Store, home: Path, row: Row[tuple[object, ...]], error: BaseException) -> None:
    """Spent stays spent. The requester gets a fixed sentence; the details stay in the review room."""
    request_id = row.id
    trace = "".join(traceback.format_exception(error))
    private_file(home / "review" / f"{request_id}.error-{secrets.token_hex(4)}.txt", trace)
    with store.write() as connection:
        if not is_owner(connection, row):
            return
        state = charge(connection, request_id).state
        message = LOST
        if state == "RESERVED":
            release(connection, request_id, "ended before commit")
            message = "The run could not begin. Nothing was spent. An officer can see why."
        elif state == "COMMITTED":
            forfeit(connection, request_id, "ended after commit")
            post(connection, "forfeited", request_id)
        finish(connection, request_id, "failed", message)


def _end_stopped(store: Store, home: Path, row: Row[tuple[object, ...]]) -> str:
    """Somebody stopped this worker: at once what its lease's end would do later. Says where that leaves it.

    Before the commit nothing was spent and the request waits for another worker; after it, the charge stays
    spent and the request has failed.
    """
    try:
        with store.write() as connection:
            if is_owner(connection, row):
                _give_up(connection, row)
            now = _row(connection, row.id)
    except (DpsynthError, OperationalError):
        return f"{row.id}: the ledger could not be reached; the next worker puts it right when the lease ends"
    if now.message == STOPPED:
        note = home / "review" / f"{row.id}.error-{secrets.token_hex(4)}.txt"
        with suppress(OSError):
            private_file(note, "The worker was stopped by SIGINT or SIGTERM (Ctrl-C or kill).\n")
    return f"{row.id}: {now.state}. {now.message}"


def _give_up(connection: Connection, row: Row[tuple[object, ...]]) -> None:
    if (state := charge(connection, row.id).state) == "RESERVED":
        requeue(connection, row.id, row.attempts)
        return
    if state == "COMMITTED":
        forfeit(connection, row.id, "stopped after commit")
        post(connection, "forfeited", row.id)
    finish(connection, row.id, "failed", STOPPED)


def private_file(path: Path, text: str) -> None:
    """Write a review-room file that only its owner can read, durably."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
