"""UTC time in the two forms the service stores."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

__all__ = ["iso_at", "iso_in", "iso_now", "unix_now", "unix_of"]


def unix_now() -> int:
    """Seconds since the epoch, for leases."""
    return int(time.time())


def iso_now() -> str:
    """Now, ISO 8601, UTC, whole seconds."""
    return iso_in(0)


def iso_in(days: int) -> str:
    """Now plus days, ISO 8601, UTC."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


def iso_at(unix: int) -> str:
    """Seconds since the epoch as ISO 8601, UTC. Raises ValueError or OverflowError beyond the calendar."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="seconds")


def unix_of(stamp: str) -> int:
    """Seconds since the epoch of an ISO time."""
    return int(datetime.fromisoformat(stamp).timestamp())
