"""Which codes are told apart: common ones alone, rare ones packed until they stand out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Column, Domain
from dpsynth.graphical.fitting import fit
from dpsynth.synthesizers.grain import Grain, grouped


@pytest.mark.parametrize(
    ("counts", "least", "groups"),
    [
        ([50, 60, 70], 50, (0, 1, 2)),
        ([50, 3, 70, 4, 60], 50, (0, 1, 2, 1, 3)),
        ([9, 9, 9, 9, 90], 15, (0, 0, 1, 1, 2)),
        ([9, 9, 9, 90, 9, 9], 18, (0, 0, 1, 2, 1, 1)),
        ([9, 9, 1, 90], 18, (0, 0, 0, 1)),
        ([-5, -7, 90], 18, (0, 0, 1)),
        ([1, 1], 1000, (0, 0)),
        ([0, 0, 0], 0, (0, 1, 2)),
    ],
)
def test_codes_are_grouped_as_by_hand(counts: list[float], least: float, groups: tuple[int, ...]) -> None:
    assert grouped(np.array(counts, dtype=float), least) == groups


@given(st.lists(st.floats(-20, 200), min_size=1, max_size=40), st.floats(0, 150))
def test_every_group_stands_out_unless_all_rare_codes_do_not(counts: list[float], least: float) -> None:
    values = np.array(counts)
    groups = np.array(grouped(values, least))
    assert set(groups) == set(range(len(set(groups))))
    rare = values < least
    small = [g for g in set(groups) if np.maximum(values, 0)[groups == g].sum() < least * (1 - 1e-9)]
    assert len(small) <= 1
    if small:
        assert (groups[rare] == small[0]).all()
    for group in set(groups[~rare]):
        assert (groups == group).sum() == 1


def test_a_column_on_its_own_is_told_code_by_code_and_others_add_up() -> None:
    domain = Domain(tuple(Column(n, "categorical", tuple("vwxyz"[:s])) for n, s in (("a", 5), ("b", 2))))
    counts = np.array([[40.0, 60], [3, 2], [1, 4], [50, 50], [5, 5]])
    answers = [
        NoisyMarginal(("a",), counts.sum(axis=1), 0.1),
        NoisyMarginal(("b",), counts.sum(axis=0), 0.1),
        NoisyMarginal(("a", "b"), counts.reshape(-1), 0.1),
    ]
    model = fit(domain, answers, iterations=4000)
    grain = Grain(domain, model, 18.0)
    assert grain.of(("a",)) == {}
    assert grain.of(("a", "b")) == {"a": (0, 1, 1, 2, 1)}
    assert (grain.cells(("a",)), grain.cells(("a", "b"))) == (5, 6)
    summed = [40.0, 60, 9, 11, 50, 50]
    np.testing.assert_allclose(grain.counts(model, ("a", "b")), summed, atol=0.2)
    np.testing.assert_allclose(grain.summed(counts.reshape(-1), ("a", "b")), summed)
