"""Trying synthesizers and settings costs nothing, because the rows that they are tried on were made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.core.curator import Progress
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.service.tuning import tune
from dpsynth.synthesizers import gan
from dpsynth.synthesizers.mst import MST

POLICY = Path(__file__).resolve().parents[2] / "policies" / "rand-health.yaml"


def policy(*more: str) -> Policy:
    text = POLICY.read_text()
    names = "".join(f'\n    - {{name: {name}, min_version: "0.1.0"}}' for name in more)
    known = '- {name: aim, min_version: "0.1.0"}'
    assert known in text
    return load_policy_text(text.replace(known, known + names), "policy.yaml")


def test_more_budget_and_a_better_model_show_and_the_best_comes_first() -> None:
    found = tune(policy(), ["independent", "aim"], ["0.1", "10"], 4000)
    errors = {(one.synthesizer, one.epsilon): one.error for one in found}
    assert all(error is not None and 0 < error[0] < error[1] < error[2] < 1 for error in errors.values())
    assert errors["aim", "10"][1] < 0.5 * errors["independent", "10"][1]  # type: ignore[index]
    assert errors["aim", "10"][1] < errors["aim", "0.1"][1]  # type: ignore[index]
    assert [one.epsilon for one in found] == ["0.1", "0.1", "10", "10"]
    assert found[2].synthesizer == "aim"
    assert found[0].delta == "1e-6"


def test_without_names_all_that_the_policy_allows_are_tried_and_trials_are_told() -> None:
    told: list[tuple[str, Progress | None]] = []
    found = tune(policy("smartnoise:mst"), [], ["1"], 200, tell=lambda *words: told.append(words))
    assert {one.synthesizer for one in found} == {"independent", "mst", "aim"}
    begun = [words for words, progress in told if progress is None]
    assert begun == ["independent at epsilon 1", "mst at epsilon 1", "aim at epsilon 1"]
    assert any(progress is not None and words == begun[2] for words, progress in told)


def test_settings_are_varied_by_the_synthesizers_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan, "_STEPS", 20)
    monkeypatch.setattr(gan, "_GUIDED_STEPS", 20)
    found = tune(
        policy("gan"), ["gan"], ["1"], 300, [{"critic_percent": 0}, {"critic_percent": 50, "guided": 0}]
    )
    assert sorted(str(dict(one.settings)) for one in found) == [
        "{'critic_percent': 0}",
        "{'critic_percent': 50, 'guided': 0}",
    ]
    with pytest.raises(BadInput, match="has no setting 'pull'") as caught:
        tune(policy("gan"), ["gan"], ["1"], 300, [{"pull": 1}])
    assert caught.value.allowed == "critic_percent, guided"


def test_a_trial_that_cannot_be_planned_says_why_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PolicyRefusal("Too large for this", remedy="use coarser bins")

    monkeypatch.setattr(MST, "plan", refuse)
    done, refused = tune(policy(), ["mst", "independent"], ["1"], 300)
    assert (done.synthesizer, done.refusal) == ("independent", "")
    assert (refused.synthesizer, refused.error) == ("mst", None)
    assert "coarser bins" in refused.refusal


def test_what_cannot_be_tried_is_refused_before_anything_is_fitted() -> None:
    with pytest.raises(BadInput, match="that many rows"):
        tune(policy(), ["aim"], ["1"], 10)
    with pytest.raises(PolicyRefusal, match="does not allow"):
        tune(policy(), ["wide"], ["1"], 300)
    with pytest.raises(BadInput, match="is given rows"):
        tune(policy("smartnoise:mst"), ["smartnoise:mst"], ["1"], 300)
    with pytest.raises(BadInput, match="no room"):
        tune(policy(), ["aim"], ["0.0000001"], 300)


def test_the_rows_are_made_up_and_keep_the_public_structure() -> None:
    """The policy of Adult states relations between columns; its table lies nowhere near."""
    adult = load_policy_text((POLICY.parent / "adult.yaml").read_text(), "adult.yaml")
    assert adult.structure.determined
    found = tune(adult, ["independent"], ["1"], 500)
    assert found[0].error is not None
