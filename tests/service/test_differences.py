"""What a dossier says has changed since the last published release of its dataset."""

from __future__ import annotations

from typing import Any

from dpsynth.service.differences import differences


def body(**changed: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "release_id": "r-1",
        "policy": {"id": "p", "version": "1"},
        "request": {
            "requester": "sam",
            "synthesizer": "aim",
            "partition": "",
            "purpose": "Teaching",
            "recipients": "students",
        },
        "guarantee": {
            "rho_nano": "20000000",
            "epsilon": "1",
            "delta": "1e-6",
            "unit": "person",
            "adjacency": "add_remove",
        },
        "release": {
            "rows": 25_000,
            "columns": ["a", "b"],
            "recipients": ["students"],
            "terms": "t",
            "expires_after_days": 365,
        },
        "audit": {"verdict": "pass"},
    }
    for name, values in changed.items():
        whole[name] = whole[name] | values if isinstance(values, dict) else values
    return whole


def test_without_an_earlier_release_nothing_is_compared() -> None:
    assert differences(body(), None) == {"since": "", "lines": []}


def test_the_same_again_has_no_difference() -> None:
    assert differences(body(release_id="r-2"), body()) == {"since": "r-1", "lines": []}


def test_each_change_is_a_line_with_both_sides() -> None:
    now = body(
        release_id="r-2",
        guarantee={"rho_nano": "40000000", "epsilon": "1.5"},
        release={"columns": ["a", "b", "c"], "expires_after_days": 30},
        request={"synthesizer": "mst"},
    )
    found = {line["what"]: (line["before"], line["now"]) for line in differences(now, body())["lines"]}
    assert found == {
        "synthesizer": ("aim", "mst"),
        "rho": ("0.02", "0.04"),
        "epsilon": ("1 at delta 1e-6", "1.5 at delta 1e-6"),
        "columns": ("a, b", "a, b, c"),
        "days until it expires": ("365", "30"),
    }


def test_words_of_requesters_are_compared_and_not_repeated() -> None:
    now = body(release_id="r-2", request={"purpose": "Something new"})
    (line,) = differences(now, body(request={"purpose": "An old secret"}))["lines"]
    assert line["what"] == "purpose, in the requester's words"
    assert "secret" not in str(line)
    assert "new" not in str(line)
