"""The doctor names each planted fault and what to do, changes nothing, and finds none where there is none."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpsynth.publish.keys import new_key, write_public_key
from dpsynth.service import doctor, doctor_ledger

SAFE = """
[server]
address = "localhost"
[browser]
gatherUsageStats = false
[client]
showErrorDetails = "none"
"""


@pytest.fixture
def place(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A healthy, witnessed state; the commands are run where its pages' options lie."""
    monkeypatch.chdir(tmp_path)
    for name in ("DPSYNTH_DEMO", "DPSYNTH_DATABASE", "DPSYNTH_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text(SAFE)
    (tmp_path / "sink").mkdir()
    return fresh


@pytest.fixture
def look(run: Any, place: Path, tmp_path: Path) -> Callable[..., dict[str, tuple[str, str]]]:
    """What the doctor says that is not ok: state and words of each thing; asserts the exit code."""

    def call(*options: str, sinks: str = "") -> dict[str, tuple[str, str]]:
        where = sinks or f"dir:{tmp_path / 'sink'}"
        answer = run("--checkpoints", where, *options, "doctor", "--json", state=place)
        checks = answer.json["checks"]
        assert answer.code == (5 if any(one["state"] == "fault" for one in checks) else 0)
        assert answer.json["healthy"] == (answer.code == 0)
        assert all(one["remedy"] for one in checks if one["state"] != "ok")
        return {one["checked"]: (one["state"], one["found"]) for one in checks if one["state"] != "ok"}

    assert run("--checkpoints", f"dir:{tmp_path / 'sink'}", "people", "list", state=place).code == 0
    return call


def sql(state: Path, statement: str) -> None:
    with sqlite3.connect(state / "ledger.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def everything(state: Path) -> dict[str, tuple[int, bytes]]:
    """Names, modes and contents; of the database what is in it, as any reader may tidy its files."""
    found = [path for path in sorted(state.rglob("*")) if not path.name.startswith("ledger.sqlite")]
    kept = {
        str(path.relative_to(state)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in found
    }
    with sqlite3.connect(state / "ledger.sqlite") as connection:
        kept["database"] = (0, "\n".join(connection.iterdump()).encode())
    connection.close()
    return kept


def test_a_healthy_state_has_no_fault_and_is_left_as_it_is(look: Any, place: Path) -> None:
    before = everything(place)
    assert {state for state, _ in look().values()} <= {"warning"}
    assert set(look()) <= {"versions"}
    assert everything(place) == before


def test_what_is_printed_for_people_says_what_to_do(run: Any, place: Path) -> None:
    (place / "secrets" / "carol.pem").chmod(0o644)
    answer = run("doctor", state=place)
    assert answer.code == 5
    assert "fault    permissions: others may use secrets: secrets/carol.pem" in answer.out
    assert "To do: treat these keys as lost" in answer.out


def break_database(state: Path) -> None:
    for path in state.glob("ledger.sqlite*"):  # a new file: connections that are still open read the old one
        path.unlink()
    (state / "ledger.sqlite").write_bytes(b"no database at all " * 500)


def lose_database(state: Path) -> None:
    (state / "ledger.sqlite").unlink()


def empty_database(state: Path) -> None:
    for path in state.glob("ledger.sqlite*"):
        path.unlink()
    (state / "ledger.sqlite").touch()


def other_schema(state: Path) -> None:
    sql(state, "UPDATE alembic_version SET version_num = '9999'")


def loosen_directory(state: Path) -> None:
    state.chmod(0o755)


def loosen_review(state: Path) -> None:
    (state / "review" / "note.txt").write_text("x")
    (state / "review" / "note.txt").chmod(0o640)


def lose_directory(state: Path) -> None:
    shutil.rmtree(state / "bundles")


def lose_private_key(state: Path) -> None:
    (state / "secrets" / "carol.pem").unlink()


def swap_private_key(state: Path) -> None:
    shutil.copy(state / "secrets" / "dana.pem", state / "secrets" / "carol.pem")


def lose_public_key(state: Path) -> None:
    (state / "keys" / "carol.json").unlink()


def plant_public_key(state: Path) -> None:
    key = new_key(state / "stranger.pem", "stranger", ("compliance_officer",))
    write_public_key(state / "keys" / "stranger.json", key)


def break_public_key(state: Path) -> None:
    (state / "keys" / "carol.json").write_text("{}")


def other_roles(state: Path) -> None:
    sql(state, """UPDATE person SET roles = '["auditor"]' WHERE id = 'carol'""")


def old_backup(state: Path) -> None:
    """The sink knows more than the database."""
    seen = sqlite3_rows(state, "SELECT max(seq) FROM entry")[0][0]
    for name in ("entry_no_update", "entry_no_delete"):
        sql(state, f"DROP TRIGGER {name}")
    sql(state, f"DELETE FROM entry WHERE seq = {seen}")
    before = sqlite3_rows(state, f"SELECT hash FROM entry WHERE seq = {seen - 1}")[0][0]
    sql(state, f"UPDATE head SET seq = {seen - 1}, hash = '{before}'")


def sqlite3_rows(state: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(state / "ledger.sqlite") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def notices_without_key(state: Path) -> None:
    columns = "id, webhook, email, smtp, sender, link, actor, time"
    values = "1, 'https://h.example.org', '', '', '', '', 'carol', ''"
    sql(state, f"INSERT INTO notice_setting ({columns}) VALUES ({values})")


@pytest.mark.parametrize(
    ("plant", "named", "words"),
    [
        (break_database, "database", "not a ledger|cannot be reached"),
        (lose_database, "database", "there is none"),
        (empty_database, "database", "empty"),
        (other_schema, "database", "9999"),
        (loosen_directory, "permissions", "others may use: [.]"),
        (loosen_review, "permissions", "review/note.txt"),
        (lose_directory, "state directory", "bundles"),
        (lose_private_key, "keys", "carol"),
        (swap_private_key, "keys", "carol: the private key is another one"),
        (lose_public_key, "keys", "carol: the public key is missing"),
        (plant_public_key, "keys", "stranger is not the database's"),
        (break_public_key, "keys", "carol.json is not a public key file"),
        (other_roles, "keys", "carol: the public key states other roles"),
        (old_backup, "checkpoints", "older copy"),
        (notices_without_key, "notices", "the key of the webhook's signatures is missing"),
    ],
)
def test_each_planted_fault_is_named(
    look: Any, place: Path, plant: Callable[[Path], None], named: str, words: str
) -> None:
    plant(place)
    found = look()
    assert found[named][0] == "fault", found
    assert re.search(words, found[named][1]), found
    follows = {"checkpoints"} if plant is break_public_key else set()  # they are signed by these keys
    assert set(found) - {"versions"} == {named} | follows, "nothing else is accused"


def test_a_sink_that_is_down_or_unnamed_or_behind(
    look: Any, place: Path, tmp_path: Path, run: Any, kit: Any
) -> None:
    assert look(sinks=f"dir:{tmp_path / 'nowhere'}")["checkpoints"][0] == "fault"
    assert look(sinks=" ")["checkpoints"][0] == "fault"
    shutil.move(tmp_path / "sink", tmp_path / "moved")
    (tmp_path / "sink").mkdir()
    assert "gone or was emptied" in look()["checkpoints"][1]


def test_nobody_who_witnesses_is_a_warning(run: Any, place: Path) -> None:
    answer = run("doctor", "--json", state=place)
    assert answer.code == 0
    found = {one["checked"]: one for one in answer.json["checks"]}["checkpoints"]
    assert (found["state"], "outside" in found["found"]) == ("warning", True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nenableXsrfProtection = false\n", "server.enableXsrfProtection"),
        ("[browser]\ngatherUsageStats = true\n", "browser.gatherUsageStats"),
        ("[client]\nshowErrorDetails = 'full'\n", "client.showErrorDetails"),
        ("[server]\naddress = '0.0.0.0'\n", "server.address"),
        ("[theme]\nbase = 'light'\n", "client.showErrorDetails"),
        ("[client\n", "cannot be read"),
    ],
)
def test_unsafe_options_of_the_pages_are_named(look: Any, tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / ".streamlit" / "config.toml").write_text(text)
    state, words = look()["pages"]
    assert (state, named in words) == ("fault", True)


def test_without_a_file_the_options_are_those_that_serve_sets(look: Any, tmp_path: Path) -> None:
    (tmp_path / ".streamlit" / "config.toml").unlink()
    assert "pages" not in look()


def test_sign_in_secrets_that_others_may_read_and_a_demo_sign_in(
    look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.write_text("[auth]\ncookie_secret = 'x'\n")
    secrets.chmod(0o644)
    assert look()["sign-in"][0] == "fault"
    secrets.chmod(0o600)
    assert "sign-in" not in look()
    monkeypatch.setenv("DPSYNTH_DEMO", "1")
    assert look()["sign-in"][0] == "warning"


def test_a_clock_that_is_wrong(look: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime, timedelta

    real = datetime.now(UTC)

    def at(moment: datetime) -> type[datetime]:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return moment

        return Clock

    monkeypatch.setattr(doctor_ledger, "datetime", at(real - timedelta(hours=2)))
    assert "lies in the future" in look()["clock"][1]
    monkeypatch.setattr(doctor_ledger, "datetime", at(datetime(1970, 1, 2, tzinfo=UTC)))
    assert "cannot be right" in look()["clock"][1]
    monkeypatch.setattr(doctor_ledger, "datetime", datetime)
    monkeypatch.setenv("TZ", "XXX-3")
    time.tzset()
    assert look()["time zone"][0] == "warning"
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert "time zone" not in look()


def test_a_full_disk_and_other_versions(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: SimpleNamespace(free=10**9))
    assert look()["disk"][0] == "warning"
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: SimpleNamespace(free=10**6))
    assert look()["disk"][0] == "fault"
    monkeypatch.setattr(doctor, "_installed", lambda name: "0.0.1" if name == "numpy" else "")
    assert look()["versions"] == ("warning", "not as in constraints.txt: numpy")


def test_a_damaged_engine_is_a_warning_and_an_absent_state_a_fault(run: Any, look: Any, place: Path) -> None:
    (place / "engines" / "smartnoise").mkdir(parents=True)
    (place / "engines" / "smartnoise" / "engine.json").write_text("{")
    assert look()["engine smartnoise"][0] == "warning"
    answer = run("doctor", "--json", state=place / "nowhere")
    assert (answer.code, answer.error["exit_code"]) == (5, 5)
    assert not (place / "nowhere").exists()


@pytest.mark.parametrize("address", ["postgresql://nobody:918273645@localhost:1/x", "mysql://x/y"])
def test_a_server_that_cannot_be_reached_is_a_fault_and_its_password_is_not_printed(
    look: Any, address: str
) -> None:
    state, words = look("--database", address)["database"]
    assert state == "fault"
    assert "918273645" not in words


def test_the_doctor_needs_no_pages_and_no_torch(place: Path) -> None:
    code = (
        "import sys; from dpsynth.cli import main; "
        "main(['--state', sys.argv[1], 'doctor']); print(sorted({'streamlit', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines()[-1] == "[]"
