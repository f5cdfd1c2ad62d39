"""A git sink with an upstream: what others hold counts, and what they do not hold is not witnessed."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.errors import IntegrityError
from dpsynth.ledger import sinks
from dpsynth.ledger.sinks import GitSink
from dpsynth.service import Platform


def git(path: Path, *words: str) -> str:
    command = ["git", "-C", str(path), "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def home_of(house: Any) -> Path:
    home: Path = house.platform.keys_dir.parent
    return home


def again(house: Any, checkpoints: str = "") -> Any:
    return replace(house, platform=Platform.open(home_of(house), checkpoints=checkpoints))


def copied(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def refused(house: Any, why: str) -> None:
    """Nothing can be changed, and nothing is."""
    before = house.platform.ledger_entries("ada")
    with pytest.raises(IntegrityError, match=why):
        house.ask(key="refused")
    assert house.platform.ledger_entries("ada") == before


@pytest.fixture
def pushed(open_house: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A house with a git sink that has an upstream; the clone and the upstream."""
    monkeypatch.setattr(sinks, "_PAUSE_SECONDS", 0)
    bare, tree = tmp_path / "bare.git", tmp_path / "tree"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", str(bare))
    git(tmp_path, "clone", "--quiet", str(bare), str(tree))
    house = open_house(checkpoints=f"git:{tree}")
    house.register()
    return house, tree, bare


def test_a_clone_set_back_together_with_the_database_is_found_by_its_upstream(
    pushed: Any, tmp_path: Path
) -> None:
    house, tree, _ = pushed
    live = home_of(house) / "ledger.sqlite"
    copied(live, tmp_path / "backup")
    then = git(tree, "rev-parse", "HEAD")
    house.ask()
    copied(tmp_path / "backup", live)
    git(tree, "reset", "--quiet", "--hard", then)
    git(tree, "update-ref", "refs/remotes/origin/main", then)
    old = again(house, f"git:{tree}")
    assert "older copy" in old.platform.alarm
    refused(old, "read-only")


def test_a_clone_set_back_alone_catches_up_with_its_upstream(pushed: Any) -> None:
    house, tree, bare = pushed
    house.ask(key="first")
    git(tree, "reset", "--quiet", "--hard", "HEAD~3")
    after = again(house, f"git:{tree}")
    assert after.platform.alarm == ""
    after.ask(key="second")
    assert git(tree, "rev-parse", "HEAD") == git(bare, "rev-parse", "main")


def test_after_a_push_that_failed_the_next_action_is_refused_until_one_succeeds(pushed: Any) -> None:
    house, tree, bare = pushed
    hook = bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(IntegrityError, match="git push failed"):
        house.ask(key="first")  # done, and reported: the mark after an action cannot undo it
    asked = len(house.platform.requests("carol"))
    for _ in range(2):
        with pytest.raises(IntegrityError, match="git push failed"):
            house.ask(key="second")
    assert len(house.platform.requests("carol")) == asked
    hook.unlink()
    house.ask(key="third")
    assert git(tree, "rev-parse", "HEAD") == git(bare, "rev-parse", "main")


def test_an_upstream_that_cannot_be_asked_stops_reading_and_writing_checkpoints(pushed: Any) -> None:
    house, tree, bare = pushed
    shutil.move(bare, bare.with_name("away"))
    with pytest.raises(IntegrityError, match="git fetch failed"):
        GitSink(tree).newest()
    refused(house, "git fetch failed")
    shutil.move(bare.with_name("away"), bare)
    assert house.ask().state == "queued"
