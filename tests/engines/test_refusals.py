"""Everything that refuses an entrusted request does so before anything is charged or held."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BadInput, BudgetExceeded, PolicyRefusal
from dpsynth.policy.diff import diff_policies
from dpsynth.policy.loader import load_policy_text
from dpsynth.service import Platform, RequestForm
from dpsynth.synthesizers.entrusted import EntrustedSynthesizer
from dpsynth.synthesizers.registry import load_synthesizer

Ask = Callable[..., RequestForm]
Trusting = Callable[..., Platform]

OTHERS = [{"name": "mst", "min_version": "0.1.0"}]
REFUSALS: dict[str, tuple[dict[str, Any], dict[str, str], type[Exception], str]] = {
    "a policy that does not name it": (
        {"synthesis": {"allowed": OTHERS}},
        {},
        PolicyRefusal,
        "does not allow the synthesizer 'smartnoise:mst'",
    ),
    "a policy that asks for a newer library": (
        {"synthesis": {"allowed": [{"name": "smartnoise:mst", "min_version": "1.0.9"}]}},
        {},
        PolicyRefusal,
        "older than policy",
    ),
    "a release cap without room for a delta": (
        {"budget": {"per_release": {"rho": "0.5"}}},
        {},
        PolicyRefusal,
        "needs a delta",
    ),
    "more delta than one release may have": ({}, {"delta": "2e-7"}, PolicyRefusal, "at most 1e-7"),
    "more epsilon than one release may have": (
        {},
        {"epsilon": "1.5"},
        PolicyRefusal,
        "epsilon of at most 1.2",
    ),
    "a budget stated as rho": ({}, {"rho": "0.1"}, BadInput, "state epsilon"),
    "a budget that is none": ({}, {"epsilon": "-1"}, BadInput, "epsilon"),
    "a method that takes no delta": (
        {},
        {"delta": "1e-8", "synthesizer": "smartnoise:mwem"},
        BadInput,
        "takes no delta",
    ),
    "a method that there is not": (
        {"synthesis": {"allowed": [{"name": "smartnoise:xyz", "min_version": "1.0"}]}},
        {"synthesizer": "smartnoise:xyz"},
        PolicyRefusal,
        "smartnoise:mst, smartnoise:aim",
    ),
    "an engine that there is not": (
        {"synthesis": {"allowed": [{"name": "other:mst", "min_version": "1.0"}]}},
        {"synthesizer": "other:mst"},
        PolicyRefusal,
        "no engine named 'other'",
    ),
    "a unit of another relation": (
        {"privacy_unit": {"adjacency": "replace_one"}},
        {},
        PolicyRefusal,
        "one row that is added or removed",
    ),
    "a policy that releases nothing inconclusive": (
        {"audits": {"on_inconclusive": "block"}},
        {},
        PolicyRefusal,
        "not structurally audited",
    ),
    "caps that let libraries fail with all of the delta": (
        {"budget": {"lifetime": {"rho": "2", "entrusted_delta": "1e-6"}}},
        {},
        PolicyRefusal,
        "all of the delta",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_refused_from_public_facts_before_anything_is_held(
    make_platform: Callable[..., Platform], ask: Ask, tmp_path: Path, name: str
) -> None:
    changes, asked, kind, words = REFUSALS[name]
    platform = make_platform(tmp_path, **changes)
    before = len(platform.ledger_entries("ada"))
    for step in (platform.quote, platform.submit):
        with pytest.raises(kind, match=words):
            step("sam", ask(**asked))
    assert len(platform.ledger_entries("ada")) == before
    assert platform.requests("sam") == []


def test_an_engine_that_was_not_added_or_is_gone_is_refused_with_how_to_add_it(
    trusting: Trusting, ask: Ask, tmp_path: Path
) -> None:
    platform = trusting()
    request = platform.submit("sam", ask())
    (tmp_path / "stand-in" / "bin" / "python").unlink()
    for step in (platform.quote, platform.submit):
        with pytest.raises(PolicyRefusal, match="dpsynth engine add smartnoise"):
            step("sam", ask(key="again"))
    # The one that waits is not begun: its hold is let go, and nothing was spent.
    platform.run_once("worker")
    assert platform.request("sam", request.id).message == (
        "The run could not begin. Nothing was spent. An officer can see why."
    )
    assert {(scope.spent_nano, scope.held_nano) for scope in platform.budget("carol")} == {(0, 0)}
    assert platform.verify_ledger() > 0


def test_the_delta_of_libraries_runs_out_before_the_rest_of_the_budget(trusting: Trusting, ask: Ask) -> None:
    cap = {"rho": "2", "entrusted_delta": "2e-7"}
    platform = trusting(budget={"lifetime": cap, "per_requester": cap})
    for key in ("one", "two"):
        platform.submit("sam", ask(key=key, epsilon="0.1"))
    with pytest.raises(BudgetExceeded, match="entrusted delta"):
        platform.submit("sam", ask(key="three", epsilon="0.1"))
    assert not platform.quote("sam", ask(epsilon="0.1")).fits
    # Pure epsilon and the curator's own synthesizers still have room.
    assert platform.quote("sam", ask("smartnoise:mwem", epsilon="0.1")).fits
    assert platform.quote("sam", ask("independent", epsilon="0.1")).fits
    assert all("epsilon" in scope.epsilon_cap for scope in platform.budget("carol"))


def test_the_largest_epsilon_that_is_offered_is_accepted_and_a_little_more_is_not(
    trusting: Trusting, ask: Ask
) -> None:
    platform = trusting()
    most = platform.plan_budget("sam", "rand-health", "smartnoise:aim").lines[0].epsilon
    assert platform.quote("sam", ask("smartnoise:aim", epsilon=most)).fits
    with pytest.raises(PolicyRefusal, match=f"epsilon of at most {most}"):
        platform.quote("sam", ask("smartnoise:aim", epsilon=f"{float(most) + 1e-6:.6f}"))


@pytest.mark.parametrize("name", ["smartnoise:mst", "aim", "a-b:c-d", "smartnoise:m"])
def test_a_policy_may_name_a_method_of_an_engine(make_policy: Callable[..., str], name: str) -> None:
    text = make_policy(synthesis={"allowed": [{"name": name, "min_version": "1"}]})
    assert load_policy_text(text, "policy.yaml").synthesis.allowed[0].name == name


@pytest.mark.parametrize(
    "name", ["smartnoise:", ":mst", "a:b:c", "Smartnoise:mst", "smartnoise: mst", "x:-a"]
)
def test_a_policy_may_name_nothing_else(make_policy: Callable[..., str], name: str) -> None:
    text = make_policy(synthesis={"allowed": [{"name": name, "min_version": "1"}]})
    with pytest.raises(BadInput, match="smartnoise:mst"):
        load_policy_text(text, "policy.yaml")


def test_a_new_version_that_entrusts_a_library_says_so_to_its_approver(
    make_policy: Callable[..., str],
) -> None:
    before, after = (
        load_policy_text(make_policy(synthesis={"allowed": names}), "policy.yaml")
        for names in (OTHERS, [*OTHERS, {"name": "smartnoise:mst", "min_version": "1.0.8"}])
    )
    (found,) = diff_policies(before, after)
    assert found.effect == "LOOSER"
    assert "a library that is given the rows" in found.text


@pytest.mark.parametrize("sizes", [(), (5,), (5, 1, 1), (1, 1)])
def test_a_domain_that_no_library_can_use_is_refused_by_the_plan(sizes: tuple[int, ...]) -> None:
    columns = (Column(f"c{i}", "categorical", tuple(map(str, range(size)))) for i, size in enumerate(sizes))
    with pytest.raises(PolicyRefusal, match="two columns"):
        EntrustedSynthesizer("smartnoise:mst").plan_entrusted(Domain(tuple(columns)), "1", "1e-7", 10)


def test_an_entrusted_library_cannot_be_planned_by_rho() -> None:
    domain = Domain((Column("a", "categorical", ("x", "y")), Column("b", "categorical", ("x", "y"))))
    with pytest.raises(PolicyRefusal, match="not as rho"):
        load_synthesizer("smartnoise:aim").plan(domain, 10**8, 1000)


def test_the_shipped_policies_entrust_nobody() -> None:
    for path in (Path(__file__).parents[2] / "policies").glob("*.yaml"):
        names = [one["name"] for one in yaml.safe_load(path.read_text())["synthesis"]["allowed"]]
        assert not [name for name in names if ":" in name]
