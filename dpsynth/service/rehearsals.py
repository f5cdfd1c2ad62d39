"""Rehearsals of a registered dataset's policy: on which stand-ins, for whom, how many at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from dpsynth.core.errors import BadInput, Conflict, DpsynthError
from dpsynth.policy.model import Policy
from dpsynth.service.decisions import signed_dossier
from dpsynth.service.desk import Desk
from dpsynth.service.people import require_role
from dpsynth.service.plans import requested_rho
from dpsynth.service.published import as_it_stands
from dpsynth.service.registry import dataset
from dpsynth.service.rehearsal import (
    Limits,
    Rehearsal,
    Tell,
    budgets_of,
    default_rows,
    rehearse,
    why_not,
)
from dpsynth.service.signing import bundle_path
from dpsynth.service.standin import LEAST_ROWS, MADE_UP, Errors, Published, StandIn, made_up, of_release
from dpsynth.service.tables import requests
from dpsynth.service.views import DatasetInfo, RequestForm

__all__ = ["MOST_ROWS", "RehearsalForm", "Rehearsals", "StandInChoice"]

MOST_ROWS = 100_000
"""Of a stand-in that is rehearsed on here, so that a rehearsal stays short."""

_READERS = ("data_scientist", "data_owner", "compliance_officer", "auditor")
_KEPT = 16
_AT_ONCE = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class RehearsalForm:
    """What is to be rehearsed.

    Attributes:
        epsilon, delta, rho: the budget that is thought of, stated as in a request; "" and None for none. It
            is rehearsed beside four parts of the policy's cap for one release.
        stand_in: name of a StandInChoice; "": made-up rows.
        rows: of made-up rows, LEAST_ROWS to MOST_ROWS; 0: ``default_rows``.
    """

    dataset_id: str
    synthesizer: str
    epsilon: str | None = None
    delta: str | None = None
    rho: str | None = None
    stand_in: str = ""
    rows: int = 0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class StandInChoice:
    """A stand-in that a policy can be rehearsed on: its name, and in words where its rows come from."""

    name: str
    words: str


@dataclass
class _Kept:
    """A stand-in and what was measured on it, by synthesizer and nano-rho. All of it is public."""

    stand_in: StandIn
    errors: dict[tuple[str, int], tuple[Errors, ...]] = field(default_factory=dict)


class _Memory:
    """The stand-ins used last. A rehearsal that was made is not made again for the next person."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str, int], _Kept] = OrderedDict()

    def get(self, key: tuple[str, str, int]) -> _Kept | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[str, str, int], kept: _Kept) -> _Kept:
        with self._lock:
            self._kept[key] = kept
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return kept


_MEMORY = _Memory()


class Rehearsals(Desk):
    """Asked for as ``platform.rehearsals``. Nothing here opens a table of people or writes to the ledger."""

    MOST_ROWS = MOST_ROWS
    LEAST_ROWS = LEAST_ROWS

    def stand_ins(self, actor: str, dataset_id: str) -> tuple[StandInChoice, ...]:
        """What the dataset's policy in force can be rehearsed on; made-up rows come first.

        A release can stand in while it is published, neither revoked nor expired, and made under the same
        public domain: then its rows are public already.
        """
        with self._store.read() as connection:
            require_role(connection, actor, *_READERS)
            found = dataset(connection, dataset_id)
            rows = self._usable(connection, found)
        made = StandInChoice("", MADE_UP)
        return (made, *(StandInChoice(one.id, _words(one)) for one in rows))

    def default_rows(self, policy: Policy) -> int:
        """Rows of a made-up stand-in where nobody says how many: a public number."""
        return min(default_rows(policy), MOST_ROWS)

    def cap_of_release(self, policy: Policy) -> int:
        """The policy's cap for one release, nano-rho: a public number."""
        return budgets_of(policy)[-1]

    def why_not(self, synthesizer: str) -> str:
        """Why a synthesizer cannot be rehearsed, or ""."""
        return why_not(synthesizer)

    def run(self, actor: str, form: RehearsalForm, tell: Tell = lambda words, share: None) -> Rehearsal:
        """Rehearse; smallest budget first. Free. Raises BadInput, PolicyRefusal, or Conflict where busy."""
        with self._store.read() as connection:
            require_role(connection, actor, *_READERS)
            found = dataset(connection, form.dataset_id)
            usable = {one.id: one for one in self._usable(connection, found)}
            row = usable.get(form.stand_in)
            signed = {} if row is None else signed_dossier(connection, row).body["files"]
        if form.stand_in and form.stand_in not in usable:
            raise BadInput(
                "No release with this id can stand in for this dataset",
                allowed=", ".join(sorted(usable)) or "made-up rows: nothing usable is published yet",
                remedy="rehearse on made-up rows",
            )
        budgets = self._budgets(form, found.policy)
        with _one_of_few():
            kept = self._kept(form, found, row, signed)
            known = {rho: kept.errors.get((form.synthesizer, rho), ()) for rho in budgets}
            made = rehearse(found.policy, form.synthesizer, budgets, kept.stand_in, form.limits, tell, known)
        for point in made.points:
            kept.errors[form.synthesizer, point.rho_nano] = point.errors
        return made

    def _budgets(self, form: RehearsalForm, policy: Policy) -> tuple[int, ...]:
        if form.epsilon is None and form.rho is None:
            return budgets_of(policy)
        asked = RequestForm("", "", "", "", form.epsilon, form.delta, form.rho)
        return (*budgets_of(policy), requested_rho(asked, policy))

    def _kept(
        self,
        form: RehearsalForm,
        found: DatasetInfo,
        row: Row[tuple[object, ...]] | None,
        signed: Mapping[str, Mapping[str, Any]],
    ) -> _Kept:
        rows = form.rows or self.default_rows(found.policy)
        if not LEAST_ROWS <= rows <= MOST_ROWS:
            raise BadInput(
                "The stand-in cannot have that many rows here",
                allowed=f"{LEAST_ROWS} to {MOST_ROWS:,}",
                remedy="choose a number in between; `dpsynth rehearse` allows more",
            )
        key = (found.policy_sha256, form.stand_in, 0 if row is not None else rows)
        if (kept := _MEMORY.get(key)) is not None:
            return kept
        domain = found.policy.domain()
        if row is None:
            return _MEMORY.put(key, _Kept(made_up(domain, rows)))
        digests = {name: str(one["sha256"]) for name, one in signed.items()}
        place = Published(f"release {row.id}", bundle_path(self._home, row), digests)
        return _MEMORY.put(key, _Kept(of_release(place, domain, MOST_ROWS)))

    def _usable(self, connection: Connection, found: DatasetInfo) -> list[Row[tuple[object, ...]]]:
        """Published releases of the whole table under the policy in force, newest first."""
        query = select(requests).where(
            requests.c.dataset_id == found.dataset_id,
            requests.c.policy_sha256 == found.policy_sha256,
            requests.c.part == "",
            requests.c.state == "published",
        )
        rows = connection.execute(query.order_by(requests.c.number.desc())).all()
        return [row for row in rows if self._permitted(connection, row)]

    def _permitted(self, connection: Connection, row: Row[tuple[object, ...]]) -> bool:
        try:
            said = as_it_stands(connection, self._home, row, datetime.now(UTC))
        except (DpsynthError, OSError):
            return False  # a bundle that is gone or changed stands in for nothing
        return said.state in ("published", "expiring")


def _words(row: Row[tuple[object, ...]]) -> str:
    return (
        f"rows of release {row.id}, which {row.synthesizer} made and which is published: what that release "
        "lost, a rehearsal on it cannot miss"
    )


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _AT_ONCE.acquire(blocking=False):
        raise Conflict(
            "Other rehearsals are running here",
            allowed="two at a time",
            remedy="try again in a minute, or run `dpsynth rehearse` on your own machine",
        )
    try:
        yield
    finally:
        _AT_ONCE.release()
