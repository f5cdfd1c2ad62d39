"""The 18 items of NIST SP 800-226: each is answered in its parts, or says why it does not apply."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dpsynth.core.errors import IntegrityError
from dpsynth.publish.checklist import CHECKLIST, PARTS, check_checklist
from dpsynth.publish.statement import privacy_statement

ANSWERS = {
    "guarantee": "adaptively chosen",
    "unit": "group of k units",
    "composition": "stays spent",
    "other_releases": "The data owner",
    "mechanism": "opendp",
    "utility": "Not for facts about individuals",
    "bias": "Systemic",
    "bounding": "discarded",
    "domains": "Variable notes",
    "preprocessing": "tuned",
    "delta_note": "no step of the mechanism fails outright",
    "query_model": "same lifetime cap",
    "trust": "holds the rows and is trusted",
    "side_channels": "timing",
    "security": "Only the worker opens the source",
    "collection": "dropped before synthesis",
    "audits": "proves nothing about better attacks",
    "decision_note": "not covered by the guarantee",
}
"""Words that the answer to each item cannot do without."""


@pytest.fixture
def statement(inputs: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(privacy_statement(inputs)))
    return found


def test_there_are_eighteen_items_each_with_a_field_of_its_own() -> None:
    assert len(CHECKLIST) == len({field for _, field in CHECKLIST}) == 18
    assert {field for _, field in CHECKLIST} == set(ANSWERS)
    assert set(PARTS) <= set(ANSWERS)


@pytest.mark.parametrize("field", ANSWERS)
def test_every_item_is_answered(field: str, statement: dict[str, Any]) -> None:
    check_checklist(statement)
    assert ANSWERS[field] in json.dumps(statement[field])


@pytest.mark.parametrize("number", range(1, 19))
def test_an_item_that_is_left_open_is_named(number: int, statement: dict[str, Any]) -> None:
    item = statement["checklist"][number - 1]
    item |= {"status": "stated"}
    statement[item["field"]] = ""
    with pytest.raises(IntegrityError, match=f"privacy-statement.json: item {number} of the checklist"):
        check_checklist(statement)


@pytest.mark.parametrize("number", range(1, 19))
def test_an_item_does_not_apply_only_with_a_reason(number: int, statement: dict[str, Any]) -> None:
    item = statement["checklist"][number - 1]
    item |= {"status": "not applicable", "reason": ""}
    with pytest.raises(IntegrityError, match=f"item {number} of the checklist is not applicable without"):
        check_checklist(statement)
    item |= {"reason": "Nobody else holds these data."}
    check_checklist(statement)


@pytest.mark.parametrize(("field", "part"), [(name, part) for name, parts in PARTS.items() for part in parts])
def test_no_part_of_an_answer_may_be_missing(field: str, part: str, statement: dict[str, Any]) -> None:
    del statement[field][part]
    with pytest.raises(IntegrityError, match=f"does not state {part}"):
        check_checklist(statement)


SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no list": lambda said: said.update(checklist="all of it"),
    "none": lambda said: said.pop("checklist"),
    "one less": lambda said: said["checklist"].pop(),
    "one more": lambda said: said["checklist"].append(said["checklist"][0]),
    "one twice": lambda said: said["checklist"].__setitem__(3, said["checklist"][2]),
    "a text": lambda said: said["checklist"].__setitem__(3, "stated"),
    "another status": lambda said: said["checklist"][0].update(status="see above"),
    "an answer without parts": lambda said: said.update(mechanism="a good one"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_checklist_of_another_shape_is_refused(shape: str, statement: dict[str, Any]) -> None:
    SHAPES[shape](statement)
    with pytest.raises(IntegrityError, match=r"privacy-statement\.json: item \d+ of the checklist"):
        check_checklist(statement)


def test_what_the_owner_adds_stands_beside_what_holds_for_every_release(inputs: Any) -> None:
    notes = replace(inputs.notes, bias="People who moved are missing.", utility="Good for visits by plan.")
    said = privacy_statement(replace(inputs, notes=notes))
    assert "Systemic" in said["bias"]
    assert said["bias"].endswith("The data owner adds: People who moved are missing.")
    assert said["utility"].endswith("The data owner adds: Good for visits by plan.")
