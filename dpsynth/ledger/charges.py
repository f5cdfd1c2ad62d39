"""Charges and their states: reserve, commit, settle; release and forfeit. No path lowers what is spent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select, update

from dpsynth.accounting.curves import Curve, add, fits, rho_of, zero
from dpsynth.core.errors import BudgetExceeded, Conflict, IntegrityError
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import charges, scopes

__all__ = [
    "Balance",
    "Scope",
    "balances",
    "charge_state",
    "commit",
    "extend_lease",
    "forfeit",
    "expired",
    "open_scope",
    "release",
    "reserve",
    "settle",
]

HELD = ("RESERVED",)
SPENT = ("COMMITTED", "SETTLED", "FORFEITED")


@dataclass(frozen=True)
class Scope:
    """A budget that charges count against. rho_cap in nano-rho; orders above omega are not gated."""

    id: str
    kind: str
    title: str
    rho_cap: int
    omega: int
    policy_sha256: str


@dataclass(frozen=True)
class Balance:
    """What a scope has spent and holds: Renyi curves, and of the spent part what was forfeited."""

    scope: Scope
    spent: Curve
    held: Curve
    forfeited: Curve

    def rho(self, which: str) -> int:
        """``spent``, ``held`` or ``forfeited`` as the smallest nano-rho line above the curve."""
        curve: Curve = getattr(self, which)
        return rho_of(curve, self.scope.omega)


def open_scope(connection: Connection, scope: Scope) -> None:
    """Create a scope, or check that it is the one that is there. A different cap is a conflict."""
    row = connection.execute(select(scopes).where(scopes.c.id == scope.id)).first()
    if row is None:
        connection.execute(scopes.insert().values(**scope.__dict__))
        append(connection, "scope", id=scope.id, rho_cap=str(scope.rho_cap), omega=scope.omega)
    elif (row.rho_cap, row.omega) != (scope.rho_cap, scope.omega):
        raise Conflict(
            f"Scope {scope.id} exists with another cap",
            allowed="the cap it was opened with; budgets are for life and never reset",
            remedy="keep the cap, or have a new policy version approved",
        )


def balances(connection: Connection, ids: Sequence[str] | None = None) -> list[Balance]:
    """Balances, computed from the charges themselves, in order of scope id."""
    found = [Scope(**row._mapping) for row in connection.execute(select(scopes).order_by(scopes.c.id))]
    rows = connection.execute(select(charges)).all()
    return [_balance(scope, rows) for scope in found if ids is None or scope.id in ids]


def _balance(scope: Scope, rows: Sequence[Row[tuple[object, ...]]]) -> Balance:
    spent = held = forfeited = zero()
    for row in rows:
        if scope.id not in json.loads(row.scopes):
            continue
        curve: Curve = tuple(int(value) for value in json.loads(row.curve))
        spent = add(spent, curve) if row.state in SPENT else spent
        held = add(held, curve) if row.state in HELD else held
        forfeited = add(forfeited, curve) if row.state == "FORFEITED" else forfeited
    return Balance(scope, spent, held, forfeited)


def reserve(
    connection: Connection,
    key: str,
    payload_sha256: str,
    scope_ids: Sequence[str],
    curve: Curve,
    lease_until: int,
) -> bool:
    """Hold a charge in every scope it touches, or in none.

    Returns True when the hold is new, False when the same key and payload was held before.
    Raises Conflict for the same key with another payload, BudgetExceeded when a scope has no room.
    """
    row = connection.execute(select(charges).where(charges.c.key == key)).first()
    if row is not None:
        if row.payload_sha256 != payload_sha256:
            raise Conflict(
                "This idempotency key was used for a different request",
                allowed="one key per request",
                remedy="send the request again with a new key",
            )
        return False
    touched = balances(connection, scope_ids)
    if {balance.scope.id for balance in touched} != set(scope_ids):
        raise IntegrityError("A charge names a scope that does not exist", remedy="register the dataset")
    for balance in touched:
        check_room(balance, curve)
    connection.execute(
        charges.insert().values(
            key=key,
            payload_sha256=payload_sha256,
            scopes=json.dumps(sorted(scope_ids)),
            curve=json.dumps([str(value) for value in curve]),
            rho=rho_of(curve),
            state="RESERVED",
            lease_until=lease_until,
            reason="",
        )
    )
    append(connection, "reserve", charge=key, scopes=sorted(scope_ids), curve=[str(value) for value in curve])
    return True


def check_room(balance: Balance, curve: Curve) -> None:
    """Raises BudgetExceeded when the curve does not fit beside what is spent and held."""
    scope = balance.scope
    taken = add(balance.spent, balance.held)
    if fits(taken, curve, scope.rho_cap, scope.omega):
        return
    left = max(0, scope.rho_cap - rho_of(taken, scope.omega))
    raise BudgetExceeded(
        f"{scope.title}: this request needs rho {rho_of(curve, scope.omega) / 1e9:.6f}, "
        f"and rho {left / 1e9:.6f} of {scope.rho_cap / 1e9:.6f} is left",
        allowed="requests that fit in what is left; the budget is for life and is never refilled",
        remedy="ask for a smaller epsilon, use a release that is published already (that costs nothing), "
        "or ask the data owner for a new policy version",
    )


def _move(connection: Connection, key: str, before: Sequence[str], after: str, reason: str = "") -> None:
    row = connection.execute(select(charges.c.state).where(charges.c.key == key)).first()
    state = row.state if row is not None else "ABSENT"
    if state not in before:
        raise Conflict(
            f"Charge {key} is {state} and cannot become {after}",
            allowed=" or ".join(before) + f" before {after}",
            remedy="nothing was changed; look at the ledger",
        )
    connection.execute(update(charges).where(charges.c.key == key).values(state=after, reason=reason))
    append(connection, after.lower(), charge=key, reason=reason)


def commit(connection: Connection, key: str, lease_until: int) -> None:
    """Spend the charge, before the source is opened. From here there is no way back."""
    _move(connection, key, ["RESERVED"], "COMMITTED")
    extend_lease(connection, key, lease_until)


def settle(connection: Connection, key: str, events: list[dict[str, object]]) -> None:
    """The output is stored. No refund, even if less was used. The events go into the chain."""
    _move(connection, key, ["COMMITTED"], "SETTLED")
    append(connection, "events", charge=key, events=events)


def release(connection: Connection, key: str, reason: str) -> None:
    """Give a hold back. Only possible before commit."""
    _move(connection, key, ["RESERVED"], "RELEASED", reason)


def forfeit(connection: Connection, key: str, reason: str) -> None:
    """The run ended without an output after commit: everything stays spent."""
    _move(connection, key, ["COMMITTED"], "FORFEITED", reason)


def extend_lease(connection: Connection, key: str, lease_until: int) -> None:
    """A living worker keeps its charge."""
    connection.execute(update(charges).where(charges.c.key == key).values(lease_until=lease_until))


def charge_state(connection: Connection, key: str) -> str:
    """State of a charge, or ABSENT."""
    row = connection.execute(select(charges.c.state).where(charges.c.key == key)).first()
    return str(row.state) if row is not None else "ABSENT"


def expired(connection: Connection, now: int) -> list[tuple[str, str]]:
    """(key, state) of charges whose lease ended: held ones to release, committed ones to forfeit."""
    query = select(charges.c.key, charges.c.state).where(
        charges.c.state.in_(["RESERVED", "COMMITTED"]), charges.c.lease_until < now
    )
    return [(row.key, row.state) for row in connection.execute(query)]
