"""The budget board: each scope with its history for those who answer for it, coarse bands for requesters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.gate import Cap
from dpsynth.accounting.statement import epsilon_at, epsilon_of_cap
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.scopes import Balance, balances
from dpsynth.ledger.timeline import Step, timeline
from dpsynth.service.desk import Desk
from dpsynth.service.people import require_role
from dpsynth.service.quotes import DELTA_SHOWN, LEVELS, WIDE, scope_view
from dpsynth.service.tables import requests
from dpsynth.service.views import ScopeView

__all__ = ["Board", "BudgetBand", "BudgetHistory", "BudgetStep"]

_TICKS = 4
_BANDS = (
    "nothing is left",
    "less than a quarter is left",
    "a quarter to a half is left",
    "a half to three quarters is left",
    "more than three quarters is left",
)
_WORDS = {
    "scope": "budget opened",
    "cap": "cap changed by a new policy version",
    "reserve": "held for a request",
    "committed": "spent: a run was allowed to open the data",
    "released": "given back: the request ended before its run",
    "forfeited": "forfeited: the run ended without a release",
}


@dataclass(frozen=True)
class BudgetStep:
    """One change of a budget, as the ledger's entry ``seq`` made it. Amounts in nano-rho after the change.

    ``time`` is the entry's: to the second, or to the hour where a run wrote the entry. ``request`` and
    ``requester`` are "" where no request caused it.
    """

    seq: int
    time: str
    what: str
    request: str
    requester: str
    cap_nano: int
    spent_nano: int
    held_nano: int
    forfeited_nano: int
    left_nano: int


@dataclass(frozen=True)
class BudgetHistory:
    """A scope as it is, and how it came to be so.

    Attributes:
        scope: the balance now.
        requester: whose ceiling it is, or "".
        steps: every change, oldest first.
        epsilons: some amounts of nano-rho from 0 to the cap, each with epsilon at ``delta``; may be empty.
        delta: of those epsilons.
    """

    scope: ScopeView
    requester: str
    steps: tuple[BudgetStep, ...]
    epsilons: tuple[tuple[int, str], ...]
    delta: str


@dataclass(frozen=True)
class BudgetBand:
    """What a requester may know of a budget: what it promises, and about how much of it is left."""

    kind: str
    title: str
    promise: str
    band: str


class Board(Desk):
    """Budgets as people look at them. Every method reads the actor's roles from the database."""

    def history(self, actor: str) -> list[BudgetHistory]:
        """Every budget with its history, the widest first (officers, owners, auditors).

        Replays the chain. Raises IntegrityError where it is no legal history, or not that of the balances.
        """
        with self._store.read() as connection:
            require_role(connection, actor, *WIDE)
            people = {row.id: row.requester for row in connection.execute(select(requests))}
            steps, stored = timeline(connection), balances(connection)
        for balance in stored:
            if not _ends_in(steps, balance):
                raise IntegrityError(
                    f"{balance.scope.title} is not what the ledger's entries give",
                    remedy="stop all work on this state and run `dpsynth ledger verify`",
                )
        found = [_history(balance, steps[balance.scope.id], people) for balance in stored]
        return sorted(found, key=lambda one: (LEVELS.index(one.scope.kind), one.scope.id))

    def bands(self, actor: str) -> list[BudgetBand]:
        """The shared budgets and the actor's own ceiling, in coarse bands (everybody who asks or decides)."""
        with self._store.read() as connection:
            require_role(connection, actor, "data_scientist", *WIDE)
            found = [scope_view(balance) for balance in balances(connection)]
        found.sort(key=lambda scope: (LEVELS.index(scope.kind), scope.id))
        mine = [one for one in found if one.kind != "requester" or one.id.endswith(f":{actor}")]
        return [BudgetBand(one.kind, one.title, one.epsilon_cap, _band(one)) for one in mine]


def _ends_in(steps: Mapping[str, Sequence[Step]], balance: Balance) -> bool:
    told = steps.get(balance.scope.id, ())
    return bool(told) and told[-1].balance == balance


def _history(balance: Balance, steps: Sequence[Step], people: Mapping[str, str]) -> BudgetHistory:
    scope = balance.scope
    requester = scope.id.rpartition(":")[2] if scope.kind == "requester" else ""
    told = tuple(_step(step, people) for step in steps)
    return BudgetHistory(scope_view(balance), requester, told, _epsilons(scope.cap), DELTA_SHOWN)


def _step(step: Step, people: Mapping[str, str]) -> BudgetStep:
    balance = step.balance
    return BudgetStep(
        step.seq,
        step.time,
        _WORDS[step.kind],
        step.charge,
        people.get(step.charge, ""),
        balance.scope.cap.rho,
        balance.rho("spent"),
        balance.rho("held"),
        balance.rho("forfeited"),
        balance.left,
    )


def _epsilons(cap: Cap) -> tuple[tuple[int, str], ...]:
    """Epsilon of a zCDP loss at even steps of rho below the cap, and what the cap promises.

    None where entrusted libraries may fail: their delta does not lie on a scale of rho.
    """
    if cap.delta:
        return ()
    amounts = [cap.rho * part // _TICKS for part in range(1, _TICKS)]
    told = [(rho, epsilon_at(zcdp_cost(rho), DELTA_SHOWN)) for rho in amounts]
    return ((0, "0"), *told, (cap.rho, epsilon_of_cap(cap, DELTA_SHOWN)))


def _band(scope: ScopeView) -> str:
    """By quarters of the cap, in whole numbers; any rest is more than nothing."""
    if scope.left_nano <= 0 or scope.rho_cap_nano <= 0:
        return _BANDS[0]
    most = len(_BANDS) - 1
    return _BANDS[min(most, 1 + most * (scope.left_nano - 1) // scope.rho_cap_nano)]
