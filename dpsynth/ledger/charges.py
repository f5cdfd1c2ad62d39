"""Charges and their states: reserve, commit, settle; release and forfeit. No path lowers what is spent.

(none) -> RESERVED -> COMMITTED -> SETTLED
             |            |
          RELEASED     FORFEITED        RELEASED: 0 spent; FORFEITED: all spent
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Row, delete, select, update

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.gate import fits
from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import Conflict, IntegrityError
from dpsynth.ledger.attempts import give_back_attempt, use_attempt
from dpsynth.ledger.chain import append
from dpsynth.ledger.refusal import no_room
from dpsynth.ledger.schema import charges, leases
from dpsynth.ledger.scopes import (
    WHOLE,
    Amounts,
    Balance,
    balances,
    cost_text,
    text_cost,
    write_amounts,
)

__all__ = [
    "Charge",
    "Hold",
    "charge",
    "check_room",
    "commit",
    "expired",
    "extend_lease",
    "forfeit",
    "lease_seal",
    "release",
    "reserve",
    "settle",
]


@dataclass(frozen=True)
class Hold:
    """What a reservation asks for.

    Attributes:
        key: idempotency key.
        payload_sha256: digest of everything that was asked under this key.
        scopes: ids of all scopes that it touches; a refusal names the first that has no room.
        cost: what it may cost at most.
        part: WHOLE, or one part (see scopes.part_of) whose people it concerns.
        attempt: counter that it uses one attempt of, or "".
        attempts_allowed: the most that the counter may show.
    """

    key: str
    payload_sha256: str
    scopes: Sequence[str]
    cost: Cost
    part: str = WHOLE
    attempt: str = ""
    attempts_allowed: int = 0


@dataclass(frozen=True)
class Charge:
    """A charge as it stands; ``state`` is ABSENT when there is none."""

    key: str
    state: str
    cost: Cost | None = None
    scopes: tuple[str, ...] = ()
    part: str = WHOLE
    reason: str = ""
    payload_sha256: str = ""


def charge(connection: Connection, key: str) -> Charge:
    """The charge with this key."""
    row = connection.execute(select(charges).where(charges.c.key == key)).first()
    return Charge(key, "ABSENT") if row is None else _charge(row)


def _charge(row: Row[tuple[object, ...]]) -> Charge:
    names = tuple(json.loads(row.scopes))
    cost = text_cost(row.cost)
    return Charge(row.key, row.state, cost, names, row.part, row.reason, row.payload_sha256)


def reserve(connection: Connection, hold: Hold, lease_until: int) -> bool:
    """Hold a charge in every scope it touches, or in none.

    Returns True when the hold is new, False when the same key and payload was held before.
    Raises Conflict for the same key with another payload, PolicyRefusal when no attempt is left,
    BudgetExceeded when a scope has no room.
    """
    row = connection.execute(select(charges).where(charges.c.key == hold.key)).first()
    if row is not None:
        if row.payload_sha256 != hold.payload_sha256:
            raise Conflict(
                "This idempotency key was used for a different request",
                allowed="one key per request",
                remedy="send the request again with a new key",
            )
        return False
    use_attempt(connection, hold.attempt, hold.attempts_allowed)
    for balance in _touched(connection, hold.scopes):
        check_room(balance, hold.cost, hold.part)
        _add(connection, balance, hold.part, held=hold.cost)
    _record(connection, hold)
    _write_lease(connection, hold.key, lease_until)
    return True


def _record(connection: Connection, hold: Hold) -> None:
    names, cost = sorted(set(hold.scopes)), cost_text(hold.cost)
    told = {"payload_sha256": hold.payload_sha256, "part": hold.part, "attempt": hold.attempt}
    connection.execute(
        charges.insert().values(
            key=hold.key, scopes=json.dumps(names), cost=cost, state="RESERVED", reason="", **told
        )
    )
    append(connection, "reserve", charge=hold.key, scopes=names, cost=json.loads(cost), **told)


def _touched(connection: Connection, ids: Sequence[str]) -> list[Balance]:
    """Balances of these scopes, locked in order of id, given in the order asked for."""
    touched = {balance.scope.id: balance for balance in balances(connection, ids, lock=True)}
    if set(touched) != set(ids):
        raise IntegrityError("A charge names a scope that does not exist", remedy="register the dataset")
    return [touched[name] for name in dict.fromkeys(ids)]


def _add(connection: Connection, balance: Balance, part: str, **costs: Cost) -> None:
    """Add costs to one part of a scope, by the names of its amounts."""
    before = balance.parts.get(part)
    old = before or Amounts()
    after = replace(old, **{name: getattr(old, name) + cost for name, cost in costs.items()})
    write_amounts(connection, balance.scope.id, part, after, new=before is None)


def check_room(balance: Balance, cost: Cost, part: str = WHOLE) -> None:
    """Raises BudgetExceeded when the cost does not fit beside what is spent and held."""
    taken = balance.taken_beside(part)
    if not fits(taken, cost, balance.scope.cap):
        raise no_room(balance.scope, taken, cost)


def _move(connection: Connection, key: str, before: str, after: str, reason: str = "") -> Charge:
    found = charge(connection, key)
    if found.state != before:
        raise Conflict(
            f"Charge {key} is {found.state} and cannot become {after}",
            allowed=f"{before} before {after}",
            remedy="nothing was changed; look at the ledger",
        )
    connection.execute(update(charges).where(charges.c.key == key).values(state=after, reason=reason))
    return found


def commit(connection: Connection, key: str, lease_until: int) -> None:
    """Spend the charge, before the source is opened. From here there is no way back."""
    found = _move(connection, key, "RESERVED", "COMMITTED")
    for balance, cost in _amounts(connection, found):
        _take_hold(connection, balance, found.part, cost, spent=cost)
    append(connection, "committed", charge=key, reason="")
    extend_lease(connection, key, lease_until)


def settle(connection: Connection, key: str, events: list[dict[str, object]]) -> None:
    """The output is stored. No refund, even if less was used. The events go into the chain."""
    _move(connection, key, "COMMITTED", "SETTLED")
    append(connection, "settled", charge=key, reason="", events=events)
    connection.execute(delete(leases).where(leases.c.charge == key))


def release(connection: Connection, key: str, reason: str) -> None:
    """Give a hold back, and the attempt it used. Only possible before commit."""
    found = _move(connection, key, "RESERVED", "RELEASED", reason)
    for balance, cost in _amounts(connection, found):
        _take_hold(connection, balance, found.part, cost)
    row = connection.execute(select(charges.c.attempt).where(charges.c.key == key)).one()
    give_back_attempt(connection, row.attempt)
    append(connection, "released", charge=key, reason=reason)
    connection.execute(delete(leases).where(leases.c.charge == key))


def forfeit(connection: Connection, key: str, reason: str) -> None:
    """The run ended without an output after commit: everything stays spent."""
    found = _move(connection, key, "COMMITTED", "FORFEITED", reason)
    for balance, cost in _amounts(connection, found):
        _add(connection, balance, found.part, forfeited=cost)
    append(connection, "forfeited", charge=key, reason=reason)
    connection.execute(delete(leases).where(leases.c.charge == key))


def _amounts(connection: Connection, found: Charge) -> list[tuple[Balance, Cost]]:
    assert found.cost is not None  # noqa: S101 - a charge that moved was read from its row
    return [(balance, found.cost) for balance in _touched(connection, found.scopes)]


def _take_hold(connection: Connection, balance: Balance, part: str, cost: Cost, **more: Cost) -> None:
    """Lower what is held by a cost that was held before, and add to other amounts. Never lowers spent."""
    old = balance.parts[part]
    added = {name: getattr(old, name) + value for name, value in more.items()}
    after = replace(old, held=old.held - cost, **added)
    write_amounts(connection, balance.scope.id, part, after, new=False)


def lease_seal(key: str, until: int) -> str:
    """Digest that shows a lease changed by accident; leases are no part of the chain."""
    return sha256_hex(f"{key}|{until}".encode())[:16]


def _write_lease(connection: Connection, key: str, until: int) -> None:
    connection.execute(leases.insert().values(charge=key, until=until, seal=lease_seal(key, until)))


def extend_lease(connection: Connection, key: str, lease_until: int) -> None:
    """A living worker keeps its charge; one that ended has no lease to extend."""
    values = {"until": lease_until, "seal": lease_seal(key, lease_until)}
    connection.execute(update(leases).where(leases.c.charge == key).values(**values))


def expired(connection: Connection, now: int) -> list[Charge]:
    """Charges whose lease ended: held ones to release, committed ones to forfeit."""
    query = select(charges).join(leases, leases.c.charge == charges.c.key).where(leases.c.until < now)
    return [_charge(row) for row in connection.execute(query.order_by(charges.c.key))]
