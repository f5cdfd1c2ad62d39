"""The worker: takes one request through its run, and ends it well or badly, never half."""

from __future__ import annotations

import json
import os
import secrets
import traceback
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Row, select

from dpsynth.audit.report import report_sha256
from dpsynth.core.canonical import digest
from dpsynth.ledger.chain import append
from dpsynth.ledger.charges import charge, forfeit, release
from dpsynth.ledger.store import Store
from dpsynth.mechanisms.noise import Noise
from dpsynth.service.dossier import build_dossier
from dpsynth.service.jobs import (
    LOST,
    Superseded,
    claim,
    finish,
    heartbeat,
    is_owner,
    recover,
    require_owner,
    set_stage,
)
from dpsynth.service.pipeline import Candidate, Run
from dpsynth.service.registry import parsed_policy
from dpsynth.service.tables import requests
from dpsynth.service.views import Dossier

__all__ = ["run_next"]


def run_next(
    store: Store,
    home: Path,
    worker: str,
    noise: Noise,
    lease_seconds: int,
    on_stage: Callable[[str], None] | None,
    witness: Callable[[], object],
) -> str | None:
    """Recover what dead workers left, then run the oldest queued request. Returns its id, or None.

    ``witness`` keeps a checkpoint outside; it is called before and after the charge is spent.
    """
    recover(store)
    request_id = claim(store, worker, lease_seconds)
    if request_id is None:
        return None

    with store.read() as connection:
        row = _row(connection, request_id)

    def tell(stage: str) -> None:
        set_stage(store, row, stage)
        if on_stage is not None:
            on_stage(stage)

    try:
        with heartbeat(store, row, lease_seconds):
            candidate = Run(store, home, row, noise, lease_seconds, witness).execute(tell)
            _offer(store, home, row, candidate)
    except Superseded:
        return request_id  # another worker or a cancellation has it: nothing here is ours to change
    except Exception as error:
        _end_badly(store, home, row, error)
    if on_stage is not None:
        on_stage("done")
    return request_id


def _row(connection: Connection, request_id: str) -> Row[tuple[object, ...]]:
    return connection.execute(select(requests).where(requests.c.id == request_id)).one()


def _offer(store: Store, home: Path, row: Row[tuple[object, ...]], candidate: Candidate) -> None:
    """Store report and dossier; then the request waits for people."""
    built = build_dossier(row, candidate)
    # The requester may be one who reads the chain: without a salt, its digests could be guessed at.
    body = {**built.body, "salt": secrets.token_hex(16)}
    dossier = Dossier(digest(body), body)
    private_file(home / "review" / f"{row.id}.json", json.dumps(candidate.report.as_json(), indent=1))
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


def _end_badly(store: Store, home: Path, row: Row[tuple[object, ...]], error: Exception) -> None:
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
        finish(connection, request_id, "failed", message)


def private_file(path: Path, text: str) -> None:
    """Write a review-room file that only its owner can read, durably."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
