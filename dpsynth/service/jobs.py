"""The queue: claim, stage, heartbeat, recover. At most once after commit; never retried then."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import ColumnElement, Connection, Row, select, update
from sqlalchemy.exc import OperationalError

from dpsynth.core.errors import Conflict
from dpsynth.ledger.charges import charge, expired, extend_lease, forfeit, release
from dpsynth.ledger.store import Store
from dpsynth.service.clock import unix_now
from dpsynth.service.outbox import post
from dpsynth.service.tables import pauses, requests

__all__ = [
    "LOST",
    "STOPPED",
    "Superseded",
    "claim",
    "finish",
    "heartbeat",
    "is_owner",
    "recover",
    "requeue",
    "require_owner",
    "set_stage",
]

LOST = "The run ended after its budget was spent. Nothing was published. An officer can see why."
STOPPED = "The run was stopped by hand after its budget was spent. Nothing was published."
_ATTEMPTS = 3


def claim(store: Store, worker: str, lease_seconds: int) -> str | None:
    """Take the oldest queued request of a dataset that is not paused; its id, or None."""
    with store.write() as connection:
        query = select(requests.c.id).where(requests.c.state == "queued", _open())
        row = connection.execute(query.order_by(requests.c.number).limit(1)).first()
        if row is None:
            return None
        values = {
            "state": "running",
            "worker": f"{worker}:{secrets.token_hex(8)}",  # names may repeat, claims may not
            "lease_until": unix_now() + lease_seconds,
            "attempts": requests.c.attempts + 1,
            "message": "A worker has taken the request.",
        }
        connection.execute(update(requests).where(requests.c.id == row.id).values(**values))
        return str(row.id)


def _open() -> ColumnElement[bool]:
    return requests.c.dataset_id.not_in(select(pauses.c.dataset_id))


class Superseded(Exception):
    """The run is no longer this worker's: its lease ended and somebody else moved the request on."""


def is_owner(connection: Connection, row: Row[tuple[object, ...]]) -> bool:
    """Whether the claim that ``row`` was read under still holds."""
    now = connection.execute(select(requests).where(requests.c.id == row.id)).one()
    return bool((now.state, now.worker) == ("running", row.worker))


def require_owner(connection: Connection, row: Row[tuple[object, ...]]) -> None:
    """Raises Superseded when the claim no longer holds."""
    if not is_owner(connection, row):
        raise Superseded


def set_stage(store: Store, row: Row[tuple[object, ...]], stage: str) -> None:
    """Tell people where the run is: the stage only, never a number. Raises Superseded."""
    with store.write() as connection:
        require_owner(connection, row)
        connection.execute(update(requests).where(requests.c.id == row.id).values(stage=stage))


def finish(connection: Connection, request_id: str, state: str, message: str, **more: str) -> None:
    """End of the run, in the caller's transaction."""
    values = {"state": state, "stage": "done", "message": message, **more}
    connection.execute(update(requests).where(requests.c.id == request_id).values(**values))


@contextmanager
def heartbeat(store: Store, row: Row[tuple[object, ...]], lease_seconds: int) -> Iterator[None]:
    """Keep the leases of a running request alive while the worker that claimed it lives."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(lease_seconds / 3):
            # A busy database must not end the heartbeat: the next beat tries again.
            with suppress(OperationalError, Conflict):
                _extend(store, row, unix_now() + lease_seconds)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _extend(store: Store, row: Row[tuple[object, ...]], until: int) -> None:
    with store.write() as connection:
        if not is_owner(connection, row):
            return
        connection.execute(update(requests).where(requests.c.id == row.id).values(lease_until=until))
        if charge(connection, row.id).state == "COMMITTED":
            extend_lease(connection, row.id, until)


def recover(store: Store, now: int | None = None) -> None:
    """Put right what dead workers left: forfeit committed charges, queue again what never committed.

    ``now`` is a moment in Unix seconds at which leases are judged; the present one by default.
    """
    now = unix_now() if now is None else now
    with store.write() as connection:
        for ended in expired(connection, now):
            if ended.state == "COMMITTED":
                forfeit(connection, ended.key, "the worker died after commit")
                post(connection, "forfeited", ended.key)
                finish(connection, ended.key, "failed", LOST)
            else:
                release(connection, ended.key, "the hold ended before a run began")
                finish(connection, ended.key, "failed", "The hold ended. Nothing was spent; ask again.")
        query = select(requests.c.id, requests.c.attempts).where(
            requests.c.state == "running", requests.c.lease_until < now
        )
        for row in connection.execute(query).all():
            requeue(connection, row.id, row.attempts)


def requeue(connection: Connection, request_id: str, attempts: int) -> None:
    """Queue a run again that never committed, three times at most; end one that settled."""
    state = charge(connection, request_id).state
    if state == "SETTLED":
        finish(connection, request_id, "failed", LOST)
    elif state == "RESERVED" and attempts < _ATTEMPTS:
        values = {
            "state": "queued",
            "worker": "",
            "stage": "queued",
            "message": "A worker stopped before it began; queued again.",
        }
        connection.execute(update(requests).where(requests.c.id == request_id).values(**values))
    elif state == "RESERVED":
        release(connection, request_id, "three workers died before commit")
        finish(
            connection, request_id, "failed", "Three workers stopped before they began. Nothing was spent."
        )
