"""Checkpoints outside: an older copy, a fork or another ledger is noticed, and nothing is changed then."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.errors import BadInput, BudgetExceeded, IntegrityError
from dpsynth.ledger.checkpoint import PAYLOAD_TYPE, checkpoint_bytes
from dpsynth.publish.dsse import pack, sign
from dpsynth.publish.keys import load_private_key
from dpsynth.service import Platform

REASON = "Read, discussed, and fine for a course."


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    path = tmp_path / "sink"
    path.mkdir()
    return path


@pytest.fixture
def house(open_house: Callable[..., Any], sink: Path) -> Any:
    house = open_house(checkpoints=f"dir:{sink}")
    house.register()
    return house


def home_of(house: Any) -> Path:
    home: Path = house.platform.keys_dir.parent
    return home


def kept(sink: Path) -> list[Path]:
    return sorted(sink.rglob("checkpoint-*.json"))


def newest(sink: Path) -> bytes:
    return kept(sink)[-1].read_bytes()


def number(path: Path) -> int:
    return int(path.stem.removeprefix("checkpoint-"))


def copy_out(house: Any, path: Path) -> Path:
    """A backup of the database as a careful administrator makes one."""
    with (
        closing(sqlite3.connect(home_of(house) / "ledger.sqlite")) as live,
        closing(sqlite3.connect(path)) as to,
    ):
        live.backup(to)
    return path


def put_back(house: Any, copy: Path, **options: str) -> Any:
    """The same state with the copy in place of its database, opened again."""
    house.platform._store._engine.dispose()
    home = home_of(house)
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        (home / name).unlink(missing_ok=True)
    shutil.copy(copy, home / "ledger.sqlite")
    return replace(house, platform=Platform.open(home, **options))


def assert_refuses_every_change(house: Any) -> None:
    platform = house.platform
    before = platform.ledger_entries("ada")
    for act in (
        lambda: house.ask(),
        lambda: platform.run_once("worker"),
        lambda: platform.approve("carol", "r-any", "0" * 64, REASON, ()),
        lambda: platform.add_person("eve", "Eve", ("auditor",)),
        lambda: platform.checkpoint("ada"),
        lambda: house.register(version="2", title="Another title"),
    ):
        with pytest.raises(IntegrityError, match="read-only") as refused:
            act()
        assert refused.value.exit_code == 5
    assert platform.ledger_entries("ada") == before


def test_every_change_of_state_leaves_a_signed_checkpoint_outside_also_a_refusal(
    house: Any, sink: Path
) -> None:
    platform = house.platform

    def refused() -> None:
        with pytest.raises(BudgetExceeded):
            house.ask("0.02", key="too much")

    def decide() -> None:
        platform.reject("carol", asked[1].id, platform.dossier("carol", asked[1].id).sha256, REASON)

    asked: list[Any] = []
    for act in (
        lambda: platform.add_person("eve", "Eve", ("auditor",)),
        lambda: asked.append(house.ask("0.02")),
        lambda: asked.append(house.ask("0.02")),
        refused,
        lambda: platform.cancel("sam", asked[0].id),
        lambda: platform.run_once("worker"),
        lambda: platform.audit_report("carol", asked[1].id),
        decide,
        lambda: house.register(version="2", title="Another title"),
    ):
        before = len(kept(sink))
        act()
        assert len(kept(sink)) > before
        assert number(kept(sink)[-1]) == platform.ledger_entries("ada")[-1].seq
        platform.verify_ledger(newest(sink))


def test_reading_leaves_no_checkpoint(house: Any, sink: Path) -> None:
    request = house.ask()
    before = kept(sink)
    platform = house.platform
    platform.quote("sam", house.form())
    platform.explain("sam", request.id)
    platform.plan_budget("sam", "visits")
    platform.budget("carol")
    platform.verify_ledger()
    assert kept(sink) == before


def test_an_older_copy_that_was_put_back_opens_for_reading_only(
    house: Any, sink: Path, tmp_path: Path
) -> None:
    copy = copy_out(house, tmp_path / "copy")
    house.ask()
    house.platform.run_once("worker")
    old = put_back(house, copy, checkpoints=f"dir:{sink}")
    assert "older copy was put back" in old.platform.alarm
    assert_refuses_every_change(old)
    with pytest.raises(IntegrityError, match="older copy"):
        old.platform.verify_ledger()
    assert old.platform.requests("carol") == []
    assert old.platform.quote("sam", old.form()).fits
    assert old.platform.dataset("visits").policy.version == "1"


@pytest.fixture
def unwitnessed(open_house: Callable[..., Any], sink: Path, tmp_path: Path) -> tuple[Any, Path]:
    """A ledger that is witnessed from now on, and a copy of it from before."""
    house = open_house()
    house.register()
    copy = copy_out(house, tmp_path / "copy")
    return replace(house, platform=Platform.open(home_of(house), checkpoints=f"dir:{sink}")), copy


def test_without_a_sink_a_copy_from_before_the_first_one_looks_whole(
    unwitnessed: tuple[Any, Path], sink: Path
) -> None:
    house, copy = unwitnessed
    house.ask()
    house.platform.run_once("worker")
    last = newest(sink)
    old = put_back(house, copy)
    assert old.platform.alarm == ""
    assert old.platform.verify_ledger() == len(old.platform.ledger_entries("ada"))
    with pytest.raises(IntegrityError, match="older copy"):
        old.platform.verify_ledger(last)
    assert "older copy" in Platform.open(home_of(house), checkpoints=f"dir:{sink}").alarm


def test_a_copy_of_now_is_no_older_copy(house: Any, sink: Path, tmp_path: Path) -> None:
    house.ask()
    same = put_back(house, copy_out(house, tmp_path / "copy"), checkpoints=f"dir:{sink}")
    assert same.platform.alarm == ""
    same.ask(key="another")
    assert same.platform.verify_ledger() > 0


@pytest.fixture
def forked(unwitnessed: tuple[Any, Path], sink: Path) -> tuple[Any, bytes]:
    """A ledger that went on from an older copy, unwitnessed and further; the true one's last checkpoint."""
    house, copy = unwitnessed
    house.ask(key="true")
    last = newest(sink)
    fork = put_back(house, copy)
    for key in ("false", "falser", "falsest"):
        fork.ask("0.001", key=key)
    return fork, last


def test_a_history_that_was_forked_is_found_at_the_start(forked: tuple[Any, bytes], sink: Path) -> None:
    house, _ = forked
    again = replace(house, platform=Platform.open(home_of(house), checkpoints=f"dir:{sink}"))
    assert "history was forked" in again.platform.alarm
    assert_refuses_every_change(again)
    with pytest.raises(IntegrityError, match="forked"):
        again.platform.verify_ledger()


def test_a_history_that_was_forked_is_found_with_a_checkpoint_that_somebody_kept(
    forked: tuple[Any, bytes], sink: Path
) -> None:
    house, last = forked
    assert house.platform.verify_ledger() > 0
    assert house.platform.verify_ledger(kept(sink)[0].read_bytes()) > 0
    with pytest.raises(IntegrityError, match="history was forked"):
        house.platform.verify_ledger(last)


def test_the_alarm_is_not_silenced_by_trying_again(forked: tuple[Any, bytes], sink: Path) -> None:
    house, _ = forked
    before = kept(sink)
    for _ in range(3):
        again = replace(house, platform=Platform.open(home_of(house), checkpoints=f"dir:{sink}"))
        assert "history was forked" in again.platform.alarm
        assert_refuses_every_change(again)
    assert kept(sink) == before


def test_of_two_copies_at_work_at_once_the_second_is_stopped_at_its_next_step(
    house: Any, sink: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    shutil.copytree(home_of(house), second, ignore=shutil.ignore_patterns("ledger.sqlite*"))
    copy_out(house, second / "ledger.sqlite")
    twin = replace(house, platform=Platform.open(second, checkpoints=f"dir:{sink}"))
    assert twin.platform.alarm == ""
    house.ask(key="first")
    assert_refuses_every_change(twin)
    house.ask(key="second")


def test_a_ledger_started_anew_is_refused_by_the_sink_of_the_old_one(
    house: Any, sink: Path, tmp_path: Path
) -> None:
    house.ask()
    anew = Platform.open(tmp_path / "anew", checkpoints=f"dir:{sink}")
    assert "not one of this ledger" in anew.alarm
    with pytest.raises(IntegrityError):
        anew.add_person("eve", "Eve", ("auditor",))
    assert Platform.open(tmp_path / "elsewhere", checkpoints="").alarm == ""


def test_a_checkpoint_of_another_ledger_is_no_checkpoint_of_this_one(house: Any) -> None:
    taken, envelope = house.platform._watch.take()
    assert house.platform.verify_ledger(envelope) > 0
    other = house.platform._watch.sign(replace(taken, origin="0" * 64))
    with pytest.raises(IntegrityError, match="another ledger"):
        house.platform.verify_ledger(other)


def _by_a_person(house: Any, envelope: bytes) -> bytes:
    taken, _ = house.platform._watch.take()
    payload = checkpoint_bytes(taken)
    key = load_private_key(home_of(house) / "secrets" / "dana.pem")
    return pack(payload, PAYLOAD_TYPE, [sign(payload, PAYLOAD_TYPE, key)], "checkpoint")


FALSE: dict[str, Callable[[Any, bytes], bytes]] = {
    "signed by a person": _by_a_person,
    "signed by nobody": lambda house, envelope: pack(
        checkpoint_bytes(house.platform._watch.take()[0]), PAYLOAD_TYPE, [], "checkpoint"
    ),
    "altered": lambda house, envelope: envelope.replace(b'"payload":"ey', b'"payload":"eY', 1),
    "cut": lambda house, envelope: envelope[:-1],
    "another kind of document": lambda house, envelope: envelope.replace(
        b"checkpoint+json", b"attest+json", 1
    ),
    "empty": lambda house, envelope: b"",
}


@pytest.mark.parametrize("false", FALSE.values(), ids=FALSE)
def test_a_checkpoint_that_the_service_did_not_sign_or_that_was_altered_is_refused(
    house: Any, sink: Path, false: Callable[[Any, bytes], bytes]
) -> None:
    house.ask()
    made = false(house, newest(sink))
    assert made != newest(sink)
    with pytest.raises(IntegrityError):
        house.platform.verify_ledger(made)
    kept(sink)[-1].write_bytes(made)
    assert Platform.open(home_of(house), checkpoints=f"dir:{sink}").alarm


@pytest.mark.parametrize("words", ["dir:/no/such/place", "git:.", "s3:bucket", "dir:", "nonsense"])
def test_a_sink_that_is_not_there_or_not_understood_is_bad_input(tmp_path: Path, words: str) -> None:
    words = words.replace(".", str(tmp_path))
    with pytest.raises(BadInput, match="sink"):
        Platform.open(tmp_path / "state", checkpoints=words)
