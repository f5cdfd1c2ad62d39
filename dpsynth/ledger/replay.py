"""Replay: the chain, read as a history, must be a legal one and must give the tables as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from dpsynth.ledger.chain import Entry, read_chain
from dpsynth.ledger.store import charges, scopes

__all__ = ["replay"]

_BEFORE = {
    "reserve": "ABSENT",
    "committed": "RESERVED",
    "released": "RESERVED",
    "settled": "COMMITTED",
    "forfeited": "COMMITTED",
}


class _History:
    """What the chain says, folded up; every illegal step is reported."""

    def __init__(self, fail: Callable[[str], None]) -> None:
        self.fail = fail
        self.states: dict[str, str] = {}
        self.amounts: dict[str, tuple[list[str], list[str]]] = {}
        self.caps: dict[str, tuple[int, int]] = {}

    def add(self, entry: Entry) -> None:
        body = entry.body
        if entry.kind == "scope":
            if body["id"] in self.caps:
                self.fail(f"Entry {entry.seq} opens a scope for the second time")
            self.caps[body["id"]] = (int(body["rho_cap"]), body["omega"])
        elif entry.kind in _BEFORE:
            self._move(entry, body)

    def _move(self, entry: Entry, body: dict[str, Any]) -> None:
        key = body["charge"]
        if self.states.get(key, "ABSENT") != _BEFORE[entry.kind]:
            self.fail(f"Entry {entry.seq} moves a charge against the rules of the ledger")
        self.states[key] = "RESERVED" if entry.kind == "reserve" else entry.kind.upper()
        if entry.kind == "reserve":
            self.amounts[key] = (body["scopes"], body["curve"])


def replay(connection: Connection, fail: Callable[[str], None]) -> None:
    """Check every step of the chain, and scopes and charges against it. Calls ``fail`` with a sentence."""
    history = _History(fail)
    for entry in read_chain(connection):
        history.add(entry)
    found = connection.execute(select(charges)).all()
    if {row.key: row.state for row in found} != history.states:
        fail("The states of the charges differ from the chain")
    if {row.key: (json.loads(row.scopes), json.loads(row.curve)) for row in found} != history.amounts:
        fail("The amounts of the charges differ from the chain")
    if {row.id: (row.rho_cap, row.omega) for row in connection.execute(select(scopes))} != history.caps:
        fail("The caps of the scopes differ from the chain")
