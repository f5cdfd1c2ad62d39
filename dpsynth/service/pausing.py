"""Pausing a dataset: no new requests, nothing held, and what is queued stays closed until it is resumed."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from dpsynth.core.errors import Conflict, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.service.clock import iso_now
from dpsynth.service.people import require_role
from dpsynth.service.registry import dataset_row
from dpsynth.service.stopping import STOPPERS, told_reason
from dpsynth.service.tables import pauses, withdrawals
from dpsynth.service.views import PauseView

__all__ = ["is_withdrawn", "pause", "paused_datasets", "refuse_withdrawn", "require_open", "resume"]


def pause(store: Store, actor: str, dataset_id: str, reason: str) -> None:
    """Pause a dataset (compliance officers and data owners). Raises Conflict where it is paused already."""
    words = told_reason(reason)
    with store.write() as connection:
        require_role(connection, actor, *STOPPERS)
        dataset_row(connection, dataset_id)
        if is_withdrawn(connection, dataset_id):
            raise Conflict(f"{dataset_id} is withdrawn: it is closed for good", remedy="nothing was changed")
        if _found(connection, dataset_id):
            raise Conflict(f"{dataset_id} is paused already", remedy="nothing was changed")
        made = {"dataset_id": dataset_id, "person": actor, "reason": words, "time": iso_now()}
        connection.execute(pauses.insert().values(**made))
        append(connection, "pause", dataset=dataset_id, actor=actor, reason=words)


def resume(store: Store, actor: str, dataset_id: str, reason: str) -> None:
    """End a pause. Raises Conflict where there is none."""
    words = told_reason(reason)
    with store.write() as connection:
        require_role(connection, actor, *STOPPERS)
        if not _found(connection, dataset_id):
            raise Conflict(f"{dataset_id} is not paused", remedy="nothing was changed")
        connection.execute(delete(pauses).where(pauses.c.dataset_id == dataset_id))
        append(connection, "resume", dataset=dataset_id, actor=actor, reason=words)


def paused_datasets(store: Store, actor: str) -> list[PauseView]:
    """Datasets that are paused now. Everybody may know that, those who decide also why."""
    with store.read() as connection:
        someone = require_role(connection, actor, "data_scientist", "auditor", *STOPPERS)
        told = set(someone.roles) & {"auditor", *STOPPERS}
        rows = connection.execute(select(pauses).order_by(pauses.c.dataset_id))
        return [PauseView(p.dataset_id, p.person, p.time, p.reason if told else "") for p in rows]


def require_open(connection: Connection, dataset_id: str) -> None:
    """Raises PolicyRefusal while the dataset is paused, and for good once it is withdrawn."""
    refuse_withdrawn(connection, dataset_id)
    if _found(connection, dataset_id):
        raise PolicyRefusal(
            "This dataset is paused: nothing is asked of it, held for it or read from it",
            allowed="releases that are published already, and requests once it is resumed",
            remedy="ask the data owner or a compliance officer when that will be",
        )


def refuse_withdrawn(connection: Connection, dataset_id: str) -> None:
    """Raises PolicyRefusal once the dataset is withdrawn."""
    if is_withdrawn(connection, dataset_id):
        raise PolicyRefusal(
            "This dataset was withdrawn by its data owner: nothing more is asked, read or signed",
            allowed="releases that are published already",
            remedy="ask the data owner which dataset takes its place",
        )


def is_withdrawn(connection: Connection, dataset_id: str) -> bool:
    """Whether its data owner has withdrawn the dataset."""
    query = select(withdrawals.c.dataset_id).where(withdrawals.c.dataset_id == dataset_id)
    return connection.execute(query).first() is not None


def _found(connection: Connection, dataset_id: str) -> bool:
    row = connection.execute(select(pauses.c.dataset_id).where(pauses.c.dataset_id == dataset_id)).first()
    return row is not None
