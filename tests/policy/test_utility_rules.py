"""The section ``utility``: what it may say, what leaving it out says, and how a change of it reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpsynth.policy.diff import diff_policies
from dpsynth.policy.loader import load_policy_text, policy_sha256

Check = Callable[[list[str], str, str, list[str]], None]
PLACE = "audits:\n"


def utility(said: str) -> list[str]:
    return [PLACE, f"utility: {{{said}}}\n{PLACE}"]


@pytest.mark.parametrize(
    ("bad", "key", "says", "good"),
    [
        ('share: "0.6"', "utility.share", "out of range", 'share: "0.5"'),
        ('share: "0.1", task: weight', "utility.task", "not a kept column", 'share: "0.1", task: diabetes'),
        ("task: person_id", "utility.task", "not a kept column", "task: height_cm"),
        ("by: income", "utility.by", "not a kept column", "by: region"),
        ("task: region, by: region", "utility.by", "is what is predicted", "task: diabetes, by: region"),
    ],
)
def test_the_section_names_kept_columns_and_at_most_half_of_the_budget(
    check_rule: Check, bad: str, key: str, says: str, good: str
) -> None:
    check_rule(utility(bad), key, says, utility(good))


def test_a_column_of_too_many_values_cannot_be_the_task(
    edited: Callable[..., str], check_rule: Check
) -> None:
    many = ", ".join(f"v{number}" for number in range(51))
    wide = ['domain: ["yes", "no", not_stated]', f"domain: [{many}, not_stated]"]
    check_rule(
        [*wide, *utility("task: diabetes")], "utility.task", "has 52 values", utility("task: diabetes")
    )


def test_a_policy_that_says_nothing_of_utility_keeps_its_digest(edited: Callable[..., str]) -> None:
    silent = load_policy_text(edited(), "p.yaml")
    assert "utility" not in silent.model_dump(mode="json")
    said = load_policy_text(edited(*utility('share: "0"')), "p.yaml")
    assert policy_sha256(said) == policy_sha256(silent)
    paid = load_policy_text(edited(*utility('share: "0.05"')), "p.yaml")
    assert policy_sha256(paid) != policy_sha256(silent)


def test_buying_measures_reads_as_looser_and_giving_them_up_as_tighter(edited: Callable[..., str]) -> None:
    old = load_policy_text(edited(), "p.yaml")
    new = load_policy_text(edited(*utility('share: "0.05", task: diabetes, by: region')), "p.yaml")
    assert [(one.key, one.effect) for one in diff_policies(old, new)] == [
        ("utility.share", "LOOSER"),
        ("utility.task", "LOOSER"),
        ("utility.by", "CHANGED"),
    ]
    assert "paid from the same rho" in diff_policies(old, new)[0].text
    assert [one.effect for one in diff_policies(new, old)][:2] == ["TIGHTER", "TIGHTER"]
