"""What cannot be witnessed does not happen: sinks that are down, entries that cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from dpsynth.core.errors import IntegrityError
from dpsynth.ledger import sinks
from dpsynth.ledger.sinks import DirectorySink, GitSink
from dpsynth.service import Platform, pipeline

WHY = "The board agreed to two further releases for the new course."


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    path = tmp_path / "sink"
    path.mkdir()
    return path


@pytest.fixture
def watched(open_house: Callable[..., Any], sink: Path) -> Any:
    house = open_house(checkpoints=f"dir:{sink}")
    house.register()
    return house


def file_in_its_place(sink: Path) -> None:
    shutil.rmtree(sink)
    sink.write_text("no directory any more")


DOWN: dict[str, Callable[[Path], object]] = {"removed": shutil.rmtree, "a file now": file_in_its_place}


@pytest.mark.parametrize("take_down", DOWN.values(), ids=DOWN)
def test_with_a_sink_down_nothing_happens_and_nothing_is_spent(
    watched: Any, sink: Path, take_down: Callable[[Path], object]
) -> None:
    house, platform = watched, watched.platform
    queued = house.ask(key="queued")
    pending = house.register(version="2", budget={"lifetime": {"rho": "0.1"}}, reason=WHY).pending
    entries, scopes = platform.ledger_entries("ada"), house.scopes()
    take_down(sink)
    for act in (
        lambda: house.ask(key="another"),
        lambda: platform.cancel("sam", queued.id),
        lambda: platform.run_once("worker"),
        lambda: platform.approve_change("carol", pending),
        lambda: platform.add_person("eve", "Eve", ("auditor",)),
        lambda: platform.audit_report("carol", queued.id),
        lambda: house.register(version="3", title="Another title"),
    ):
        with pytest.raises(IntegrityError, match="Checkpoints cannot be kept"):
            act()
    assert platform.ledger_entries("ada") == entries
    assert house.scopes() == scopes
    assert [one.state for one in platform.requests("carol")] == ["queued"]


def test_when_the_sink_is_there_again_work_goes_on(watched: Any, sink: Path) -> None:
    shutil.move(sink, sink.with_name("away"))
    with pytest.raises(IntegrityError):
        watched.ask()
    assert watched.platform.alarm == ""
    shutil.move(sink.with_name("away"), sink)
    watched.ask()
    assert watched.platform.verify_ledger() > 0


def test_one_sink_of_two_that_is_down_is_enough(open_house: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    house = open_house(checkpoints=f"dir:{tmp_path / 'one'}, dir:{tmp_path / 'two'}")
    house.register()
    house.ask(key="first")
    shutil.rmtree(tmp_path / "two")
    with pytest.raises(IntegrityError):
        house.ask(key="second")
    assert len(house.platform.requests("carol")) == 1


def test_a_charge_that_could_not_be_witnessed_is_forfeited_and_the_source_is_never_read(
    watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    honest_read, honest_put = pipeline.read_bytes, DirectorySink.put
    monkeypatch.setattr(pipeline, "read_bytes", lambda *args: opened.append(args) or honest_read(*args))
    broken = [True]

    def put(self: DirectorySink, seq: int, envelope: bytes) -> None:
        if broken and watched.kinds()[-1] == "committed":
            broken.clear()
            raise IntegrityError("Checkpoints cannot be kept")
        honest_put(self, seq, envelope)

    monkeypatch.setattr(DirectorySink, "put", put)
    watched.ask("0.02", key="first")
    ended = watched.platform.run_once("worker")
    assert (ended.state, opened, broken) == ("failed", [], [])
    assert "budget was spent" in ended.message
    totals = {(one.spent_nano, one.held_nano, one.forfeited_nano) for one in watched.scopes().values()}
    assert totals == {(20_000_000, 0, 20_000_000)}
    assert watched.platform.verify_ledger() > 0
    watched.ask("0.02", key="second")
    assert watched.platform.run_once("worker").state == "awaiting_decision"
    assert len(opened) == 1


def git(path: Path, *words: str) -> str:
    command = ["git", "-C", str(path), "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch", "main")
    return path


def commits(path: Path) -> list[str]:
    return git(path, "log", "--format=%s", "--reverse").splitlines()


def test_a_git_sink_gains_one_commit_for_each_checkpoint(open_house: Callable[..., Any], tree: Path) -> None:
    house = open_house(checkpoints=f"git:{tree}")
    house.register()
    before = commits(tree)
    house.ask()
    assert commits(tree) == [*before, f"Ledger checkpoint {house.platform.ledger_entries('ada')[-1].seq}"]
    assert len(set(commits(tree))) == len(commits(tree))
    for commit in git(tree, "log", "--format=%H").splitlines():
        assert len(git(tree, "show", "--format=", "--name-only", commit).splitlines()) == 1
    house.platform.verify_ledger(GitSink(tree).newest())


def test_a_git_sink_with_an_upstream_pushes_each_commit_and_is_down_when_it_cannot(
    open_house: Callable[..., Any], tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", str(bare))
    git(tree, "remote", "add", "origin", str(bare))
    git(tree, "commit", "--quiet", "--allow-empty", "--message", "first")
    git(tree, "push", "--quiet", "--set-upstream", "origin", "main")
    house = open_house(checkpoints=f"git:{tree}")
    house.register()
    house.ask(key="first")
    assert commits(bare) == commits(tree)
    monkeypatch.setattr(sinks, "_PAUSE_SECONDS", 0)
    shutil.move(bare, bare.with_name("away"))
    with pytest.raises(IntegrityError, match="git fetch failed"):
        house.ask(key="second")
    shutil.move(bare.with_name("away"), bare)
    house.ask(key="third")
    assert commits(bare) == commits(tree)


def test_a_file_rewritten_in_the_work_tree_fools_nobody(open_house: Callable[..., Any], tree: Path) -> None:
    house = open_house(checkpoints=f"git:{tree}")
    house.register()
    house.ask(key="first")
    first, *_, last = sorted(tree.rglob("checkpoint-*.json"))
    committed = GitSink(tree).newest()
    last.write_bytes(first.read_bytes())
    (last.parent / "checkpoint-000000000999.json").write_bytes(first.read_bytes())
    assert GitSink(tree).newest() == committed
    again = Platform.open(house.platform.keys_dir.parent, checkpoints=f"git:{tree}")
    assert again.alarm == ""
    house.ask(key="second")
    assert "999" not in git(tree, "ls-files")


def test_a_file_planted_where_a_checkpoint_will_lie_is_not_committed_in_its_place(
    open_house: Callable[..., Any], tree: Path
) -> None:
    house = open_house(checkpoints=f"git:{tree}")
    house.register()
    head = house.platform.ledger_entries("ada")[-1].seq
    for seq in range(head + 1, head + 9):
        path = tree / "000000000" / f"checkpoint-{seq:012d}.json"
        path.write_bytes(b"planted")
    house.ask()
    house.platform.verify_ledger(GitSink(tree).newest())


def test_a_git_sink_is_not_led_astray_by_a_git_that_called_the_program(
    open_house: Callable[..., Any], tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    open_house(checkpoints=f"git:{tree}")
    monkeypatch.delenv("GIT_DIR")
    assert commits(tree)
    assert not git(other, "for-each-ref")
    assert os.environ.get("GIT_DIR") is None


def deaf(house: Any, name: str = "entry") -> None:
    """From now on the database takes no new row in this table."""
    with house.platform._store.write() as connection:
        connection.execute(
            text(f"CREATE TRIGGER deaf BEFORE INSERT ON {name} BEGIN SELECT RAISE(ABORT, 'full'); END")
        )


def hearing(house: Any) -> None:
    with house.platform._store.write() as connection:
        connection.execute(text("DROP TRIGGER deaf"))


def test_an_action_whose_entry_cannot_be_written_does_not_happen(house: Any) -> None:
    house.register()
    done = house.ask(key="done")
    house.platform.run_once("worker")
    queued = house.ask(key="queued")
    dossier = house.platform.dossier("carol", done.id)
    ticks = tuple(dossier.body["must_tick"])
    before, people = house.scopes(), house.platform.people()
    deaf(house)
    for act in (
        lambda: house.ask(key="another"),
        lambda: house.platform.cancel("sam", queued.id),
        lambda: house.platform.audit_report("carol", done.id),
        lambda: house.platform.approve("carol", done.id, dossier.sha256, WHY, ticks),
        lambda: house.platform.add_person("eve", "Eve", ("auditor",)),
        lambda: house.register(version="2", title="Another title"),
    ):
        with pytest.raises(DatabaseError, match="full"):
            act()
    assert (house.scopes(), house.platform.people()) == (before, people)
    states = {one.id: (one.state, one.decisions) for one in house.platform.requests("carol")}
    assert states == {done.id: ("awaiting_decision", ()), queued.id: ("queued", ())}
    assert house.platform.verify_ledger() > 0
    hearing(house)
    assert house.platform.audit_report("carol", done.id)
    assert house.kinds()[-1] == "view"
    assert house.platform.approve("carol", done.id, dossier.sha256, WHY, ticks).decisions
    assert house.platform.add_person("eve", "Eve", ("auditor",)).id == "eve"


def test_a_run_whose_charge_cannot_be_entered_never_opens_the_source(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    monkeypatch.setattr(pipeline, "read_bytes", lambda *args: opened.append(args))
    house.register()
    house.ask()
    deaf(house)
    with pytest.raises(DatabaseError, match="full"):
        house.platform.run_once("worker")
    assert opened == []
    assert {one.spent_nano for one in house.scopes().values()} == {0}
