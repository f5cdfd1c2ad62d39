"""Releases of the same rows that were published before: public files, for the attack across releases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, select

from dpsynth.audit.evidence import EarlierRelease
from dpsynth.audit.result import Claim
from dpsynth.core.domain import Domain
from dpsynth.core.errors import DpsynthError
from dpsynth.ledger.store import Store
from dpsynth.publish.tables import DATA_NAMES, read_codes
from dpsynth.service.registry import parsed_policy
from dpsynth.service.tables import requests

__all__ = ["earlier_releases"]


def earlier_releases(
    store: Store, row: Row[tuple[object, ...]], domain: Domain
) -> tuple[EarlierRelease, ...]:
    """Published releases of the request's dataset and partition, oldest first.

    Their rows are there where the bundle can still be read and has the same public domain.
    """
    asked = (
        select(requests)
        .where(requests.c.dataset_id == row.dataset_id, requests.c.part == row.part)
        .where(requests.c.state.in_(("published", "revoked")), requests.c.id != row.id)
        .order_by(requests.c.number)
    )
    with store.read() as connection:
        found = connection.execute(asked).all()
    return tuple(
        EarlierRelease(one.id, Claim(one.rho, one.epsilon, one.delta), _rows(one, domain)) for one in found
    )


def _rows(row: Row[tuple[object, ...]], domain: Domain) -> NDArray[np.int64] | None:
    if parsed_policy(row.policy_text, row.dataset_id).domain() != domain:
        return None
    folder = Path(row.bundle)
    try:
        files = {
            name: (folder / name).read_bytes() for name in DATA_NAMES.values() if (folder / name).exists()
        }
        return read_codes(files, domain)
    except (OSError, ValueError, DpsynthError):
        return None
