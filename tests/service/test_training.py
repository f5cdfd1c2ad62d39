"""Synthesizers that train by DP-SGD, from request to a bundle that verifies; and what no policy allows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import yaml

from dpsynth.core.errors import PolicyRefusal
from dpsynth.policy.loader import load_policy_text
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import verify_bundle
from dpsynth.service import Platform, RequestForm
from dpsynth.service.plans import allowed_synthesizer
from dpsynth.synthesizers import denoising, diffusion, gan

POLICY = Path(__file__).resolve().parents[2] / "policies" / "rand-health.yaml"
COLUMNS = ["mdvis", "lpi", "fmde", "disea", "hlthg"]
Form = Callable[..., RequestForm]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many paid steps as the audit of sampling needs, few free ones, and narrow networks."""
    for module, free in ((gan, "_GUIDED_STEPS"), (diffusion, "_TEACHING_STEPS")):
        monkeypatch.setattr(module, "_STEPS", 200)
        monkeypatch.setattr(module, free, 60)
        monkeypatch.setattr(module, "_HIDDEN", 48)
    monkeypatch.setattr(denoising, "Settings", partial(denoising.Settings, batch=100))


def text(name: str) -> str:
    known = '- {name: aim, min_version: "0.1.0"}'
    found = POLICY.read_text()
    assert known in found
    return found.replace(known, f'{known}\n    - {{name: {name}, min_version: "0.1.0"}}')


@pytest.fixture
def allowing(tmp_path: Path, rand_csv: Path) -> Callable[[str], Platform]:
    """A platform whose policy was changed as said, and cut to five columns: nine trainings take a while."""
    with rand_csv.open(newline="") as whole, (tmp_path / "rand.csv").open("w", newline="") as cut:
        writer = csv.DictWriter(cut, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(csv.DictReader(whole))

    def build(policy: str) -> Platform:
        said = yaml.safe_load(policy)
        said["columns"] = [one for one in said["columns"] if one["name"] in COLUMNS]
        said["audits"]["coin_fraction"] = "0.5"  # of five columns fewer rows are unlike all others
        (tmp_path / "policy.yaml").write_text(json.dumps(said))
        platform = Platform.open(tmp_path / "state")
        roles = {"sam": "data_scientist", "carol": "compliance_officer", "dana": "data_owner"}
        for person, role in roles.items():
            platform.add_person(person, person.title(), (role,))
        platform.register_dataset("dana", tmp_path / "policy.yaml", tmp_path / "rand.csv")
        return platform

    return build


@pytest.mark.parametrize("name", ["gan", "diffusion"])
def test_a_trained_release_is_audited_signed_and_verified(
    name: str, allowing: Callable[[str], Platform], form: Form
) -> None:
    platform = allowing(text(name))
    quote = platform.quote("sam", form(name))
    assert any("steps of DP-SGD" in line for line in quote.lines)
    request = platform.submit("sam", form(name))
    done = platform.run_once("worker")
    assert done is not None
    assert done.state == "awaiting_decision", done.message
    dossier = platform.dossier("carol", request.id)
    checks = {one["id"]: one["result"] for one in dossier.body["audit"]["checks"]}
    assert {checks.pop(test) for test in ("S1", "S3", "S4", "S7", "S8")} == {"pass"}, dossier.body["audit"]
    assert checks.pop("G5") == "pass", dossier.body["audit"]
    assert int(dossier.body["guarantee"]["omega"]) < 1024
    for who in ("carol", "dana"):
        platform.approve(who, request.id, dossier.sha256, "Read.", tuple(dossier.body["must_tick"]))
    bundle = platform.publish("carol", request.id)
    trust = load_public_keys(platform.keys_dir)
    assert verify_bundle(bundle, trust, datetime.now(UTC)).release_id
    said = json.loads((bundle / "privacy-statement.json").read_bytes())
    assert said["mechanism"]["events"]["sampled_gaussian"] == "1"
    assert said["guarantee"]["variant"].startswith("zCDP truncated at Renyi order")


def test_a_policy_that_caps_by_rho_refuses_it_before_any_charge(
    allowing: Callable[[str], Platform], form: Form
) -> None:
    """Such a cap holds at every Renyi order, and a training keeps its line at some only."""
    capped = text("gan")
    for key, rho in (("per_release", "0.03"), ("per_requester", "0.06"), ("lifetime", "0.06")):
        start = capped.index(f"  {key}: {{epsilon")
        capped = capped[:start] + f'  {key}: {{rho: "{rho}"}}' + capped[capped.index("\n", start) :]
    platform = allowing(capped)
    assert not platform.quote("sam", form("aim")).refusal
    with pytest.raises(PolicyRefusal, match="keeps its rho to Renyi order") as caught:
        platform.submit("sam", form("gan"))
    assert "epsilon at a delta" in caught.value.allowed
    assert all(not one.spent_nano and not one.held_nano for one in platform.budget("dana"))


def test_a_policy_that_does_not_name_it_has_none() -> None:
    with pytest.raises(PolicyRefusal, match="does not allow the synthesizer 'gan'"):
        allowed_synthesizer(load_policy_text(POLICY.read_text(), "policy.yaml"), "gan")
