"""Replay: the chain, read as a history, must be a legal one and must give the tables exactly as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Table, select

from dpsynth.accounting.cost import Cost, cost_from_json, cost_of, total
from dpsynth.accounting.events import event_from_json
from dpsynth.accounting.gate import Cap, fits
from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.chain import Entry, read_chain
from dpsynth.ledger.charges import lease_seal
from dpsynth.ledger.schema import attempts, charges, leases, scopes
from dpsynth.ledger.schema import balances as balance_table
from dpsynth.ledger.scopes import (
    APPROVERS_TO_LOOSEN,
    WHOLE,
    Amounts,
    Balance,
    Scope,
    cost_text,
    loosens,
)

__all__ = ["History", "replay"]

Fail = Callable[[str], None]
Row = dict[str, Any]

_BEFORE = {
    "reserve": "ABSENT",
    "committed": "RESERVED",
    "released": "RESERVED",
    "settled": "COMMITTED",
    "forfeited": "COMMITTED",
}
_NUMBERS = ("rho_cap", "omega", "delta_cap")


class History:
    """What the chain says, folded up into the rows that the tables must hold."""

    def __init__(self, fail: Fail) -> None:
        self.fail = fail
        self.scopes: dict[str, Row] = {}
        self.charges: dict[str, Row] = {}
        self.amounts: dict[str, dict[str, Amounts]] = {}
        self.attempts: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        """Take one entry into account; every illegal step is reported."""
        if entry.kind == "scope":
            self._open(entry)
        elif entry.kind == "cap":
            self._recap(entry)
        elif entry.kind in _BEFORE:
            self._move(entry)

    def _open(self, entry: Entry) -> None:
        name = entry.body["scope"]["id"]
        if name in self.scopes:
            self.fail(f"Entry {entry.seq} opens a scope for the second time")
        self.scopes[name] = _with_numbers(entry.body["scope"])
        self.amounts[name] = {WHOLE: Amounts()}

    def _recap(self, entry: Entry) -> None:
        body = {name: value for name, value in entry.body.items() if name != "approvers"}
        old, new = self.scopes.get(body["id"]), _with_numbers(body)
        enough = len(set(entry.body["approvers"])) >= APPROVERS_TO_LOOSEN
        if old is None or (not enough and loosens(_cap(old), _cap(new))):
            self.fail(f"Entry {entry.seq} changes a cap against the rules of the ledger")
            return
        old.update(new)

    def _move(self, entry: Entry) -> None:
        key, kind = entry.body["charge"], entry.kind
        known = self.charges.get(key)
        if (known["state"] if known else "ABSENT") != _BEFORE[kind]:
            self.fail(f"Entry {entry.seq} moves a charge against the rules of the ledger")
            return
        if kind == "reserve":
            self._reserve(entry)
        else:
            self.charges[key].update(state=kind.upper(), reason=entry.body["reason"])
        if kind == "settled":
            self._settle(entry)
        self._amounts(self.charges[key], kind)

    def _settle(self, entry: Entry) -> None:
        """What was drawn is within what was reserved."""
        drawn = total(cost_of(event_from_json(event)) for event in entry.body["events"])
        if not _cost(self.charges[entry.body["charge"]]).covers(drawn):
            self.fail(f"Entry {entry.seq} settles a run that drew more than it had reserved")

    def _reserve(self, entry: Entry) -> None:
        body = entry.body
        self.charges[body["charge"]] = {
            "key": body["charge"],
            "payload_sha256": body["payload_sha256"],
            "scopes": json.dumps(body["scopes"]),
            "part": body["part"],
            "attempt": body["attempt"],
            "cost": canonical_bytes(body["cost"]).decode(),
            "state": "RESERVED",
            "reason": "",
        }
        for name in body["scopes"]:
            if not self._has_room(name, body["part"], cost_from_json(body["cost"])):
                self.fail(f"Entry {entry.seq} holds a charge for which a scope had no room")

    def _has_room(self, name: str, part: str, cost: Cost) -> bool:
        """The gate again, from the history alone."""
        if name not in self.scopes:
            return False
        balance = self.balance(name)
        return fits(balance.taken_beside(part), cost, balance.scope.cap)

    def balance(self, name: str) -> Balance:
        """A scope that was opened, with its cap and amounts after the last entry that was added."""
        row = self.scopes[name]
        scope = Scope(name, row["kind"], row["parent"], row["title"], _cap(row), row["policy_sha256"])
        return Balance(scope, dict(self.amounts[name]))

    def touched(self, entry: Entry) -> tuple[str, ...]:
        """Ids of the scopes whose cap or amounts an entry that was added has changed."""
        if entry.kind == "scope":
            return (entry.body["scope"]["id"],)
        if entry.kind == "cap":
            return (entry.body["id"],)
        if entry.kind in _BEFORE and entry.kind != "settled":
            return tuple(json.loads(self.charges[entry.body["charge"]]["scopes"]))
        return ()

    def _amounts(self, charge: Row, kind: str) -> None:
        cost = _cost(charge)
        if charge["attempt"] and kind in {"reserve", "released"}:
            change = 1 if kind == "reserve" else -1
            self.attempts[charge["attempt"]] = self.attempts.get(charge["attempt"], 0) + change
        for scope in json.loads(charge["scopes"]):
            parts = self.amounts.setdefault(scope, {})
            old = parts.get(charge["part"], Amounts())
            parts[charge["part"]] = {
                "reserve": lambda a: replace(a, held=a.held + cost),
                "committed": lambda a: replace(a, held=a.held - cost, spent=a.spent + cost),
                "released": lambda a: replace(a, held=a.held - cost),
                "settled": lambda a: a,
                "forfeited": lambda a: replace(a, forfeited=a.forfeited + cost),
            }[kind](old)


def _with_numbers(body: Row) -> Row:
    mu2 = body["mu2_cap"]
    return {**body, **{name: int(body[name]) for name in _NUMBERS}, "mu2_cap": int(mu2) if mu2 else None}


def _cap(row: Row) -> Cap:
    return Cap(row["rho_cap"], row["omega"], row["delta_cap"], row["mu2_cap"])


def _cost(charge: Row) -> Cost:
    return cost_from_json(json.loads(charge["cost"]))


def _balance_rows(amounts: dict[str, dict[str, Amounts]]) -> list[Row]:
    return [
        {
            "scope": scope,
            "part": part,
            **{name: cost_text(getattr(each, name)) for name in ("spent", "held", "forfeited")},
        }
        for scope, parts in amounts.items()
        for part, each in parts.items()
    ]


def replay(connection: Connection, fail: Fail) -> None:
    """Check every step of the chain, and every column of the ledger's tables against it.

    Calls ``fail`` with a sentence for each kind of difference.
    """
    history = History(fail)
    try:
        for entry in read_chain(connection):
            history.add(entry)
    except (KeyError, TypeError, ValueError, IntegrityError):
        fail("An entry of the chain has an unknown form")
        return
    counters = [{"id": name, "used": used} for name, used in history.attempts.items()]
    for table, words, rows in (
        (charges, "The states or amounts of the charges", list(history.charges.values())),
        (scopes, "The scopes or their caps", list(history.scopes.values())),
        (balance_table, "The balances", _balance_rows(history.amounts)),
        (attempts, "The counters of attempts", counters),
    ):
        if not _same(connection, table, rows):
            fail(f"{words} differ from the chain")
    _check_leases(connection, history, fail)


def _same(connection: Connection, table: Table, rows: Iterable[Row]) -> bool:
    key = [column.name for column in table.primary_key]

    def ordered(values: Iterable[Row]) -> list[Row]:
        return sorted(values, key=lambda row: [str(row[name]) for name in key])

    stored = [dict(row._mapping) for row in connection.execute(select(table))]
    return ordered(stored) == ordered(rows)


def _check_leases(connection: Connection, history: History, fail: Fail) -> None:
    rows = connection.execute(select(leases)).all()
    living = {key for key, row in history.charges.items() if row["state"] in {"RESERVED", "COMMITTED"}}
    if {row.charge for row in rows} != living:
        fail("The leases differ from the charges that have not ended")
    if any(row.seal != lease_seal(row.charge, row.until) for row in rows):
        fail("A lease was changed outside the ledger")
