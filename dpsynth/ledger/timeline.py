"""Budgets over time: the balance of each scope after every entry of the chain that changed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import Connection

from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.chain import read_chain
from dpsynth.ledger.replay import History
from dpsynth.ledger.scopes import Balance

__all__ = ["Step", "timeline"]


@dataclass(frozen=True)
class Step:
    """One change of a budget.

    Attributes:
        seq: number of the ledger's entry.
        time: the entry's own time, which is to the hour where a run wrote it.
        kind: scope, cap, reserve, committed, released or forfeited.
        charge: key of the charge that moved, or "".
        balance: the scope as it stood afterwards.
    """

    seq: int
    time: str
    kind: str
    charge: str
    balance: Balance


def timeline(connection: Connection) -> dict[str, list[Step]]:
    """Steps by scope id, oldest first, replayed from the chain alone.

    Raises IntegrityError where the chain is no legal history.
    """

    def fail(what: str) -> NoReturn:
        raise IntegrityError(what, remedy="stop all work on this state and run `dpsynth ledger verify`")

    history, found = History(fail), dict[str, list[Step]]()
    for entry in read_chain(connection):
        history.add(entry)
        for name in history.touched(entry):
            charge = str(entry.body.get("charge", ""))
            step = Step(entry.seq, entry.time, entry.kind, charge, history.balance(name))
            found.setdefault(name, []).append(step)
    return found
