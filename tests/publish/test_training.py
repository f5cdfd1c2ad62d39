"""A release that a training by DP-SGD took part in says up to which Renyi order its rho holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.curves import ORDERS, rho_of
from dpsynth.accounting.events import DiscreteGaussian, SampledGaussian
from dpsynth.accounting.reserve import plan_cost
from dpsynth.accounting.stated import cap_of
from dpsynth.accounting.training import last_order, training_sigma
from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.curator import Plan
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.core.gradient import GradientPlan
from dpsynth.publish.attestation import statement_bytes
from dpsynth.publish.bundle import build_bundle
from dpsynth.publish.candidate import manifest_bytes, write_candidate
from dpsynth.publish.inputs import release_guarantee
from dpsynth.publish.verify import verify_bundle

RHO, SHARE, RATE, STEPS = 10_000_000, 4_000_000, 0.02, 300
OMEGA = last_order(RHO)
SIGMA = training_sigma(RATE, STEPS, SHARE, OMEGA)
PLAN = Plan(
    "gan", "0.1.0", RHO, ("train",), {}, gradient=GradientPlan(RATE, 1.0, SIGMA, STEPS), gradient_nano=SHARE
)
EVENTS = (DiscreteGaussian(10.0), SampledGaussian(RATE, SIGMA, STEPS))
NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def trained(inputs: Any) -> Any:
    promise = release_guarantee(inputs.policy, RHO, None, omega=OMEGA)
    return replace(inputs, plan=PLAN, events=EVENTS, guarantee=promise)


def test_epsilon_is_that_of_the_whole_line_at_the_deltas_that_policies_state(inputs: Any) -> None:
    """The orders that are left out are above those at which epsilon is read off."""
    assert cap_of(inputs.policy.budget.per_release).omega < OMEGA < ORDERS[-1]
    whole, cut = (release_guarantee(inputs.policy, RHO, None, omega=omega) for omega in (None, OMEGA))
    assert cut.epsilon == whole.epsilon
    assert (whole.omega, cut.omega) == (None, OMEGA)
    assert rho_of(cost_of(EVENTS[1]).rdp) > 3 * RHO  # over all orders


def test_the_statement_says_so_in_numbers_and_in_words(trained: Any, tmp_path: Path) -> None:
    write_candidate(tmp_path / "c", trained)
    said = json.loads((tmp_path / "c" / "privacy-statement.json").read_bytes())
    assert said["guarantee"]["variant"] == f"zCDP truncated at Renyi order {OMEGA}"
    assert said["guarantee"]["omega"] == str(OMEGA)
    assert said["guarantee"]["mu_squared"] == said["guarantee"]["gaussian_epsilon"] == ""
    assert "floating-point" in said["side_channels"]
    assert "floating point" in said["guarantee"]["assumptions"][0]
    assert "evaluated on rows" in said["mechanism"]["saw"]
    assert f"orders up to {OMEGA} divided by k" in said["unit"]["plain"]
    assert f"truncated at Renyi order {OMEGA}" in (tmp_path / "c" / "privacy-statement.md").read_text()


def test_its_bundle_verifies_and_signs_the_order(
    release: Callable[..., Path], trained: Any, office: Any
) -> None:
    bundle = release(plan=PLAN, events=EVENTS, guarantee=trained.guarantee)
    report = verify_bundle(bundle, office.trust, NOW)
    assert any("recomputed and within the policy" in line for line in report.lines)


STORIES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "a guarantee at every order": lambda given: {"guarantee": release_guarantee(given.policy, RHO, None)},
    "a plan without a training": lambda given: {"plan": replace(PLAN, gradient=None)},
    "less noise than was planned": lambda given: {"events": (SampledGaussian(RATE, 0.7 * SIGMA, 2 * STEPS),)},
}


@pytest.mark.parametrize("story", STORIES)
def test_a_training_that_is_told_differently_is_not_written(story: str, trained: Any, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="do not agree"):
        write_candidate(tmp_path / "c", replace(trained, **STORIES[story](trained)))


def test_a_plan_whose_training_costs_more_than_it_says_is_refused() -> None:
    assert rho_of(plan_cost(PLAN, "1e-6").rdp, OMEGA) <= RHO
    dear = replace(PLAN, gradient=GradientPlan(RATE, 1.0, 0.7 * SIGMA, STEPS))
    with pytest.raises(BadInput, match=r"costs .* nano-rho, and its plan says"):
        plan_cost(dear, "1e-6")


LIES: dict[str, dict[str, Any]] = {
    "an order that nothing is counted at": {"omega": "65"},
    "no text": {"omega": 96},
    "a list": {"omega": ["96"]},
    "every order, though a training took part": {"omega": None, "variant": "zCDP"},
    "fewer orders than the cap counts": {"omega": "8", "variant": "zCDP truncated at Renyi order 8"},
    "another order than its words say": {"omega": "512"},
    "a mu squared beside it": {"mu_squared": "0.02004"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_the_order_is_refused_even_when_everyone_signs_it(
    lie: str, trained: Any, office: Any, tmp_path: Path
) -> None:
    write_candidate(tmp_path / "c", trained)
    path = tmp_path / "c" / "privacy-statement.json"
    value = json.loads(path.read_bytes())
    value["guarantee"] |= LIES[lie]
    path.write_bytes(canonical_bytes(value))
    names = [file for file in (tmp_path / "c").rglob("*") if file.is_file() and file.name != "manifest.json"]
    files = {str(file.relative_to(tmp_path / "c")): file.read_bytes() for file in names}
    (tmp_path / "c" / "manifest.json").write_bytes(manifest_bytes(files))
    words = statement_bytes(tmp_path / "c", requester="sam", dossier_sha256="d" * 64)
    signed = office.sign(words, "carol", "dana", "publisher")
    proof = office.proof(tmp_path / "c", events=EVENTS)
    with pytest.raises(
        IntegrityError, match=r"omega|not the one that its rho|does not cover|hides the order"
    ):
        build_bundle(tmp_path / "c", tmp_path / "b", words, signed, proof, trust=office.trust, now=NOW)
    assert not (tmp_path / "b").exists()
