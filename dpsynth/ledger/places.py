"""Where a SQLite ledger may lie."""

from __future__ import annotations

import os
from pathlib import Path

from dpsynth.core.errors import BadInput

__all__ = ["refuse_network_share"]

_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "afs", "9p"}


def _mounts() -> list[tuple[str, str]]:
    """(mount point, file system) pairs; empty where the system does not tell."""
    table = Path("/proc/mounts")
    if not table.exists():
        return []
    fields = (line.split(" ") for line in table.read_text().splitlines())
    return [(point, system) for _, point, system, *_ in fields]


def refuse_network_share(path: Path) -> None:
    """SQLite's locks do not hold on network shares. Raises BadInput there."""
    holding = [
        (len(point), system)
        for point, system in _mounts()
        if os.path.commonpath([point, path.absolute()]) == point
    ]
    if holding and max(holding)[1] in _NETWORK_FILE_SYSTEMS:
        raise BadInput(
            "The ledger's database would lie on a network share",
            allowed="a local disk (SQLite's locks do not hold elsewhere), or a PostgreSQL server",
            remedy="choose another state directory, or name a server with --database",
        )
