"""A synthesizer that trains is refused for releases, in words, before any charge, until it can be stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.core.errors import PolicyRefusal
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.service.plans import run_plan
from dpsynth.synthesizers.gan import GAN

POLICY = Path(__file__).resolve().parents[2] / "policies" / "rand-health.yaml"


def policy(name: str) -> Policy:
    text = POLICY.read_text()
    named = text.replace("name: aim", f"name: {name}", 1)
    assert named != text
    return load_policy_text(named, "policy.yaml")


def test_no_policy_can_have_gan_released() -> None:
    with pytest.raises(PolicyRefusal, match="no synthesizer named 'gan'"):
        run_plan(policy("gan"), "gan", 20_000_000)


def test_a_plug_in_that_trains_gets_no_release_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpsynth.service.plans.allowed_synthesizer", lambda policy, name: GAN())
    with pytest.raises(PolicyRefusal, match="cannot be stated and audited yet"):
        run_plan(policy("gan"), "gan", 20_000_000)
