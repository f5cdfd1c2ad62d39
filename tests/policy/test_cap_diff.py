"""Changes of caps are judged by their numbers, or by what they compile to if stated in other terms."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpsynth.policy.diff import diff_policies
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Cap, Policy

Edit = Callable[..., str]

LIFE = 'lifetime: {rho: "0.50"}'
RHO = 'rho: "0.50"'
EPSILON = 'epsilon: "1", delta: "1e-6"'


@pytest.fixture
def with_caps(edited: Edit) -> Callable[..., Policy]:
    """``with_caps(lifetime, *more)``: the small policy with this lifetime cap and these further caps."""

    def build(cap: str, *more: str) -> Policy:
        text = "\n  ".join([f"lifetime: {{{cap}}}", *more])
        return load_policy_text(edited(LIFE, text), "policy.yaml")

    return build


def _compiled(epsilon: tuple[int, int], rho: tuple[int, int]) -> Callable[[Cap], tuple[int, int]]:
    """Compiles each cap in terms of epsilon to the first, each in terms of rho to the second."""
    return lambda cap: epsilon if cap.rho is None else rho


# (caps of the looser policy, caps of the tighter one, the two masses in words)
MASS = [
    (['rho: "0.50", entrusted_delta: "1e-9"'], [RHO], "0 to 1e-9"),
    ([f'{EPSILON}, entrusted_delta: "2e-9"'], [f'{EPSILON}, entrusted_delta: "1e-9"'], "1e-9 to 2e-9"),
]


@pytest.mark.parametrize(("loose", "tight", "words"), MASS, ids=["rho", "epsilon"])
def test_more_entrusted_mass_is_looser_and_less_is_tighter(
    with_caps: Callable[..., Policy], loose: list[str], tight: list[str], words: str
) -> None:
    more, less = with_caps(*loose), with_caps(*tight)
    (there,), (back,) = diff_policies(less, more), diff_policies(more, less)
    note = "(chance that entrusted libraries may fail)"
    assert there.text == f"lifetime entrusted delta {words}: LOOSER {note}"
    assert (back.key, back.effect) == ("budget.lifetime.entrusted_delta", "TIGHTER")


@pytest.mark.parametrize("key", ["per_dataset", "per_table"])
def test_stated_cap_of_a_dataset_or_table_is_judged_number_by_number(
    with_caps: Callable[..., Policy], key: str
) -> None:
    old = with_caps(RHO, f'{key}: {{rho: "0.2"}}')
    new = with_caps(RHO, f'{key}: {{rho: "0.3"}}')
    words = key.replace("_", " ")
    assert [one.text for one in diff_policies(old, new)] == [f"{words} rho 0.2 to 0.3: LOOSER"]
    assert [one.text for one in diff_policies(new, old)] == [f"{words} rho 0.3 to 0.2: TIGHTER"]


@pytest.mark.parametrize("key", ["per_dataset", "per_table"])
def test_adding_a_tighter_cap_is_tighter_and_removing_it_is_looser(
    with_caps: Callable[..., Policy], key: str
) -> None:
    without, stated = with_caps(RHO), with_caps(RHO, f'{key}: {{rho: "0.3"}}')
    words = key.replace("_", " ")
    assert [one.text for one in diff_policies(without, stated)] == [
        f"{words} as lifetime (rho 0.50) to rho 0.3: TIGHTER"
    ]
    assert [one.text for one in diff_policies(stated, without)] == [
        f"{words} rho 0.3 to as lifetime (rho 0.50): LOOSER"
    ]


def test_adding_the_same_cap_as_lifetime_is_only_changed(with_caps: Callable[..., Policy]) -> None:
    old, new = with_caps(RHO), with_caps(RHO, 'per_table: {rho: "0.5"}')
    assert [one.effect for one in diff_policies(old, new)] == ["CHANGED"]


def test_unstated_cap_is_that_of_the_lifetime_of_its_own_policy(with_caps: Callable[..., Policy]) -> None:
    old, new = with_caps(RHO), with_caps('rho: "0.8"', 'per_dataset: {rho: "0.6"}')
    assert {one.key: one.effect for one in diff_policies(old, new)} == {
        "budget.lifetime.rho": "LOOSER",
        "budget.per_dataset": "LOOSER",
    }


def test_entrusted_mass_counts_when_a_cap_is_added(with_caps: Callable[..., Policy]) -> None:
    life = f'{RHO}, entrusted_delta: "1e-8"'
    (less,) = diff_policies(with_caps(life), with_caps(life, f"per_table: {{{RHO}}}"))
    assert less.text == ("per table as lifetime (rho 0.50 with entrusted delta 1e-8) to rho 0.50: TIGHTER")
    old, new = with_caps(RHO), with_caps(life, 'per_table: {rho: "0.3", entrusted_delta: "1e-8"}')
    effects = {one.key: one.effect for one in diff_policies(old, new)}
    assert effects["budget.per_table"] == "CHANGED"


# (what epsilon compiles to, what rho compiles to, effect of going from rho to epsilon, and back)
COMPILED = [
    ((24_356_000, 8), (88_100_000, 8), "TIGHTER", "LOOSER"),
    ((24_356_000, 9), (88_100_000, 8), "TIGHTER", "LOOSER"),
    ((88_100_000, 9), (88_100_000, 8), "TIGHTER", "LOOSER"),
    ((24_356_000, 7), (88_100_000, 8), "CHANGED", "CHANGED"),
    ((88_100_000, 8), (88_100_000, 8), "CHANGED", "CHANGED"),
]


@pytest.mark.parametrize(("epsilon", "rho", "there", "back"), COMPILED)
def test_cap_in_other_terms_is_judged_by_what_both_compile_to(
    with_caps: Callable[..., Policy],
    epsilon: tuple[int, int],
    rho: tuple[int, int],
    there: str,
    back: str,
) -> None:
    old, new, compiled = with_caps(RHO), with_caps(EPSILON), _compiled(epsilon, rho)
    assert [(one.key, one.effect) for one in diff_policies(old, new, compiled)] == [
        ("budget.lifetime", there)
    ]
    assert [(one.key, one.effect) for one in diff_policies(new, old, compiled)] == [("budget.lifetime", back)]


def test_note_names_the_compiled_rho_of_both_as_exact_decimals(with_caps: Callable[..., Policy]) -> None:
    old, new = with_caps(EPSILON), with_caps(RHO)
    compiled = _compiled((24_356_000, 8), (88_100_000, 8))
    assert [one.text for one in diff_policies(old, new, compiled)] == [
        "lifetime epsilon 1 at delta 1e-6 to rho 0.50: LOOSER (compiles to rho 0.024356 and 0.0881)"
    ]
    (round_numbers,) = diff_policies(old, new, _compiled((1, 8), (10_000_000_000, 8)))
    assert "(compiles to rho 0.000000001 and 10)" in round_numbers.text


def test_entrusted_mass_of_a_cap_in_other_terms_is_a_change_of_its_own(
    with_caps: Callable[..., Policy],
) -> None:
    old, new = with_caps(RHO), with_caps(f'{EPSILON}, entrusted_delta: "1e-7"')
    compiled = _compiled((24_356_000, 8), (88_100_000, 8))
    assert [(one.key, one.effect) for one in diff_policies(old, new, compiled)] == [
        ("budget.lifetime", "TIGHTER"),
        ("budget.lifetime.entrusted_delta", "LOOSER"),
    ]


def test_caps_in_the_same_terms_are_not_compiled(with_caps: Callable[..., Policy]) -> None:
    def refuse(cap: Cap) -> tuple[int, int]:
        raise AssertionError(cap)

    changes = diff_policies(with_caps(RHO), with_caps('rho: "0.6"'), refuse)
    assert [one.text for one in changes] == ["lifetime rho 0.50 to 0.6: LOOSER"]


def test_added_cap_in_other_terms_is_compiled_or_only_changed(with_caps: Callable[..., Policy]) -> None:
    old, new = with_caps(RHO), with_caps(RHO, f"per_table: {{{EPSILON}}}")
    words = "per table as lifetime (rho 0.50) to epsilon 1 at delta 1e-6"
    assert [one.text for one in diff_policies(old, new)] == [
        f"{words}: CHANGED (stated in other terms; compare what it compiles to)"
    ]
    assert [one.text for one in diff_policies(old, new, _compiled((24_356_000, 9), (500_000_000, 8)))] == [
        f"{words}: TIGHTER (compiles to rho 0.5 and 0.024356)"
    ]
