"""Pictures: valid XML, every number in the table too, and words where there is nothing to draw."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from dpsynth.audit.pictures.claimed import Promised, allowed_tpr, epsilon_of
from dpsynth.audit.pictures.distances import distances
from dpsynth.audit.pictures.figure import Figure
from dpsynth.audit.pictures.forest import forest
from dpsynth.audit.pictures.matrix import matrix
from dpsynth.audit.pictures.mutants import scoreboard
from dpsynth.audit.pictures.qq import qq
from dpsynth.audit.pictures.roc import roc
from dpsynth.audit.pictures.ruler import ruler
from dpsynth.audit.pictures.svg import ticks
from dpsynth.audit.pictures.timeline import timeline
from dpsynth.audit.pictures.waterfall import waterfall

CLAIM = Promised(0.024355957, 1.0, 1e-6, 0.2243, None)
RATES = {"fpr": {"estimate": 0.011, "low": 0.004, "high": 0.023}}
TPR = {"estimate": 0.015, "low": 0.008, "high": 0.031}


def found(name: str, evidence: str = "A", **other: Any) -> dict[str, Any]:
    numbers = dict.fromkeys(("estimate", "low", "high", "control", "threshold", "p_value"))
    return {"id": name, "name": f"name <&> of {name}", "evidence": evidence, "details": {}} | numbers | other


S1 = found(
    "S1",
    details={
        "cost_by_step": [
            {"step": "counts of 1 column", "times": 5, "rho": 0.0101, "answered": True},
            {"step": "charged without an answer", "times": 1, "rho": 0.0002, "answered": False},
        ]
    },
)
BLOCK = {"block": "a x b", "cells": 36, "ratio": 0.9871, "low": 0.8012, "high": 1.2874}
S4 = found(
    "S4",
    estimate=1.0127,
    low=0.9613,
    high=1.0698,
    details={
        "detectable_ratio": 0.8571,
        "probabilities": [0.1, 0.5, 0.9],
        "blocks": [{**BLOCK, "scores": [-1.3, 0.01, 1.2]}],
        "blocks_left_out": 3,
    },
)
S2 = found(
    "S2",
    details={
        "neighbours": ["NaN", "rare"],
        "artefacts": ["warnings", "codes"],
        "matrix": [["differs", "same"], ["varies", "same"]],
    },
)
R1 = found(
    "R1",
    "B",
    details={
        "epsilon_lower_bound": 0.1731,
        "roc": [[0.01, 0.02], [0.1, 0.14], [1.0, 1.0]],
        "tpr_at_low_fpr": TPR,
        **RATES,
    },
)
RISKS = [
    found(name, "B", estimate=at, low=at - 0.03, high=at + 0.03, control=0.2)
    for name, at in (("R3", -0.0117), ("R4", 0.0213), ("L1", 0.0829))
]
R7 = found(
    "R7",
    "B",
    details={
        "members": {"quantiles": [0.05, 0.5, 0.95], "dcr": [0.0, 1.25, 7.5]},
        "controls": {"quantiles": [0.05, 0.5, 0.95], "dcr": [0.0, 1.5, 7.75]},
        "share_tied": 0.41,
    },
)
G2 = found("G2", estimate=0.31, details={"alarms": [9, 100], "misses": [80, 100], "epsilon_equivalent": 0.31})
MUTANTS = {
    "mutants": [
        {
            "id": "P1",
            "name": "half of the noise",
            "tier": "quick",
            "caught_by": ["S4"],
            "runs": 20,
            "flagged": 17,
            "misses": 3,
            "also": ["G2"],
        }
    ],
    "correct": [{"name": "aim", "runs": 300, "blocks": 0, "upper": 0.0099}],
}
RELEASES = [
    {"released": "2026-11-01T00:00:00+00:00", "epsilon": "1", "rho": "0.0243"},
    {"released": "2026-03-01T00:00:00+00:00", "epsilon": "0.5", "rho": "0.0072"},
]
DRAWN = {
    "ruler": lambda: ruler([S4, R1, G2], CLAIM),
    "roc": lambda: roc([R1, G2], CLAIM, 0.95),
    "waterfall": lambda: waterfall(S1, CLAIM, [{"step": "failed", "times": 2, "rho": 0.0481}]),
    "qq": lambda: qq(S4),
    "matrix": lambda: matrix(S2),
    "forest": lambda: forest(RISKS, 0.05, 0.09),
    "mutants": lambda: scoreboard(MUTANTS),
    "timeline": lambda: timeline(RELEASES, CLAIM),
    "distances": lambda: distances(R7),
}
EMPTY = {
    "ruler, nothing measured": lambda: ruler([S1], CLAIM),
    "ruler, no claim": lambda: ruler([S4], None),
    "roc, no curve": lambda: roc([S4], CLAIM, 0.95),
    "roc, half a box": lambda: roc([found("R1", "B", details={**RATES, "tpr_at_low_fpr": {}})], CLAIM, 0.95),
    "waterfall, no result": lambda: waterfall(None, CLAIM),
    "waterfall, an older result": lambda: waterfall(found("S1"), CLAIM),
    "qq, no blocks": lambda: qq(found("S4")),
    "matrix, no result": lambda: matrix(None),
    "matrix, not a table": lambda: matrix(found("S2", details={"matrix": []})),
    "forest, no interval": lambda: forest([found("R3", "B")], 0.05, 0.09),
    "mutants, no record": lambda: scoreboard(None),
    "timeline, no releases": lambda: timeline([], CLAIM),
    "distances, one side": lambda: distances(found("R7", "B", details={"members": R7["details"]["members"]})),
    "distances, not numbers": lambda: distances(
        found(
            "R7", "B", details={side: {"quantiles": [0.5], "dcr": [None]} for side in ("members", "controls")}
        )
    ),
}


def texts(figure: Figure) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(figure.svg)
    assert root.tag.endswith("svg")
    assert root.get("aria-label")
    return [node for node in root.iter() if node.tag.endswith("text")]


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_valid_xml_without_script_or_address(name: str) -> None:
    figure = DRAWN[name]()
    assert not figure.absent
    assert texts(figure)
    assert "<script" not in figure.svg
    assert not re.search(r"(href|url\(|https?://(?!www\.w3\.org/2000/svg))", figure.svg)


@pytest.mark.parametrize("name", DRAWN)
def test_every_number_of_a_picture_stands_in_its_table(name: str) -> None:
    figure = DRAWN[name]()
    cells = {cell for row in figure.rows for cell in row}
    shown = [node.text for node in texts(figure) if node.get("class") == "value"]
    assert not [text for text in shown if text not in cells]
    assert all(len(row) == len(figure.head) for row in figure.rows)
    assert len(set(figure.head)) == len(figure.head)


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_result_gives_the_same_picture(name: str) -> None:
    assert DRAWN[name]() == DRAWN[name]()


@pytest.mark.parametrize("name", EMPTY)
def test_where_there_is_nothing_to_draw_words_say_so(name: str) -> None:
    figure = EMPTY[name]()
    assert figure.absent.startswith("Not tested: ")
    assert (figure.svg, figure.rows) == ("", ())


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("ruler", ["1", "1.012", "0.1731", "0.31"]),
        (
            "roc",
            [
                "0.011",
                "0.004 to 0.023",
                "0.015",
                "0.008 to 0.031",
                "0.09",
                "0.2",
                "0.04198 to 0.164",
            ],
        ),
        ("waterfall", ["0.0101", "0.0002", "0.0103", "0.0481", "0.0584", "0.02436"]),
        ("qq", ["0.9871", "0.8012 to 1.287", "36"]),
        ("forest", ["-0.0117", "-0.0417 to 0.0183", "0.0829", "0.05", "0.09"]),
        ("mutants", ["17", "3", "S4", "G2", "at most 0.0099"]),
        ("timeline", ["0.0315", "0.0072"]),
        ("distances", ["1.25", "7.75", "0.41"]),
    ],
)
def test_a_table_says_what_the_results_say(name: str, numbers: list[str]) -> None:
    cells = {cell for row in DRAWN[name]().rows for cell in row}
    missing = [text for text in numbers if text not in cells]
    if name == "ruler":  # the noise as drawn is told as an epsilon, which the accountant knows
        missing.remove("1.012")
        assert f"{epsilon_of(CLAIM.rho / 1.0127**2, 1e-6):.4g}" in cells
    assert not missing


def test_a_fault_that_was_missed_is_told_in_words() -> None:
    assert "MISSED 3" in [node.text for node in texts(DRAWN["mutants"]())]
    caught = {"mutants": [{**MUTANTS["mutants"][0], "flagged": 20, "misses": 0}]}
    assert "MISSED" not in scoreboard(caught).svg


def test_a_difference_is_told_by_shape_and_in_words() -> None:
    rows = dict(zip(("NaN", "rare"), matrix(S2).rows, strict=True))
    assert rows["NaN"] == ("NaN", "1 of 2", "warnings", "nothing")
    assert rows["rare"] == ("rare", "1 of 2", "nothing", "warnings (varies)")
    root = ElementTree.fromstring(matrix(S2).svg)
    assert len([node for node in root.iter() if node.tag.endswith("circle")]) == 2
    assert len([node for node in root.iter() if node.tag.endswith("rect")]) == 2  # the ground and one cross


def test_distances_never_pass_for_a_privacy_test() -> None:
    figure = distances(R7)
    assert "not a privacy test" in figure.title
    assert figure.caption.startswith("Not a privacy test.")
    assert "NOT A PRIVACY TEST" in [node.text for node in texts(figure)]


def test_a_training_is_not_measured_by_a_ratio_of_noise() -> None:
    trained = Promised(CLAIM.rho, CLAIM.epsilon, CLAIM.delta, None, 12)
    assert ruler([S4], trained).absent
    game = found("G5", details={"games": [{"epsilon_lower_bound": 0.21}, {"epsilon_lower_bound": 0.34}]})
    assert ruler([game], trained).rows[1][1] == "0.34"


def test_the_claimed_region_lies_between_guessing_and_its_own_point() -> None:
    rates = np.geomspace(1e-4, 1.0, 50)
    for claim in (CLAIM, Promised(CLAIM.rho, 1.0, 1e-6, None, 40)):
        allowed = allowed_tpr(claim, rates)
        assert (allowed >= rates).all()
        assert (allowed <= np.minimum(1.0, np.exp(1.0) * rates + 1e-6) + 1e-12).all()
        assert (np.diff(allowed) >= -1e-12).all()
    # Table 1.2 of the audit design: a Gaussian claim of epsilon 1 allows a TPR of .020 at an FPR of .01.
    gaussian = Promised(0.268**2 / 2, 1.0, 1e-5, 0.268, None)
    assert allowed_tpr(gaussian, np.array([0.01]))[0] == pytest.approx(0.020, abs=5e-4)
    # Without its mu the same budget allows more, never less.
    loose = Promised(0.268**2 / 2, 1.0, 1e-5, None, None)
    assert (allowed_tpr(loose, rates) >= allowed_tpr(gaussian, rates) - 1e-12).all()


def test_releases_add_up_in_order_of_time() -> None:
    rows = timeline(RELEASES, CLAIM).rows
    assert [row[0] for row in rows] == ["2026-03-01", "2026-11-01"]
    assert rows[1][4] == f"{epsilon_of(0.0315, 1e-6):.4g}"


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.03, 0.11), (0.0, 37.0), (0.0, 1e-7), (2.0, 2.0)])
def test_ticks_are_few_and_within_the_axis(low: float, high: float) -> None:
    made = ticks(low, high)
    assert 1 <= len(made) <= 12
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in made)
