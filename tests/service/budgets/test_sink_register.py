"""The chain knows its sinks: one that lost everything is not taken for a new one, none is left out unseen."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.errors import IntegrityError, PolicyRefusal
from dpsynth.ledger.sinks import DirectorySink
from dpsynth.service import Platform

LOST = "gone or was emptied"


def git(path: Path, *words: str) -> str:
    command = ["git", "-C", str(path), "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def tree_at(path: Path) -> Path:
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch", "main")
    return path


def folder_at(path: Path) -> Path:
    path.mkdir()
    return path


MADE = {"dir": folder_at, "git": tree_at}


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    return folder_at(tmp_path / "sink")


@pytest.fixture
def house(open_house: Callable[..., Any], sink: Path) -> Any:
    house = open_house(checkpoints=f"dir:{sink}")
    house.register()
    return house


def home_of(house: Any) -> Path:
    home: Path = house.platform.keys_dir.parent
    return home


def again(house: Any, checkpoints: str = "") -> Any:
    return replace(house, platform=Platform.open(home_of(house), checkpoints=checkpoints))


def copied(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def registered(house: Any) -> list[dict[str, Any]]:
    return [one.body for one in house.platform.ledger_entries("ada") if one.kind == "sink"]


def refused(house: Any, why: str) -> None:
    """Nothing can be changed, and nothing is."""
    before = house.platform.ledger_entries("ada")
    with pytest.raises(IntegrityError, match=why):
        house.ask(key="refused")
    assert house.platform.ledger_entries("ada") == before


@pytest.mark.parametrize("kind", MADE)
def test_the_first_sinks_of_a_ledger_are_entered_in_its_chain_once(
    open_house: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    one, two = MADE[kind](tmp_path / "one"), MADE[kind](tmp_path / "two")
    words = f"{kind}:{one}, {kind}:{two}"
    house = again(again(open_house(checkpoints=words), words), words)
    assert house.platform.alarm == ""
    entered = registered(house)
    assert [(body["actor"], body["name"].split()[-1]) for body in entered] == [
        ("dpsynth-service", str(one)),
        ("dpsynth-service", str(two)),
    ]
    assert [json.loads((path / "ledger.json").read_text())["sink"] for path in (one, two)] == [
        body["sink"] for body in entered
    ]
    assert house.platform.verify_ledger() > 0


@pytest.mark.parametrize("kind", MADE)
def test_a_sink_that_was_emptied_stops_the_running_program_and_the_next_one(
    open_house: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    path = MADE[kind](tmp_path / "sink")
    house = open_house(checkpoints=f"{kind}:{path}")
    house.register()
    house.ask()
    shutil.rmtree(path)
    MADE[kind](path)
    refused(house, LOST)
    for _ in range(2):
        house = again(house, f"{kind}:{path}")
        assert LOST in house.platform.alarm
        refused(house, LOST)
    assert not list(path.rglob("*.json"))
    with pytest.raises(IntegrityError, match=LOST):
        house.platform.verify_ledger()


def test_a_sink_that_kept_its_marker_and_lost_its_checkpoints_is_an_emptied_one(
    house: Any, sink: Path
) -> None:
    shutil.rmtree(sink / "000000000")
    refused(house, LOST)
    assert LOST in again(house, f"dir:{sink}").platform.alarm


def test_an_archive_that_is_not_mounted_does_not_hide_that_a_backup_was_put_back(
    house: Any, sink: Path, tmp_path: Path
) -> None:
    live = home_of(house) / "ledger.sqlite"
    copied(live, tmp_path / "backup")
    house.ask()
    copied(tmp_path / "backup", live)
    shutil.move(sink, tmp_path / "archive")
    sink.mkdir()
    old = again(house, f"dir:{sink}")
    assert LOST in old.platform.alarm
    refused(old, LOST)
    assert "older copy" in again(house, f"dir:{tmp_path / 'archive'}").platform.alarm


def test_a_witnessed_ledger_cannot_be_opened_for_writing_without_its_sinks(house: Any, sink: Path) -> None:
    blind = again(house)
    assert blind.platform.alarm == "this ledger is witnessed; name its sinks with --checkpoints"
    refused(blind, "name its sinks")
    with pytest.raises(IntegrityError, match="name its sinks"):
        blind.platform.verify_ledger()
    newest = DirectorySink(sink).newest()
    assert blind.platform.verify_ledger(newest) > 0  # then that checkpoint is the witness
    seeing = again(house, f"dir:{sink}")
    assert seeing.platform.alarm == ""
    assert seeing.ask().state == "queued"


def test_a_program_that_runs_without_sinks_stops_when_another_begins_to_be_witnessed(
    open_house: Callable[..., Any], sink: Path
) -> None:
    blind = open_house()
    blind.register()
    again(blind, f"dir:{sink}")
    refused(blind, "name its sinks")


def test_a_new_sink_beside_known_ones_needs_a_person_who_answers_for_the_ledger(
    house: Any, sink: Path, tmp_path: Path
) -> None:
    new = folder_at(tmp_path / "new")
    both = f"dir:{sink},dir:{new}"
    assert LOST in again(house, both).platform.alarm
    for person in ("sam", "nobody"):
        with pytest.raises(PolicyRefusal):
            house.platform.add_sink(person, f"dir:{new}")
    assert not list(new.iterdir())
    assert house.platform.add_sink("ada", f"dir:{new}") == (f"directory {sink}", f"directory {new}")
    assert registered(house)[-1]["actor"] == "ada"
    house.ask()
    assert DirectorySink(new).newest() is not None
    assert again(house, both).platform.alarm == ""
    assert house.platform.verify_ledger() > 0


def test_where_every_sink_is_lost_a_person_gives_the_ledger_another(
    house: Any, sink: Path, tmp_path: Path
) -> None:
    new = folder_at(tmp_path / "new")
    shutil.rmtree(sink)
    alone = again(house, f"dir:{new}")
    refused(alone, LOST)
    alone.platform.add_sink("carol", f"dir:{new}")
    assert alone.platform.alarm == ""
    alone.ask()
    assert again(house, f"dir:{new}").platform.alarm == ""


def test_nobody_adds_a_sink_to_silence_another_alarm(house: Any, sink: Path, tmp_path: Path) -> None:
    live, new = home_of(house) / "ledger.sqlite", folder_at(tmp_path / "new")
    copied(live, tmp_path / "backup")
    house.ask()
    copied(tmp_path / "backup", live)
    old = again(house, f"dir:{sink}")
    with pytest.raises(IntegrityError, match="older copy"):
        old.platform.add_sink("ada", f"dir:{new}")
    blind = again(house)
    with pytest.raises(IntegrityError, match="older copy"):
        blind.platform.add_sink("ada", f"dir:{sink}")
    assert blind.platform.alarm
    assert not list(new.iterdir())


@pytest.mark.parametrize("broken", ["put_marker", "put"])
def test_a_crash_between_marker_and_entry_is_made_good_at_the_next_start(
    open_house: Callable[..., Any],
    tmp_path: Path,
    sink: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    house, second = open_house(), folder_at(tmp_path / "second")
    honest = getattr(DirectorySink, broken)

    def crash(self: DirectorySink, *words: Any) -> None:
        if self.name.endswith("second"):
            raise KeyboardInterrupt
        honest(self, *words)

    words = f"dir:{sink},dir:{second}"
    with monkeypatch.context() as patch:
        patch.setattr(DirectorySink, broken, crash)
        with pytest.raises(KeyboardInterrupt):
            again(house, words)
    marker = (sink / "ledger.json").read_bytes()
    assert registered(house) == []
    after = again(house, words)
    assert after.platform.alarm == ""
    assert (sink / "ledger.json").read_bytes() == marker
    assert registered(after)[0]["sink"] == json.loads(marker)["sink"]
    assert len(registered(after)) == 2


def test_a_sink_of_another_ledger_is_refused_by_its_marker(
    open_house: Callable[..., Any], house: Any, sink: Path, tmp_path: Path
) -> None:
    shutil.rmtree(sink / "000000000")
    other = open_house("other", checkpoints="")
    assert "belongs to another ledger" in again(other, f"dir:{sink}").platform.alarm
    with pytest.raises(IntegrityError, match="another ledger"):
        other.platform.add_sink("ada", f"dir:{sink}")
    (sink / "ledger.json").write_text("{}")
    assert "marker" in again(house, f"dir:{sink}").platform.alarm
