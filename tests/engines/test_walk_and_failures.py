"""An entrusted request from asking to a verified bundle, and every way in which the library can fail it.

The interpreter is a stand-in that behaves as each test needs; the real library has its own test files.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dpsynth.accounting.cost import cost_from_json, cost_of
from dpsynth.accounting.events import event_from_json
from dpsynth.accounting.reserve import entrusted_cost
from dpsynth.core.errors import IntegrityError
from dpsynth.engines.catalog import kind_of
from dpsynth.policy.loader import load_policy_text
from dpsynth.publish.files import parse_canonical
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import _check_guarantee, verify_bundle
from dpsynth.service import Platform, Quote, RequestForm, RequestView
from dpsynth.service.jobs import LOST

Trusting = Callable[..., Platform]
Ask = Callable[..., RequestForm]


@dataclass(frozen=True)
class Walked:
    """A published release of an entrusted library."""

    home: Path
    platform: Platform
    quote: Quote
    request: RequestView
    dossier: dict[str, Any]
    bundle: Path


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, trust_in: Trusting, ask: Ask, approved: Any) -> Walked:
    home = tmp_path_factory.mktemp("walked")
    platform = trust_in(home)
    quote = platform.quote("sam", ask())
    request = platform.submit("sam", ask())
    platform.run_once("worker")
    dossier = platform.dossier("carol", request.id).body
    return Walked(home, platform, quote, request, dossier, approved(platform, request))


def spent(platform: Platform) -> set[int]:
    return {scope.spent_nano for scope in platform.budget("carol")}


def test_the_quote_and_the_request_state_the_declared_budget(walked: Walked) -> None:
    assert walked.quote.fits
    assert any("one entrusted run" in line for line in walked.quote.lines)
    for said in (walked.quote, walked.request):
        assert (said.epsilon, said.delta) == ("1", "1e-7")
        assert said.rho_nano == entrusted_cost("1", "1e-7").rho


def test_the_whole_declared_budget_is_one_event_that_costs_what_was_reserved(walked: Walked) -> None:
    entries = walked.platform.ledger_entries("ada")
    (settled,) = [entry for entry in entries if entry.kind == "settled"]
    (event,) = settled.body["events"]
    assert event == {"event": "entrusted", "epsilon": "1", "delta": "1E-7"}
    (reserved,) = [entry for entry in entries if entry.kind == "reserve"]
    cost = cost_of(event_from_json(event))
    assert cost == entrusted_cost("1", "1e-7") == cost_from_json(reserved.body["cost"])
    assert spent(walked.platform) == {walked.request.rho_nano}
    assert walked.platform.verify_ledger() == len(walked.platform.ledger_entries("ada"))


def test_the_audit_says_that_it_did_not_look_into_the_library(walked: Walked) -> None:
    checks = {check["id"]: check for check in walked.dossier["audit"]["checks"]}
    assert set(checks) == {*(f"S{at}" for at in range(1, 7)), "R1", "R3", "R6", "R7", "L1"}
    for test, check in checks.items():
        assert (check["result"] == "not_tested") == test.startswith("S")
    assert "smartnoise-synth 1.0.8 was given the rows" in checks["S4"]["plain"]
    assert walked.dossier["audit"]["verdict"] == "inconclusive"
    assert walked.dossier["gate"] == "eligible_with_reason"
    assert walked.dossier["model"]["sha256"] == ""
    audit = json.loads((walked.bundle / "audits" / "audit.json").read_text())
    assert audit["result"] == "WARNED"
    assert {check["outcome"] for check in audit["checks"]} == {"not_tested"}


def test_the_bundle_says_whom_it_relies_on_and_what_is_wrong_with_them(walked: Walked) -> None:
    platform, bundle = walked.platform, walked.bundle
    report = verify_bundle(bundle, load_public_keys(platform.keys_dir), datetime.now(UTC))
    assert "mind: this guarantee relies on smartnoise-synth 1.0.8, not structurally audited" in report.lines
    said = json.loads((bundle / "privacy-statement.json").read_text())
    faults = kind_of("smartnoise").methods["mst"].faults
    assert said["guarantee"]["relies_on"]["known_faults"] == list(faults)
    assert (said["guarantee"]["epsilon"], said["guarantee"]["delta"]) == ("1", "1e-7")
    assert walked.dossier["guarantee"]["relies_on"]["known_faults"] == list(faults)
    assert any("keeps the epsilon and delta that it declares" in x for x in said["guarantee"]["assumptions"])
    assert {scope["delta"] for scope in walked.dossier["budget"]} == {"1e-6"}  # not the library's
    page_faults = [line.strip() for line in (bundle / "privacy-statement.md").read_text().splitlines()]
    assert all(f"- {fault}" in page_faults for fault in faults)
    assert "The library ran in a process of its own that had " in said["trust"]
    page = (bundle / "privacy-statement.md").read_text()
    assert "relies on smartnoise-synth 1.0.8" in page
    assert "never a row" not in page
    run = json.loads((bundle / "run.json").read_text())
    assert run["parameters"] == {"delta": "1e-7", "epsilon": "1", "rows": "500"}
    assert run["versions"]["smartnoise: smartnoise-synth"] == "1.0.8"
    assert not list((walked.home / "state" / "engines" / "work").iterdir())


def test_what_would_fit_is_said_in_epsilon_and_delta(walked: Walked) -> None:
    explained = walked.platform.explain("carol", walked.request.id)
    assert any("entrusted libraries may fail" in line for line in explained.cost)
    assert all("given whole to smartnoise:mst" in scope.would_fit for scope in explained.scopes)
    plan = walked.platform.plan_budget("sam", "rand-health", "smartnoise:mst")
    largest = plan.lines[0]
    assert largest.delta == "1e-7"
    assert largest.room == 3  # beside the one that was made, by the cap on rho
    assert 0.49 < largest.rho_nano / 1e9 <= 0.5


FAILURES = {
    "a crash that prints rows": ("print(rows); raise ValueError(str(rows))", "ended with an error"),
    "another column": ("leave(pa.table(codes()).rename_columns(['c0', 'c1', 'x']))", "other columns"),
    "a code outside the domain": (
        "found = codes(); found['c0'][3] = request['sizes'][0]; leave(pa.table(found))",
        "left the public domain",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_library_ends_in_a_clear_failure_with_its_charge_kept(
    trusting: Trusting, ask: Ask, tmp_path: Path, name: str
) -> None:
    behaviour, words = FAILURES[name]
    platform = trusting(behaviour)
    request = platform.submit("sam", ask())
    platform.run_once("worker")
    check_failure(platform, request, tmp_path, words)


def check_failure(platform: Platform, request: RequestView, home: Path, words: str) -> None:
    view = platform.request("sam", request.id)
    assert view.state == "failed"
    assert view.message == LOST
    assert spent(platform) == {request.rho_nano}
    assert platform.verify_ledger() > 0
    state = home / "state"
    assert not list((state / "candidates").iterdir())
    assert not list((state / "bundles").iterdir())
    assert not list((state / "engines" / "work").iterdir())
    (note,) = (state / "review").glob("*.txt")
    told = note.read_text()
    assert "EngineFailure" in told
    assert words in told
    assert "c0:" not in told  # what the library printed is kept nowhere
    assert note.stat().st_mode & 0o077 == 0


def test_a_library_that_hangs_is_stopped_with_all_its_processes(
    trusting: Trusting, ask: Ask, tmp_path: Path
) -> None:
    # One process in the group, one that left it, and a parent that ignores polite signals.
    platform = trusting(
        """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for more in ({}, {"start_new_session": True}):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **more)
        time.sleep(600)
        """,
        seconds=3,
    )
    before = sleepers()
    request = platform.submit("sam", ask())
    began = time.monotonic()
    platform.run_once("worker")
    assert time.monotonic() - began < 30
    check_failure(platform, request, tmp_path, "did not end within 3 seconds")
    deadline = time.monotonic() + 5
    while sleepers() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not sleepers() - before


def sleepers() -> set[str]:
    """Processes of this machine that sleep for ten minutes, as the stand-in's do."""
    found = set()
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if b"time.sleep(600)" in (path / "cmdline").read_bytes():
                    found.add(path.name)
            except OSError:
                continue
    return found


def test_a_statement_that_hides_its_library_is_not_verified(walked: Walked) -> None:
    policy = load_policy_text((walked.bundle / "policy.yaml").read_text(), "policy.yaml")
    run, stated = (
        parse_canonical((walked.bundle / name).read_bytes(), name)
        for name in ("run.json", "privacy-statement.json")
    )
    _check_guarantee(policy, stated, run)
    guarantee = stated["guarantee"]
    hidden = {name: value for name, value in guarantee.items() if name != "relies_on"}
    cases = {
        "hides that": (hidden, run),
        "does not allow": (guarantee, {**run, "synthesizer": "smartnoise:other"}),
        "above what": ({**guarantee, "epsilon": "3"}, run),
        "not the one that its rho gives": ({**guarantee, "rho": "0.01"}, run),
        "stated in full": ({**guarantee, "relies_on": {"library": "x"}}, run),
        "no budget": ({**guarantee, "delta": "x"}, run),
    }
    for words, (changed, said) in cases.items():
        with pytest.raises(IntegrityError, match=words):
            _check_guarantee(policy, {"guarantee": changed}, said)
