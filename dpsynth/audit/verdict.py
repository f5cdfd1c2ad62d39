"""The verdict: a pure function from results to pass, warn, inconclusive, block or stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from dpsynth.audit.result import CheckResult

__all__ = ["Measure", "Verdict", "VerdictOutcome", "holm_rejected", "judge"]

VerdictOutcome = Literal["pass", "warn", "inconclusive", "block", "stop"]


class Measure(Protocol):
    """What results are judged by: an audit plan, or its part on one evidence class."""

    @property
    def family_alpha(self) -> float:
        """Holm level over the tests that are decided by a p-value."""

    @property
    def noise_power(self) -> float:
        """Probability with which the printed smallest leak would be found."""

    def due(self, trained: bool) -> tuple[str, ...]:
        """Tests that must have a result, where the synthesizer trains by DP-SGD or does not."""


@dataclass(frozen=True)
class Verdict:
    """What the results amount to.

    Attributes:
        outcome: ``block``: mechanism evidence failed; ``stop``:
            the release attacks found more than the claim or the limits allow, so the line stands still
            until a written outcome; ``inconclusive``: not a pass; the policy says whether
            an officer may release it with a written reason;
            ``warn`` and ``pass``: people decide.
        why: every reason, one sentence each, without any class B number.
        could_have_found: the smallest leak that the mechanism evidence would have found.
    """

    outcome: VerdictOutcome
    why: tuple[str, ...]
    could_have_found: str

    def as_json(self) -> dict[str, Any]:
        """JSON value."""
        value = asdict(self)
        value["why"] = list(self.why)
        return value


def holm_rejected(results: Sequence[CheckResult], alpha: float) -> set[int]:
    """Positions of the results whose p-values Holm's step-down procedure rejects at family level alpha."""
    tested = sorted(
        ((r.p_value, at) for at, r in enumerate(results) if r.holm and r.p_value is not None),
        key=lambda pair: pair[0],
    )
    rejected: set[int] = set()
    for step, (p, at) in enumerate(tested):
        if p > alpha / (len(tested) - step):
            break
        rejected.add(at)
    return rejected


def judge(results: Sequence[CheckResult], plan: Measure, trained: bool = False) -> Verdict:
    """Weigh all results; the gravest reason decides, every reason is listed.

    Results that are only shown count neither way. A test that the plan names and that has no result, or was
    not made, counts as inconclusive. A warning that rests on a p-value counts only if it survives Holm's
    correction over the tests decided by p-values. So does a failure of class A, over the tests of its class,
    so that nothing computed on people decides whether it blocks; one that does not survive is no pass either:
    it counts as inconclusive.

    Args:
        results: what the checks found.
        plan: names the tests, the family level and the power.
        trained: whether the synthesizer trains by DP-SGD: the plan's tests of trainings are then due too.
    """
    rejected = holm_rejected(results, plan.family_alpha)
    warned = [r for at, r in enumerate(results) if r.outcome == "warn" and (not r.holm or at in rejected)]
    blocked = _blocking(results, plan)
    stopped = [r for r in results if r.outcome == "fail" and r.evidence == "B"]
    unclear = [r for r in results if r.outcome in ("inconclusive", "not_tested")]
    judged = [r for r in results if r.outcome != "shown"]
    unclear += [r for r in results if r.outcome == "fail" and r not in (*blocked, *stopped)]
    missing = [test for test in plan.due(trained) if test not in {r.id for r in results}]
    why = [f"{r.id} {r.name}: {r.plain}" for r in (*blocked, *stopped, *unclear, *warned)]
    why += [f"{test}: there is no result." for test in missing]
    why += [] if judged else ["Nothing was judged."]
    if blocked:
        outcome: VerdictOutcome = "block"
    elif stopped:
        outcome = "stop"
    elif unclear or missing or not judged:
        outcome = "inconclusive"
    else:
        outcome = "warn" if warned else "pass"
    found = _could_have_found(results, plan)
    if outcome == "pass":
        why.append(f"No violation found; {found}.")
    return Verdict(outcome, tuple(why), found)


def _blocking(results: Sequence[CheckResult], plan: Measure) -> list[CheckResult]:
    mechanism = [r for r in results if r.evidence == "A"]
    rejected = holm_rejected(mechanism, plan.family_alpha)
    failed = [(at, r) for at, r in enumerate(mechanism) if r.outcome == "fail"]
    return [r for at, r in failed if not r.holm or r.p_value is None or at in rejected]


def _could_have_found(results: Sequence[CheckResult], plan: Measure) -> str:
    sizes = [r.could_have_found for r in results if r.evidence == "A" and r.could_have_found]
    if not sizes:
        return "nothing was shown about what would have been found"
    listed = "; ".join(sizes)
    chance = f"{plan.noise_power * 100:.0f} % probability"
    return f"leaks of at least this size would have been found with {chance}: {listed}"
