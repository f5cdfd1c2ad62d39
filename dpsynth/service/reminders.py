"""Notices that the clock causes: a decision that is due soon, a permission that ends soon."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from dpsynth.ledger.store import Store
from dpsynth.service.outbox import is_written, notice_id, post
from dpsynth.service.published import extended_until
from dpsynth.service.tables import requests

__all__ = ["DUE_DAYS", "EXPIRING_DAYS", "post_reminders"]

DUE_DAYS = 2
EXPIRING_DAYS = 14

_STATEMENT = "privacy-statement.json"


def post_reminders(store: Store, moment: int) -> None:
    """Put into the outbox what is due at ``moment`` (Unix seconds) and was not told yet."""
    now = datetime.fromtimestamp(moment, UTC)
    with store.read() as connection:
        found = [one for one in _due(connection, now) if not is_written(connection, notice_id(*one))]
    if found:
        with store.write() as connection:
            for one in found:
                post(connection, *one)


def _due(connection: Connection, now: datetime) -> list[tuple[str, str, str]]:
    """(kind, request, occasion) of each reminder; the occasion is the moment at which the time is over."""
    columns = (requests.c.id, requests.c.state, requests.c.due, requests.c.bundle)
    found = []
    waiting = ("awaiting_decision", "blocked")  # told alike: how the attacks ended is not for a notice
    for row in connection.execute(select(*columns).where(requests.c.state.in_((*waiting, "published")))):
        if row.state in waiting:
            kind, end, days = "due_soon", row.due, DUE_DAYS
        else:
            kind, end, days = "expiring", _expiry(connection, row.id, Path(row.bundle)), EXPIRING_DAYS
        if end and now < datetime.fromisoformat(end) <= now + timedelta(days=days):
            found.append((kind, str(row.id), end))
    return found


def _expiry(connection: Connection, request_id: str, bundle: Path) -> str:
    """When the permission ends, its extension included; "" where the bundle was taken away."""
    try:
        stated = str(json.loads((bundle / _STATEMENT).read_bytes())["expires"])
    except (OSError, ValueError, KeyError):
        return ""
    return max(stated, extended_until(connection, request_id))
