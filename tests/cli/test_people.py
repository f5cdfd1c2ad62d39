"""``people`` and the auditor's commands: set-up, two admins, accounts, objections; and what a demo marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dpsynth.cli.demo_walk import ensure_people
from dpsynth.service import Platform

ACCOUNT = ("--issuer", "https://id.test", "--subject", "7")


def test_people_come_with_roles_until_two_are_admins_and_then_by_two_admins(run: Any, tmp_path: Path) -> None:
    state = tmp_path / "state"
    for person, role in (("sam", "data_scientist"), ("amal", "admin"), ("bela", "admin")):
        assert run("people", "add", person, person.title(), "--role", role, state=state).code == 0
    assert run("people", "add", "eve", "Eve", "--role", "auditor", state=state, person="amal").code == 3
    assert run("people", "add", "rolf", "Rolf", state=state, person="amal").code == 0
    proposed = run("people", "grant", "rolf", "auditor", "--json", state=state, person="amal").json[
        "proposal"
    ]
    assert run("people", "confirm", proposed, state=state, person="amal").code == 3
    listed = run("people", "proposals", state=state, person="bela").out
    assert all(word in listed for word in (proposed, "grant", "rolf", "auditor", "amal"))
    assert run("people", "confirm", proposed, state=state, person="bela").code == 0
    assert run("people", "take", "sam", "data_scientist", state=state, person="bela").code == 0
    assert "Two admins must remain" in run("people", "take", "amal", "admin", state=state, person="bela").err
    rotated = run("people", "rotate", "rolf", "--json", state=state, person="bela").json["proposal"]
    assert run("people", "withdraw", rotated, state=state, person="amal").code == 0
    assert run("people", "confirm", rotated, state=state, person="amal").code == 6
    people = {one["id"]: one["roles"] for one in run("people", "list", "--json", state=state).json["people"]}
    assert people == {"amal": ["admin"], "bela": ["admin"], "rolf": ["auditor"], "sam": []}
    assert run("people", "looks", state=state, person="rolf").code == 0
    assert run("people", "looks", state=state, person="amal").code == 3
    assert run("ledger", "verify", state=state).code == 0


def test_an_account_is_linked_once_and_named_in_one_way(run: Any, fresh: Path) -> None:
    assert run("people", "link", "sam", *ACCOUNT, state=fresh).code == 0
    assert run("people", "link", "carol", *ACCOUNT, state=fresh).code == 6
    assert run("people", "link", "nobody", "--issuer", "i", "--subject", "9", state=fresh).code == 3
    both = run("people", "link", "carol", *ACCOUNT, "--email", "c@x.org", state=fresh)
    neither = run("people", "link", "carol", "--issuer", "https://id.test", state=fresh)
    assert {both.code, neither.code} == {2}
    assert run("people", "unlink", *ACCOUNT, state=fresh).code == 0
    assert run("people", "unlink", *ACCOUNT, state=fresh).code == 6
    assert run("people", "link", "carol", *ACCOUNT, state=fresh).code == 0
    assert run("ledger", "verify", state=fresh).code == 0


def test_an_auditor_objects_withdraws_and_signs_reviewed(run: Any, walked: Any) -> None:
    read = ("--dossier", walked.dossier(run, walked.sams))
    assert run("people", "add", "iris", "Iris", "--role", "auditor", state=walked.state).code == 0
    words = ("object", walked.sams, *read, "--reason", "A group is too small.", "--json")
    assert run(*words, state=walked.state, person="carol").code == 3
    objection = run(*words, state=walked.state, person="iris").json["id"]
    ticks = [word for number in (1, 2, 3) for word in ("--tick", number)]
    approve = ("approve", walked.sams, *read, *ticks, "--reason", "Read and discussed.")
    refused = run(*approve, state=walked.state, person="carol")
    assert refused.code == 3
    assert "An auditor objects" in refused.err
    assert run("withdraw", objection, state=walked.state, person="iris").code == 0
    assert run(*approve, state=walked.state, person="carol").code == 0
    assert run("review", walked.sams, *read, state=walked.state, person="iris").code == 0
    assert run("review", walked.sams, *read, state=walked.state, person="iris").code == 6
    assert run("ledger", "verify", state=walked.state).code == 0


def test_a_demo_marks_a_new_state_and_no_state_of_real_people(tmp_path: Path) -> None:
    new, real = Platform.open(tmp_path / "new"), Platform.open(tmp_path / "real")
    real.add_person("carol", "Carol", ("compliance_officer",))
    for platform in (new, real):
        ensure_people(platform)
        ensure_people(platform)
    assert (new.access.is_demo, real.access.is_demo) == (True, False)
