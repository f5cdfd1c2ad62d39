"""The outbox: a notice is written in the transaction of the change it tells of, or not at all.

A notice holds ids and links only: no number, no name, no word of a requester. Without a setting nothing is
written. Delivery is another step, which no decision waits for (``dpsynth.service.notices``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, select

from dpsynth.core.canonical import digest
from dpsynth.ledger.chain import read_head
from dpsynth.ledger.scopes import Balance, balances
from dpsynth.service.clock import iso_now
from dpsynth.service.tables import notice_settings, notices

__all__ = [
    "CHANNELS",
    "KINDS",
    "LOW_PERCENT",
    "Settings",
    "is_written",
    "notice_id",
    "post",
    "post_if_low",
    "settings",
    "settings_sha256",
]

CHANNELS = ("webhook", "email")
LOW_PERCENT = 20
KINDS = {
    "your_turn": "Somebody has to decide.",
    "decided": "A decision was made.",
    "due_soon": "The time to decide ends within two days.",
    "budget_low": f"A budget of this dataset has less than {LOW_PERCENT} % left.",
    "expiring": "The permission to use a release ends soon.",
    "forfeited": "A run ended without a release after its budget was spent.",
    "alarm": "The ledger does not fit what witnesses it, and is read-only.",
    "test": "Somebody tries whether notices arrive.",
}
"""Every notice there is, and its one sentence."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Settings:
    """Where notices go; an empty text switches a channel off.

    Attributes:
        webhook: address that gets each notice as JSON.
        email: address that gets each notice as a message.
        smtp: mail server, HOST or HOST:PORT.
        sender: address that messages come from.
        link: address of the pages, which links begin with.
    """

    webhook: str = ""
    email: str = ""
    smtp: str = ""
    sender: str = ""
    link: str = ""

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are on."""
        return tuple(name for name in CHANNELS if getattr(self, name))


def settings(connection: Connection) -> Settings:
    """Where notices go; all empty where nobody set it."""
    row = connection.execute(select(notice_settings)).first()
    return Settings() if row is None else Settings(row.webhook, row.email, row.smtp, row.sender, row.link)


def settings_sha256(found: Settings) -> str:
    """Digest of the settings, for the chain; an empty text where all is off."""
    return digest(found.__dict__) if found.channels else ""


def notice_id(kind: str, about: str, occasion: str) -> str:
    """The same occasion gives the same id, which is what a receiver tells repetitions by."""
    return "n-" + digest({"kind": kind, "about": about, "occasion": occasion})[:16]


def is_written(connection: Connection, name: str) -> bool:
    """Whether the outbox has, or had, this notice."""
    return connection.execute(select(notices.c.id).where(notices.c.id == name)).first() is not None


def post(connection: Connection, kind: str, about: str, occasion: str = "") -> None:
    """Put a notice into the outbox, in the caller's transaction; once for each occasion.

    Args:
        kind: one of KINDS.
        about: id of a request, a proposed policy or a dataset; anything else is left out.
        occasion: what makes it another notice; by default the entry that was written last.
    """
    channels = settings(connection).channels
    if not channels:
        return
    named = about if _ID.fullmatch(about) else ""
    seq = read_head(connection).seq
    name = notice_id(kind, named, occasion or str(seq))
    if is_written(connection, name):
        return
    told = {"id": name, "seq": seq, "kind": kind, "about": named, "made": iso_now()}
    rows = [{**told, "channel": channel, "tries": 0, "next_try": 0, "sent": ""} for channel in channels]
    connection.execute(notices.insert(), rows)


def post_if_low(connection: Connection, dataset_id: str, before: list[Balance]) -> None:
    """Tell that a charge took a shared budget below LOW_PERCENT; ``before`` is how they stood without it.

    A requester's own ceiling is nobody else's business.
    """
    shared = [one for one in before if one.scope.kind != "requester"]
    if not settings(connection).channels or not shared:
        return
    now = {one.scope.id: one for one in balances(connection, [one.scope.id for one in shared])}
    if any(_low(now[one.scope.id]) and not _low(one) for one in shared):
        post(connection, "budget_low", dataset_id)


def _low(balance: Balance) -> bool:
    return 100 * balance.left < LOW_PERCENT * balance.scope.cap.rho
