"""The catalogue: what can be asked for, under which terms, and coarsely how much budget is left for whom.

Everything in it is public or is about the reader: the policy, the releases that were published, and a band
of the reader's own room. Exact balances stand where a request is priced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select

from dpsynth.core.errors import Conflict, DpsynthError
from dpsynth.ledger.scopes import Balance
from dpsynth.ledger.store import Store
from dpsynth.publish.catalogue import Listed
from dpsynth.service.budgets import touched_scopes
from dpsynth.service.pausing import is_withdrawn
from dpsynth.service.people import require_role
from dpsynth.service.published import as_it_stands
from dpsynth.service.quotes import refuse_looser, touched_balances
from dpsynth.service.registry import dataset_info
from dpsynth.service.tables import datasets, pauses, requests
from dpsynth.service.views import DatasetInfo

__all__ = ["BANDS", "READERS", "Offer", "ReleaseFact", "band", "offers"]

READERS = ("data_scientist", "data_owner", "compliance_officer", "auditor")
BANDS = (
    "nothing is left",
    "less than a quarter is left",
    "a quarter to a half is left",
    "a half to three quarters is left",
    "more than three quarters is left",
)
"""How much of the tightest budget is left, from none to nearly all; the place is the number of quarters."""

_QUARTERS = len(BANDS) - 1


@dataclass(frozen=True)
class ReleaseFact:
    """A published release as its public statement tells of it.

    Attributes:
        state: published, expiring (within 30 days), expired or revoked.
        expires: when its permission ends, UTC.
    """

    id: str
    state: str
    epsilon: str
    delta: str
    rows: str
    expires: str


@dataclass(frozen=True)
class Offer:
    """One dataset for one reader.

    Attributes:
        info: the policy in force.
        paused: nothing may be asked of it now.
        band: place in BANDS of what is left of the tightest budget that a request would touch.
        why_none: why nothing can be asked for although budget is left, or "".
        releases: published ones, newest first; revoked and expired ones say so.
    """

    info: DatasetInfo
    paused: bool
    band: int
    why_none: str
    releases: tuple[ReleaseFact, ...]


def band(left: int, cap: int) -> int:
    """Place in BANDS of ``left`` nano-rho out of ``cap``; whole numbers only, so no edge is blurred."""
    if left <= 0 or cap <= 0:
        return 0
    return min(_QUARTERS, 1 + _QUARTERS * (left - 1) // cap)


def offers(store: Store, home: Path, actor: str) -> tuple[Offer, ...]:
    """Every registered dataset that was not withdrawn, in order of id, as this person may ask for it."""
    now = datetime.now(UTC)
    with store.read() as connection:
        require_role(connection, actor, *READERS)
        stopped = set(connection.execute(select(pauses.c.dataset_id)).scalars())
        rows = connection.execute(select(datasets).order_by(datasets.c.id)).all()
        open_ones = [dataset_info(row) for row in rows if not is_withdrawn(connection, row.id)]
        return tuple(_offer(connection, home, actor, info, stopped, now) for info in open_ones)


def _offer(
    connection: Connection, home: Path, actor: str, info: DatasetInfo, stopped: set[str], now: datetime
) -> Offer:
    scopes = touched_scopes(info.policy, info.policy_sha256, actor)
    touched = touched_balances(connection, scopes)
    why = ""
    try:
        refuse_looser(scopes, touched)
    except Conflict as conflict:
        why = conflict.text()
    releases = _releases(connection, home, info.dataset_id, now)
    return Offer(info, info.dataset_id in stopped, _tightest(touched), why, releases)


def _tightest(touched: Sequence[Balance]) -> int:
    return min(band(balance.left, balance.scope.cap.rho) for balance in touched)


def _releases(connection: Connection, home: Path, dataset_id: str, now: datetime) -> tuple[ReleaseFact, ...]:
    query = select(requests).where(
        requests.c.dataset_id == dataset_id, requests.c.state.in_(("published", "revoked"))
    )
    found = []
    for row in connection.execute(query.order_by(requests.c.number.desc())).all():
        try:
            said = as_it_stands(connection, home, row, now)
        except (DpsynthError, OSError):
            continue  # its place is empty or changed: nothing is said of it here, the doctor tells an admin
        found.append(_fact(said))
    return tuple(found)


def _fact(said: Listed) -> ReleaseFact:
    promise = said.statement["guarantee"]
    return ReleaseFact(
        said.release_id,
        said.state,
        str(promise["epsilon"]),
        str(promise["delta"]),
        str(said.statement["rows"]),
        said.until,
    )
