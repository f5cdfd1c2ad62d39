"""How useful the rows are, on the dossier: what goes out, what stays, and that each look is written down."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dpsynth.utility.measures import Measure, PaidMeasures

SHOW = "Show exact measures of utility (this look is logged)"
PAID = PaidMeasures(
    1_000_000,
    ("rows by hlthg: rho 0.001, L2 sensitivity 1, discrete Gaussian noise of scale 22.4",),
    (
        Measure("Mean error of marginals of pairs of columns", "0.0184", "0.0112", "0.0257", "0 is best."),
        Measure("Accuracy of predicting hlthg", "0.6420", "0.6301", "0.6544", "1 is best."),
        Measure(
            "Of real rows where hlthg is 1: predicted right",
            "",
            "",
            "",
            "Share of them.",
            "cannot be judged: noise",
        ),
    ),
)


def words(at: AppTest) -> str:
    kinds = (at.header, at.subheader, at.markdown, at.caption, at.warning)
    return "\n".join(re.sub(r"\\(.)", r"\1", element.value) for kind in kinds for element in kind)


def tables(at: AppTest) -> list[Any]:
    return [one.value.rename(index=str) for one in at.table]


def looks(desk: Any) -> list[str]:
    return [one.what for one in desk.platform.access.looks("ada")]


def test_an_officer_sees_exact_measures_only_after_a_look_that_is_logged(desk: Any, open_as: Any) -> None:
    at = open_as("carol", request=desk.view.id)
    assert "How useful the rows are" in words(at)
    assert "None were bought" in words(at)
    assert "Would an analyst conclude the same?" not in words(at)
    before = len(at.table)
    at = next(button for button in at.button if button.label == SHOW).click().run()
    assert not at.exception
    assert looks(desk) == ["exact utility"]
    said = words(at)
    for part in (
        "Tables of one, two and three columns",
        "How strongly columns hang together",
        "Two columns side",
    ):
        assert part in said
    assert "A plain model that was trained on the synthetic rows predicts hlthp right for" in said
    assert "Do not pass them on" in said
    assert len(at.table) >= before + 6  # a table of text beside each picture
    other = at.selectbox(key="utility-pair").options[1]
    at = at.selectbox(key="utility-pair").select(other).run()
    assert f"{other.replace(' and ', ' downwards, ')} across" in words(at)
    assert looks(desk) == ["exact utility"]  # the same look


def test_a_data_owner_sees_that_there_are_exact_measures_and_no_button(desk: Any, open_as: Any) -> None:
    at = open_as("dana", request=desk.view.id)
    assert "Exact measures of utility are for the compliance officer and the auditor only." in words(at)
    assert SHOW not in [button.label for button in at.button]


def test_paid_measures_stand_with_interval_and_words_and_one_that_noise_drowned_says_so(
    desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.service import Dossier, Platform

    found = desk.platform.dossier("dana", desk.view.id)
    body = found.body | {"utility": found.body["utility"] | {"charged": PAID.as_json(), "plain": ""}}
    monkeypatch.setattr(Platform, "dossier", lambda *_: Dossier(found.sha256, body))
    at = open_as("dana", request=desk.view.id)
    assert not at.exception
    assert "Charged: measured on the rows of people with noise" in words(at)
    (shown,) = [one for one in tables(at) if "How to read it" in one.columns]
    cells = shown.map(lambda cell: cell.replace("\\", ""))
    assert cells["Share"].tolist() == ["0.0184", "0.6420", "cannot be judged: noise"]
    assert cells["Interval (95% or more)"].tolist() == ["0.0112 to 0.0257", "0.6301 to 0.6544", "none"]


def test_what_cannot_be_judged_is_said_and_not_drawn(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(
        "import numpy as np\n"
        "from dpsynth.core.domain import Column, Domain\n"
        "from dpsynth.ui.utility_exact import exact\n"
        "from dpsynth.utility.evidence import exact_utility\n"
        "two = ('plan', ('a', 'b')), ('sex', ('f', 'm'))\n"
        "one = Domain(tuple(Column(name, 'categorical', values) for name, values in two))\n"
        "codes = np.zeros((30, 2), dtype=np.int64)\n"
        "exact(exact_utility([codes], codes, one, np.random.default_rng(1), by='sex', task='plan'))\n"
        "exact(exact_utility([codes[:0]], codes, one, np.random.default_rng(1)))\n"
    )
    at = AppTest.from_file(str(script), default_timeout=60).run()
    assert not at.exception
    said = words(at)
    assert "Cannot be judged: no pair of columns varies in both tables." in said
    assert "too few to judge" in said
    assert "Cannot be judged: one of the tables has no rows." in said
    groups = next(one for one in tables(at) if one.index.name == "Group")
    assert groups.index.tolist() == ["f", "m"]
    assert all("too small to judge" in cell for cell in groups["Error, single columns"])


def test_a_requester_finds_paid_measures_on_the_own_page_once_they_are_out(
    desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from dpsynth.service import Platform

    view = replace(desk.platform.request("sam", desk.view.id), utility=PAID.sentences())
    monkeypatch.setattr(Platform, "request", lambda *_: view)
    at = open_as("sam", "my-requests", desk.view.id)
    assert (
        "Accuracy of predicting hlthg: 0.6420, 0.6301 to 0.6544 at 95% confidence or more (charged)."
        in words(at)
    )
