"""Adding, listing and removing engines: whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dpsynth.core.errors import BadInput, Conflict, EngineFailure, PolicyRefusal
from dpsynth.engines.build import add_engine
from dpsynth.engines.catalog import ENGINES, kind_of
from dpsynth.engines.sandbox import Limits
from dpsynth.engines.store import engine_of, list_engines, remove_engine

StandIn = Callable[..., Path]


def silent(_: str) -> None:
    pass


def left(home: Path) -> set[str]:
    return {path.name for path in (home / "engines").iterdir()} - {".lock", "work"}


def test_a_given_environment_is_tested_then_kept_with_its_limits(stand_in: StandIn, tmp_path: Path) -> None:
    told: list[str] = []
    python = stand_in()
    add_engine(tmp_path, "smartnoise", told.append, python, Limits(77, 2**33))
    found = engine_of(tmp_path, "smartnoise")
    assert (found.python, found.limits, found.built) == (python, Limits(77, 2**33), False)
    assert told == ["testing it on made-up rows", "ready"]
    assert [state for _, _, state in list_engines(tmp_path)] == ["ready"]
    with pytest.raises(Conflict, match="there already"):
        add_engine(tmp_path, "smartnoise", silent, python)
    remove_engine(tmp_path, "smartnoise")
    assert left(tmp_path) == set()
    assert python.exists()  # what was made elsewhere is not ours to remove
    with pytest.raises(PolicyRefusal, match="was not added"):
        engine_of(tmp_path, "smartnoise")
    with pytest.raises(BadInput, match="is not there"):
        remove_engine(tmp_path, "smartnoise")


UNFIT = {
    "another version": ("1.0.8", "1.0.7", "does not hold smartnoise-synth 1.0.8"),
    "no library": ('"smartnoise-synth": "1.0.8"', '"x": "1"', "does not hold"),
    "too few rows": ("leave(pa.table(codes()))", "leave(pa.table(codes(3)))", "no usable answer"),
    "a crash": ("leave(pa.table(codes()))", "sys.exit(1)", "ended with an error"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_environment_that_fails_its_test_is_never_kept(
    stand_in: StandIn, tmp_path: Path, name: str
) -> None:
    good, bad, words = UNFIT[name]
    python = stand_in("")
    text = python.read_text()
    assert good in text
    python.write_text(text.replace(good, bad))
    with pytest.raises(EngineFailure, match=words) as failure:
        add_engine(tmp_path, "smartnoise", silent, python)
    assert failure.value.exit_code == 8
    assert left(tmp_path) == set()


def test_an_interpreter_that_is_none_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for path in (tmp_path / "absent", tmp_path / "text", tmp_path):
        with pytest.raises(BadInput, match="cannot be run"):
            add_engine(tmp_path, "smartnoise", silent, path)
    assert left(tmp_path) == set()


def test_an_engine_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefusal, match="no engine named 'other'"):
        add_engine(tmp_path, "other", silent)


def test_without_a_package_index_nothing_is_left_and_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    told: list[str] = []
    with pytest.raises(EngineFailure, match="pip reached no package index") as failure:
        add_engine(tmp_path, "smartnoise", told.append)
    assert "--from" in failure.value.remedy
    assert any(line.startswith("installing smartnoise-synth 1.0.8") for line in told)
    assert left(tmp_path) == set()


def test_a_damaged_engine_or_one_of_an_older_library_is_not_used(stand_in: StandIn, tmp_path: Path) -> None:
    add_engine(tmp_path, "smartnoise", silent, stand_in())
    path = tmp_path / "engines" / "smartnoise" / "engine.json"
    whole = json.loads(path.read_text())
    for record in ("", "{}", "[]", '{"python": 3}', json.dumps(whole | {"seconds": "soon"})):
        path.write_text(record)
        with pytest.raises(PolicyRefusal, match="damaged"):
            engine_of(tmp_path, "smartnoise")
        assert "damaged" in list_engines(tmp_path)[0][2]
    path.write_text(json.dumps(whole | {"version": "1.0.7"}))
    with pytest.raises(PolicyRefusal, match="not the environment that this program needs"):
        engine_of(tmp_path, "smartnoise")
    path.write_text(json.dumps(whole))
    assert engine_of(tmp_path, "smartnoise").limits == Limits()


def test_the_real_environment_was_built_by_this_program_with_exactly_its_pins(engine_python: Path) -> None:
    home = engine_python.parents[4]
    found = engine_of(home, "smartnoise")
    assert found.built
    assert found.python == engine_python
    pins = [line for line in kind_of("smartnoise").pins.read_text().splitlines() if "==" in line]
    assert {"torch==2.13.0", "smartnoise-synth==1.0.8"} <= set(pins)
    expected = dict(pin.split("==") for pin in pins)
    assert found.versions["smartnoise-synth"] == expected["smartnoise-synth"]
    assert all(found.versions[name].split("+")[0] == expected[name] for name in found.versions)


def test_every_method_of_an_engine_states_what_is_wrong_with_it() -> None:
    for kind in ENGINES.values():
        assert kind.program.is_file()
        assert all(method.faults for method in kind.methods.values())
