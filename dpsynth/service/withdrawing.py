"""Withdrawing a dataset: nothing more is asked of it or read from it, for good. What was, stays.

The chain keeps its history, its budgets stay as spent as they are, and published releases stay published: the
table is closed, not the promise that was given for it. A new registration of the same people draws on the
same budget, so withdrawing gains nothing.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from dpsynth.core.errors import Conflict
from dpsynth.ledger.chain import append
from dpsynth.ledger.charges import release
from dpsynth.ledger.store import Store
from dpsynth.service.clock import iso_now
from dpsynth.service.jobs import finish
from dpsynth.service.outbox import post
from dpsynth.service.pausing import is_withdrawn
from dpsynth.service.people import require_role
from dpsynth.service.registry import dataset_row
from dpsynth.service.signins import SignedIn
from dpsynth.service.stopping import told_reason
from dpsynth.service.tables import requests, withdrawals

__all__ = ["withdraw"]

_ENDED = "The dataset was withdrawn by its data owner before the run began. Nothing was spent."


def withdraw(store: Store, actor: str, dataset_id: str, reason: str, by: SignedIn) -> int:
    """Withdraw a dataset (data owners); how many queued requests it ended, whose holds are given back.

    A run that has not yet spent its charge stops before it opens the data; one that has goes on, because its
    budget is gone either way, and people decide on what it leaves. Raises Conflict where the dataset is
    withdrawn already.
    """
    words = told_reason(reason)
    with store.write() as connection:
        require_role(connection, actor, "data_owner")
        dataset_row(connection, dataset_id)
        known = by.proof(connection, actor)
        if is_withdrawn(connection, dataset_id):
            raise Conflict(f"{dataset_id} is withdrawn already", remedy="nothing was changed")
        made = {"dataset_id": dataset_id, "person": actor, "reason": words, "time": iso_now()}
        connection.execute(withdrawals.insert().values(**made))
        append(connection, "withdraw dataset", dataset=dataset_id, actor=actor, reason=words, **known)
        return _end_queued(connection, dataset_id)


def _end_queued(connection: Connection, dataset_id: str) -> int:
    waiting = (requests.c.dataset_id == dataset_id) & (requests.c.state == "queued")
    ids = list(connection.execute(select(requests.c.id).where(waiting).order_by(requests.c.number)).scalars())
    for name in ids:
        release(connection, name, "the dataset was withdrawn")
        finish(connection, name, "cancelled", _ENDED)
        post(connection, "decided", name)
    return len(ids)
