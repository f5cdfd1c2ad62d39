"""Scopes: the budgets that a charge counts against, their caps, and what is spent and held in each.

The tree is id space (people) > dataset > table, with a ceiling for each requester beside the table. A charge
names every scope it touches and is accepted only if all have room. Declared parallel composition: a charge
may be for one part (a public value of a declared column) of a group (one snapshot of one table). Every
person lies in at most one part of a group, so a scope's total is the whole plus, for each group, the largest
part; that covers every person (the block argument of Lecuyer et al. 2019, "Sage").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from sqlalchemy import Connection, select, update

from dpsynth.accounting.cost import ZERO, Cost, cost_from_json, cost_to_json, total
from dpsynth.accounting.curves import rho_of
from dpsynth.accounting.gate import Cap, rho_left
from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import Conflict, IntegrityError
from dpsynth.ledger.chain import append
from dpsynth.ledger.schema import balances as balance_table
from dpsynth.ledger.schema import scopes

__all__ = [
    "WHOLE",
    "Amounts",
    "Balance",
    "Scope",
    "APPROVERS_TO_LOOSEN",
    "balances",
    "cost_text",
    "loosens",
    "open_scope",
    "part_of",
    "recap",
    "text_cost",
    "write_amounts",
]

WHOLE = ""
"""The part of a charge that concerns everyone in its scopes."""

APPROVERS_TO_LOOSEN = 2

_MARK = "\x1f"


def part_of(group: str, value: str) -> str:
    """Name of one part: a public value in a group whose parts share no person."""
    return f"{group}{_MARK}{value}"


@dataclass(frozen=True)
class Scope:
    """A budget.

    Attributes:
        id: unique name.
        kind: id_space, dataset, table or requester.
        parent: id of the scope it lies in, or "".
        title: plain words.
        cap: its gate.
        policy_sha256: policy that set the cap.
    """

    id: str
    kind: str
    parent: str
    title: str
    cap: Cap
    policy_sha256: str


@dataclass(frozen=True)
class Amounts:
    """What one part of a scope has spent (``forfeited``: of it without a release) and holds."""

    spent: Cost = ZERO
    held: Cost = ZERO
    forfeited: Cost = ZERO

    @property
    def taken(self) -> Cost:
        """Spent and held."""
        return self.spent + self.held


@dataclass(frozen=True)
class Balance:
    """A scope with the amounts of its parts; ``parts[WHOLE]`` is always there."""

    scope: Scope
    parts: dict[str, Amounts]

    def amount(self, which: str) -> Cost:
        """``spent``, ``held``, ``forfeited`` or ``taken`` of the person for whom it is largest, or more."""
        groups: dict[str, list[Cost]] = {}
        for part, amounts in self.parts.items():
            if part != WHOLE:
                groups.setdefault(part.split(_MARK)[0], []).append(getattr(amounts, which))
        whole: Cost = getattr(self.parts[WHOLE], which)
        return total([whole, *(reduce(or_, costs) for costs in groups.values())])

    def taken_beside(self, part: str) -> Cost:
        """What is already taken from those whom a charge on this part concerns."""
        if part == WHOLE:
            return self.amount("taken")
        group = part.split(_MARK)[0]
        others = {p: a for p, a in self.parts.items() if p == WHOLE or p.split(_MARK)[0] != group}
        own = self.parts.get(part, Amounts())
        return Balance(self.scope, others).amount("taken") + own.taken

    def rho(self, which: str) -> int:
        """An amount as the smallest nano-rho line above its curve, up to omega."""
        return rho_of(self.amount(which).rdp, self.scope.cap.omega)

    @property
    def left(self) -> int:
        """Largest nano-rho that may still be reserved for everyone."""
        return rho_left(self.amount("taken"), self.scope.cap)


def cost_text(cost: Cost) -> str:
    """A cost in its canonical form, as stored and hashed."""
    return canonical_bytes(cost_to_json(cost)).decode()


def text_cost(text: str) -> Cost:
    """Read a stored cost. Raises IntegrityError unless it is in canonical form."""
    try:
        cost = cost_from_json(json.loads(text))
    except ValueError as error:
        raise IntegrityError("A stored cost is no JSON", remedy="compare the state with a backup") from error
    if cost_text(cost) != text:
        raise IntegrityError(
            "A stored cost is not in canonical form", remedy="compare the state with a backup"
        )
    return cost


def _scope(row: object) -> Scope:
    cap = Cap(row.rho_cap, row.omega, row.delta_cap, row.mu2_cap)  # type: ignore[attr-defined]
    return Scope(row.id, row.kind, row.parent, row.title, cap, row.policy_sha256)  # type: ignore[attr-defined]


def _caps(cap: Cap) -> dict[str, int | None]:
    return {"rho_cap": cap.rho, "omega": cap.omega, "delta_cap": cap.delta, "mu2_cap": cap.mu2}


def _told(cap: Cap) -> dict[str, str]:
    """A cap for the chain: numbers as text, an absent second gate as an empty one."""
    return {name: "" if value is None else str(value) for name, value in _caps(cap).items()}


def open_scope(connection: Connection, scope: Scope) -> None:
    """Create a scope, or check that it is the one that is there. A different cap is a conflict."""
    row = connection.execute(select(scopes).where(scopes.c.id == scope.id)).first()
    if row is None:
        values = {"id": scope.id, "kind": scope.kind, "parent": scope.parent, "title": scope.title}
        told = {**values, "policy_sha256": scope.policy_sha256}
        connection.execute(scopes.insert().values(**told, **_caps(scope.cap)))
        write_amounts(connection, scope.id, WHOLE, Amounts(), new=True)
        append(connection, "scope", scope={**told, **_told(scope.cap)})
    elif _scope(row).cap != scope.cap:
        raise Conflict(
            f"Scope {scope.id} exists with another cap",
            allowed="the cap it was opened with; budgets are for life and never reset",
            remedy="keep the cap, or have a new policy version approved",
        )


def loosens(old: Cap, new: Cap) -> bool:
    """Whether some charge could fit under the new cap that does not fit under the old one."""
    second = old.mu2 is not None and (new.mu2 is None or new.mu2 > old.mu2)
    return new.rho > old.rho or new.omega < old.omega or new.delta > old.delta or second


def recap(
    connection: Connection, scope_id: str, cap: Cap, policy_sha256: str, approvers: Sequence[str]
) -> None:
    """Give a scope another cap, by a new policy. What is spent stays; the old cap stays in the chain.

    Raises Conflict when a cap would be loosened by fewer than two people.
    """
    row = connection.execute(select(scopes).where(scopes.c.id == scope_id)).one()
    if len(set(approvers)) < APPROVERS_TO_LOOSEN and loosens(_scope(row).cap, cap):
        raise Conflict(
            f"Scope {scope_id} has a tighter cap than this policy states",
            allowed="the cap in force or a tighter one; a looser one with two people's approval",
            remedy="another policy about the same people tightened it: state that cap",
        )
    connection.execute(
        update(scopes).where(scopes.c.id == scope_id).values(**_caps(cap), policy_sha256=policy_sha256)
    )
    append(
        connection,
        "cap",
        id=scope_id,
        policy_sha256=policy_sha256,
        approvers=sorted(approvers),
        **_told(cap),
    )


def balances(connection: Connection, ids: Iterable[str] | None = None, lock: bool = False) -> list[Balance]:
    """Balances in order of scope id. With ``lock`` their rows stay locked until the transaction ends."""
    query = select(scopes).order_by(scopes.c.id)
    amounts = select(balance_table)
    if ids is not None:
        wanted = sorted(set(ids))
        query, amounts = (
            query.where(scopes.c.id.in_(wanted)),
            amounts.where(balance_table.c.scope.in_(wanted)),
        )
    found = [_scope(row) for row in connection.execute(query.with_for_update() if lock else query)]
    parts: dict[str, dict[str, Amounts]] = {}
    for row in connection.execute(amounts):
        values = Amounts(text_cost(row.spent), text_cost(row.held), text_cost(row.forfeited))
        parts.setdefault(row.scope, {})[row.part] = values
    return [Balance(scope, parts[scope.id]) for scope in found]


def write_amounts(connection: Connection, scope: str, part: str, amounts: Amounts, new: bool) -> None:
    """Store the amounts of one part of a scope."""
    values = {name: cost_text(getattr(amounts, name)) for name in ("spent", "held", "forfeited")}
    if new:
        connection.execute(balance_table.insert().values(scope=scope, part=part, **values))
        return
    here = (balance_table.c.scope == scope) & (balance_table.c.part == part)
    connection.execute(update(balance_table).where(here).values(**values))
