"""The gate as a truth table: only a pass is a pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.policy.loader import load_policy_text
from dpsynth.service.gate import decide

TEXT = (Path(__file__).parents[2] / "policies" / "rand-health.yaml").read_text()
STRICT = load_policy_text(TEXT.replace("on_inconclusive: officer_reason", "on_inconclusive: block"), "strict")
LENIENT = load_policy_text(
    TEXT.replace("on_inconclusive: block", "on_inconclusive: officer_reason"), "lenient"
)


@pytest.mark.parametrize(
    ("verdict", "strict", "lenient"),
    [
        ("pass", "eligible", "eligible"),
        ("warn", "eligible_with_reason", "eligible_with_reason"),
        ("inconclusive", "blocked", "eligible_with_reason"),
        ("block", "blocked", "blocked"),
        ("stop", "blocked", "blocked"),
        ("", "blocked", "blocked"),
        ("unheard of", "blocked", "blocked"),
    ],
)
def test_verdicts(verdict: str, strict: str, lenient: str) -> None:
    assert decide(STRICT, True, verdict, True).outcome == strict
    assert decide(LENIENT, True, verdict, True).outcome == lenient


def test_a_loss_above_the_cap_or_a_replaced_policy_blocks_whatever_the_audit_says() -> None:
    for policy in (STRICT, LENIENT):
        assert decide(policy, True, "pass", True).outcome == "eligible"
        assert decide(policy, False, "pass", True).outcome == "blocked"
        assert decide(policy, True, "pass", False).outcome == "blocked"


def test_every_reason_is_listed() -> None:
    decision = decide(STRICT, False, "block", False)
    assert [check.ok for check in decision.checks] == [False, False, False]
    assert all(check.plain for check in decision.checks)
