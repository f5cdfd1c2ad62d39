"""The budget board: every step of a budget is the ledger's own, and requesters see no more than bands."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dpsynth.core.errors import IntegrityError, PolicyRefusal
from dpsynth.service import BudgetHistory, Platform, RequestForm

Form = Callable[..., RequestForm]
POLICY = Path(__file__).parents[3] / "policies" / "rand-health.yaml"


def by_kind(found: list[BudgetHistory], kind: str) -> BudgetHistory:
    return next(one for one in found if one.scope.kind == kind)


@pytest.fixture
def walked(platform: Platform, form: Form) -> Any:
    """Held and given back; held, spent and forfeited by a run that died; held."""
    gone = platform.submit("sam", form(epsilon="0.2", key="a" * 32))
    platform.cancel("sam", gone.id)
    platform.submit("sam", form(epsilon="0.3", key="b" * 32))
    source = next(one.path for one in platform.rulebook.owned("dana"))
    kept = Path(source).read_bytes()
    copy = platform.bundles_dir.parent / "other.csv"
    copy.write_bytes(kept + b"0\n")
    with platform._store.write() as connection:
        connection.execute(text("UPDATE dataset SET source_path = :path"), {"path": str(copy)})
    platform.run_once("worker")
    with platform._store.write() as connection:
        connection.execute(text("UPDATE dataset SET source_path = :path"), {"path": source})
    platform.submit("otto", form(epsilon="0.4", key="c" * 32))
    return platform


def test_every_step_is_an_entry_of_the_ledger_and_the_last_one_is_the_balance(walked: Platform) -> None:
    entries = {one.seq: one for one in walked.ledger_entries("ada")}
    found = walked.board.history("carol")
    assert [one.scope for one in found] == walked.budget("carol")
    for history in found:
        for step in history.steps:
            entry = entries[step.seq]
            assert (step.time, step.request) == (entry.time, entry.body.get("charge", ""))
        last, scope = history.steps[-1], history.scope
        assert (last.cap_nano, last.spent_nano, last.held_nano, last.forfeited_nano, last.left_nano) == (
            scope.rho_cap_nano,
            scope.spent_nano,
            scope.held_nano,
            scope.forfeited_nano,
            scope.left_nano,
        )
    people = by_kind(found, "id_space")
    kinds = [entries[step.seq].kind for step in people.steps]
    assert kinds == ["scope", "reserve", "released", "reserve", "committed", "forfeited", "reserve"]
    spent = [step.spent_nano for step in people.steps]
    assert spent == sorted(spent)
    assert people.steps[-1].forfeited_nano == people.steps[-1].spent_nano > 0
    assert [step.requester for step in people.steps] == ["", "sam", "sam", "sam", "sam", "sam", "otto"]
    assert [one.requester for one in found if one.scope.kind == "requester"] == ["otto", "sam"]


def test_what_a_run_wrote_is_dated_to_the_hour(walked: Platform) -> None:
    (step,) = [
        one for one in by_kind(walked.board.history("ada"), "table").steps if one.what.startswith("forfeited")
    ]
    assert (datetime.fromisoformat(step.time).minute, datetime.fromisoformat(step.time).second) == (0, 0)


def test_a_raised_cap_is_a_step_and_the_scale_of_epsilon_ends_at_its_promise(
    platform: Platform, tmp_path: Path, rand_csv: Path
) -> None:
    words = POLICY.read_text().replace('lifetime: {epsilon: "1.6"', 'lifetime: {epsilon: "2"')
    (tmp_path / "looser.yaml").write_text(words.replace('\nversion: "1"', '\nversion: "2"'))
    why = "The board agreed to a second course for the same people."
    change = platform.register_dataset("dana", tmp_path / "looser.yaml", rand_csv, why).pending
    before = by_kind(platform.board.history("carol"), "id_space")
    platform.approve_change("carol", change)
    after = by_kind(platform.board.history("carol"), "id_space")
    assert (len(before.steps), len(after.steps)) == (1, 2)
    assert after.steps[0].cap_nano == before.scope.rho_cap_nano < after.steps[1].cap_nano
    assert (before.epsilons[-1][1], after.epsilons[-1][1]) == ("1.6", "2")
    assert after.epsilons[-1][0] == after.scope.rho_cap_nano


def test_a_balance_that_was_changed_by_hand_is_not_shown(walked: Platform) -> None:
    with walked._store.write() as connection:
        spent = connection.execute(text("SELECT held FROM balance LIMIT 1")).scalar_one()
        connection.execute(text("UPDATE balance SET spent = :held"), {"held": spent})
    with pytest.raises(IntegrityError, match="not what the ledger's entries give"):
        walked.board.history("carol")


def test_a_requester_sees_bands_that_a_small_charge_of_somebody_else_does_not_change(
    platform: Platform, form: Form
) -> None:
    with pytest.raises(PolicyRefusal):
        platform.board.history("sam")
    platform.submit("sam", form(epsilon="1", key="a" * 32))
    before = platform.board.bands("sam")
    assert [one.band for one in before] == ["a half to three quarters is left"] * 4
    platform.submit("otto", form(epsilon="0.1", key="b" * 32))
    assert platform.board.bands("sam") == before
    platform.submit("otto", form(epsilon="0.9", key="c" * 32))
    after = platform.board.bands("sam")
    assert [one.band for one in after][:3] == ["less than a quarter is left"] * 3
    numbers = [scope.left_nano for scope in platform.budget("carol")]
    told = json.dumps([one.__dict__ for one in after])
    assert not [number for number in numbers if str(number) in told or str(number / 1e9) in told]
