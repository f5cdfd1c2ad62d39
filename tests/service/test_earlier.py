"""What was published before is compared with a new release: read back from its bundle, if it is whole."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from dpsynth.core.domain import Domain
from dpsynth.policy.loader import load_policy
from dpsynth.service import Platform, RequestForm
from dpsynth.service.earlier import earlier_releases
from dpsynth.service.tables import requests

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"


def test_a_published_release_is_read_back_as_codes_and_no_other_is(
    platform: Platform, form: Callable[..., RequestForm]
) -> None:
    first = platform.submit("sam", form(key="one"))
    platform.run_once("worker")
    second = platform.submit("sam", form(key="two"))
    domain = load_policy(POLICY).domain()

    def known(within: Domain = domain) -> list[tuple[str, object]]:
        with platform._store.read() as connection:
            row = connection.execute(select(requests).where(requests.c.id == second.id)).one()
        return [(one.name, one.rows) for one in earlier_releases(platform._store, row, within)]

    assert known() == []
    for person in ("carol", "dana"):
        dossier = platform.dossier(person, first.id)
        ticks = tuple(dossier.body["must_tick"])
        platform.approve(person, first.id, dossier.sha256, "Read and discussed.", ticks)
    bundle = Path(platform.publish("dana", first.id))
    [(name, rows)] = known()
    assert name == first.id
    assert isinstance(rows, np.ndarray)
    assert rows.min() >= 0
    assert (rows < np.array(domain.shape)).all()
    with (bundle / "data.csv").open(encoding="utf-8", newline="") as stream:
        written = list(csv.DictReader(stream))
    assert len(rows) == len(written)
    for at, column in enumerate(domain.columns):
        if column.kind == "categorical":
            assert [column.values[code] for code in rows[:, at]] == [cells[column.name] for cells in written]
    others = Domain(domain.columns[:-1])
    assert known(others) == [(first.id, None)]
    (bundle / "data.csv").write_text("no table\n", encoding="utf-8")
    assert known() == [(first.id, None)]


@pytest.mark.parametrize("files", [{}, {"data.parquet": b"no table"}])
def test_what_is_no_published_table_is_refused(files: dict[str, bytes]) -> None:
    from dpsynth.core.errors import DpsynthError
    from dpsynth.publish.tables import read_codes

    with pytest.raises((DpsynthError, ValueError)):
        read_codes(files, load_policy(POLICY).domain())
