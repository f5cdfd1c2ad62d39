"""A synthesizer that trains is refused for releases, in words, before any charge, until it can be stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.core.errors import PolicyRefusal
from dpsynth.policy.loader import load_policy_text
from dpsynth.service.plans import run_plan

POLICY = Path(__file__).resolve().parents[2] / "policies" / "rand-health.yaml"


def test_a_policy_that_names_gan_still_gets_no_release_of_it() -> None:
    text = POLICY.read_text()
    named = text.replace("name: aim", "name: gan", 1)
    assert named != text
    with pytest.raises(PolicyRefusal, match="cannot be stated and audited yet"):
        run_plan(load_policy_text(named, "policy.yaml"), "gan", 20_000_000)
