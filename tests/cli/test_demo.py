"""``dpsynth demo``: the whole walk, again on the same ledger, and an honest end when the budget is gone."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dpsynth.cli import demo_walk
from dpsynth.cli.demo_table import find_policy, write_rand_hie
from dpsynth.cli.demo_walk import RunFailed, approve_all, follow, require_publishable
from dpsynth.cli.session import Session
from dpsynth.core.errors import AuditBlocked, BadInput


def test_the_demo_walks_twice_on_one_ledger_and_then_says_that_the_budget_is_gone(
    run: Any, tmp_path: Path
) -> None:
    state = tmp_path / "demo"
    words = ("demo", "--synthesizer", "independent")
    first = run(*words, "--json", state=state)
    assert first.code == 0, first.out
    assert [one["more_such_releases"] for one in first.json["budget"]] == [1] * 4
    check = shlex.split(first.json["verify"])[1:]
    assert run(*check, "--json").json["release_id"] == first.json["request"]

    second = run(*words, state=state)
    assert second.code == 0, second.err
    stations = ["table", "people", "register", "request", "reserve", "committing", "opening", "fitting"]
    stations += [
        "sampling",
        "auditing",
        "measuring",
        "packing",
        "verdict",
        "approve",
        "publish",
        "verify",
        "bundle",
        "left",
    ]
    starts = [line.split(" ")[0] for line in second.out.splitlines()]
    assert [name for name in starts if name in stations] == [*stations, *["left"] * 3]
    assert second.out.count("room for 0 more such release(s)") == 4

    third = run(*words, "--json", state=state)
    assert (third.code, third.error["kind"]) == (4, "budget")
    assert "--state" in third.error["remedy"]
    requests = run("request", "list", "--json", state=state, person="carol").json["requests"]
    assert [one["state"] for one in requests] == ["refused", "published", "published"]
    assert run("ledger", "verify", state=state).code == 0


def test_the_demo_table_is_readable_by_its_owner_only_and_always_the_same(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    write_rand_hie(path)
    before = path.read_bytes()
    write_rand_hie(path)
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    header, first, *rows = before.decode().splitlines()
    assert header == "mdvis,lncoins,idp,lpi,fmde,physlm,disea,hlthg,hlthf,hlthp"
    assert first == "0,4.61512,1,6.907755,0,0,13.73189,1,0,0"
    assert len(rows) == 20_189
    assert [one.name for one in path.parent.iterdir()] == ["table.csv"]


def test_without_statsmodels_the_demo_says_how_to_get_it(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.datasets", None)
    answer = run("demo", "--json", state=tmp_path / "demo")
    assert answer.code == 2
    assert "dpsynth-platform[demo]" in answer.error["remedy"]


def test_the_policy_is_the_chosen_one_else_of_this_directory_else_of_the_repository(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_policy(Path("mine.yaml")) == Path("mine.yaml")
    assert find_policy(None) == kit.root / "policies" / "rand-health.yaml"
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "rand-health.yaml").touch()
    assert find_policy(None) == tmp_path / "policies" / "rand-health.yaml"
    (tmp_path / "policies" / "rand-health.yaml").unlink()
    monkeypatch.setattr("dpsynth.__file__", str(tmp_path / "lib" / "dpsynth" / "__init__.py"))
    with pytest.raises(BadInput):
        find_policy(None)


def test_a_blocked_audit_ends_the_demo_with_its_reasons(walked: Any) -> None:
    from dpsynth.service import Platform

    platform = Platform.open(walked.state)
    with pytest.raises(AuditBlocked, match=r"verdict is inconclusive: .*R") as caught:
        require_publishable(platform, platform.request("dana", walked.blocked))
    assert caught.value.exit_code == 7


def test_a_verdict_that_needs_a_reason_is_approved_with_the_reason_it_names(walked: Any) -> None:
    from dpsynth.service import Platform

    platform = Platform.open(walked.state)
    dossier = require_publishable(platform, platform.request("dana", walked.sams))
    approve_all(platform, dossier)
    view = platform.request("dana", walked.sams)
    assert view.state == "approved"
    assert all(dossier.body["audit"]["why"][0] in one.reason for one in view.decisions)


class _Stuck:
    """A platform whose request stays queued."""

    def request(self, _actor: str, _request_id: str) -> SimpleNamespace:
        return SimpleNamespace(state="queued", stage="queued")


def test_a_worker_that_cannot_start_ends_the_demo_with_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_walk, "_POLL_SECONDS", 0.01)
    place = tmp_path / "file"
    place.touch()
    platform: Any = _Stuck()
    with pytest.raises(RunFailed, match="exit code 2: The state path is not a directory"):
        follow(platform, place, "r-1", lambda stage: None)


def test_the_worker_of_the_demo_is_given_the_same_database_and_sinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_walk, "_POLL_SECONDS", 0.01)
    platform: Any = _Stuck()
    for here, words in (
        (Session(tmp_path / "state", "sam", database="nonsense"), "The database address"),
        (Session(tmp_path / "state", "sam", checkpoints="nonsense"), "checkpoint"),
    ):
        with pytest.raises(RunFailed, match=f"exit code 2: .*{words}"):
            follow(platform, here.state, "r-1", lambda stage: None, here.environment)


def test_a_run_that_fails_ends_the_demo_and_draws_no_bar_as_done(
    run: Any, kit: Any, fresh: Path, files: Path
) -> None:
    from dpsynth.service import Platform

    run("dataset", "register", files / "policy.yaml", files / "table.csv", state=fresh, person="dana")
    request = run(*kit.submit_words(), "--json", state=fresh, person="sam").json["id"]
    (files / "table.csv").unlink()
    seen: list[str] = []
    with pytest.raises(RunFailed, match="The run ended after its budget was spent") as caught:
        follow(Platform.open(fresh), fresh, request, seen.append)
    assert "done" not in seen
    assert caught.value.exit_code == 1


def test_ctrl_c_in_the_demo_ends_its_worker_and_leaves_the_ledger_right(tmp_path: Path) -> None:
    from dpsynth.service import Platform

    state = tmp_path / "state"
    process = subprocess.Popen(
        [sys.executable, "-m", "dpsynth.cli", "--state", str(state), "demo", "--synthesizer", "mst"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    stages = {"opening", "fitting", "sampling", "auditing"}
    while process.poll() is None:
        time.sleep(0.1)
        if (state / "keys" / "dana.json").exists():
            asked = Platform.open(state).requests("dana")
            if any(one.stage in stages for one in asked):
                break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the demo and to its worker
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    platform = Platform.open(state)
    (request,) = platform.requests("dana")
    assert request.state == "failed"
    assert err == f"stopped. {request.id}: failed. {request.message}\n"
    assert "after its budget was spent" in request.message
    people = platform.budget("dana")[0]
    assert (people.spent_nano, people.held_nano) == (request.rho_nano, 0)
    assert platform.verify_ledger() > 0
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
