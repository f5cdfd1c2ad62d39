"""Requests and decisions: who may do what, and the exit code of each refusal."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

ALL_TICKS = ("--tick", "1", "--tick", "2", "--tick", "3")
REASON = ("--reason", "Inconclusive because the table is small; fine for a course.")


@pytest.fixture
def registered(run: Any, fresh: Path, files: Path) -> Path:
    words = ("dataset", "register", files / "policy.yaml", files / "table.csv")
    assert run(*words, state=fresh, person="dana").code == 0
    return fresh


def approve(run: Any, walked: Any, person: str, request: str, *more: str) -> Any:
    words = ("--dossier", walked.dossier(run, request), *ALL_TICKS, *REASON, *more, "--json")
    return run("approve", request, *words, state=walked.state, person=person)


def test_one_key_and_one_request_is_one_charge(run: Any, kit: Any, registered: Path) -> None:
    words = (*kit.submit_words(key="k1"), "--json")
    first = run(*words, state=registered, person="sam")
    again = run(*words, state=registered, person="sam")
    assert (first.code, again.code) == (0, 0)
    assert first.json["id"] == again.json["id"]
    assert len(run("request", "list", "--json", state=registered, person="sam").json["requests"]) == 1


def test_one_key_for_two_requests_is_a_conflict(run: Any, kit: Any, registered: Path) -> None:
    run(*kit.submit_words(key="k1"), state=registered, person="sam")
    other = run(*kit.submit_words(key="k1", rho="0.011"), "--json", state=registered, person="sam")
    assert (other.code, other.error["kind"]) == (6, "conflict")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"purpose": "x" * 4001}, 2),
        ({"recipients": "x" * 4001}, 2),
        ({"key": "x" * 4001}, 2),
        ({"purpose": "too short"}, 2),
        ({"purpose": "\x1b[2J" + "x" * 100}, 2),
        ({"purpose": "\u202e" + "x" * 100}, 2),
        ({"purpose": "\udcff" + "x" * 100}, 2),
        ({"rho": "-1"}, 2),
        ({"rho": "NaN"}, 2),
        ({"epsilon": "1"}, 2),
        ({"dataset": "nosuch"}, 2),
        ({"dataset": "../../etc/passwd"}, 2),
        ({"synthesizer": "nosuch"}, 3),
        ({"rho": "0.03"}, 3),
    ],
)
def test_a_bad_request_is_refused_before_anything_is_held(
    run: Any, kit: Any, registered: Path, change: dict[str, str], code: int
) -> None:
    answer = run(*kit.submit_words(**change), "--json", state=registered, person="sam")
    assert (answer.code, answer.error["exit_code"]) == (code, code)
    assert not kit.unsafe(answer.out + answer.err)
    assert run("request", "list", "--json", state=registered, person="sam").json == {"requests": []}


@pytest.mark.parametrize("number", ["1e400", "1e999999999", "1e-999999999", "inf", "0", "0x10", "1,5"])
@pytest.mark.parametrize("name", ["rho", "epsilon"])
def test_an_absurd_budget_is_refused_and_is_no_fault_of_the_program(
    run: Any, kit: Any, registered: Path, name: str, number: str
) -> None:
    words = [word for word in kit.submit_words() if word not in {"--rho", "0.01"}]
    answer = run(*words, f"--{name}", number, "--json", state=registered, person="sam")
    assert answer.code in {2, 3}
    assert answer.error["kind"] in {"bad_input", "refused_by_policy"}


def test_a_purpose_of_the_longest_length_is_accepted(run: Any, kit: Any, registered: Path) -> None:
    assert run(*kit.submit_words(purpose="x" * 4000), state=registered, person="sam").code == 0


def test_a_request_that_the_budget_cannot_hold_is_refused(run: Any, kit: Any, registered: Path) -> None:
    for number in range(2):
        assert run(*kit.submit_words(rho="0.024", key=str(number)), state=registered, person="sam").code == 0
    third = run(*kit.submit_words(rho="0.024", key="2"), "--json", state=registered, person="sam")
    assert (third.code, third.error["kind"]) == (4, "budget")
    refused = run("request", "list", "--json", state=registered, person="sam").json["requests"][0]
    assert refused["state"] == "refused"
    assert f"`dpsynth ledger explain {refused['id']}`" in third.error["remedy"]
    explained = run("ledger", "explain", refused["id"], "--json", state=registered, person="sam")
    assert (explained.code, explained.json["state"]) == (0, "REFUSED")
    assert explained.json["scopes"][0]["refusal"] in third.error["what"]
    (fits,) = {one["would_fit"] for one in explained.json["scopes"]}
    assert fits.startswith("rho 0.010373523, epsilon 0.")
    words = [word for word in kit.submit_words() if word not in {"--rho", "0.01"}]
    for name, number in (("--rho", fits[4:15]), ("--epsilon", fits.split()[3])):
        asked = run(*words, name, number, "--dry-run", "--json", state=registered, person="sam")
        assert (asked.code, asked.json["fits"]) == (0, True), number
    dry = run(*kit.submit_words(rho="0.024"), "--dry-run", "--json", state=registered, person="sam")
    assert (dry.code, dry.json["fits"]) == (0, False)


def test_a_cancelled_request_gives_its_hold_back_and_cannot_be_cancelled_twice(
    run: Any, kit: Any, registered: Path
) -> None:
    request = run(*kit.submit_words(), "--json", state=registered, person="sam").json["id"]
    assert run("request", "cancel", request, state=registered, person="dana").code == 3
    assert (
        run("request", "cancel", request, "--json", state=registered, person="sam").json["state"]
        == "cancelled"
    )
    assert run("request", "cancel", request, state=registered, person="sam").code == 6
    quote = run(*kit.submit_words(), "--dry-run", "--json", state=registered, person="sam").json
    assert {one["held_nano"] for one in quote["scopes"]} == {0}


@pytest.mark.parametrize(
    "words",
    [
        ("request", "show", "nosuch"),
        ("request", "show", "' OR 1=1 --"),
        ("request", "cancel", "nosuch"),
        ("audit", "nosuch"),
        ("audit", "nosuch", "--exact"),
        ("approve", "nosuch", "--dossier", "0" * 64),
        ("reject", "nosuch", "--dossier", "0" * 64, "--reason", "no such request is known"),
        ("publish", "nosuch"),
    ],
)
def test_an_unknown_request_is_bad_input(run: Any, fresh: Path, words: tuple[str, ...]) -> None:
    assert run(*words, "--json", state=fresh, person="carol").error["exit_code"] == 2


def test_somebody_elses_request_looks_like_an_unknown_one(run: Any, walked: Any) -> None:
    theirs = run("request", "show", walked.erins, state=walked.state, person="sam")
    unknown = run("request", "show", "nosuch", state=walked.state, person="sam")
    assert (theirs.code, theirs.err) == (unknown.code, unknown.err) == (2, unknown.err)


def test_exact_utility_is_for_officers_and_auditors_and_the_dossier_says_what_was_bought(
    run: Any, walked: Any
) -> None:
    shown = run("audit", walked.sams, "--utility", "--json", state=walked.state, person="ada")
    assert shown.code == 0
    assert [one["columns"] for one in shown.json["marginals"]] == [1, 2, 3]
    for person in ("sam", "dana"):
        refused = run("audit", walked.sams, "--utility", "--json", state=walked.state, person=person)
        assert (refused.code, "marginals" in refused.out) == (3, False)
    assert "use        None were bought" in run("audit", walked.sams, state=walked.state, person="dana").out


def test_two_people_approve_and_anyone_verifies(run: Any, walked: Any) -> None:
    assert run("publish", walked.sams, state=walked.state, person="dana").code == 3
    assert approve(run, walked, "carol", walked.sams).json["state"] == "awaiting_decision"
    assert approve(run, walked, "dana", walked.sams).json["state"] == "approved"
    published = run("publish", walked.sams, "--json", state=walked.state, person="dana").json
    report = run("verify", published["bundle"], "--keys", published["keys"], "--json")
    assert (report.code, report.json["verified"], report.json["release_id"]) == (0, True, walked.sams)
    assert run("ledger", "verify", "--json", state=walked.state).json["verified"] is True
    data = next(Path(published["bundle"]).rglob("*.csv"))
    data.write_bytes(data.read_bytes().replace(b"0", b"1", 1))
    spoilt = run("verify", published["bundle"], "--keys", published["keys"], "--json")
    assert (spoilt.code, spoilt.error["kind"]) == (5, "integrity")
    assert data.name in spoilt.error["what"]


def test_nobody_approves_their_own_request(run: Any, walked: Any) -> None:
    assert approve(run, walked, "erin", walked.erins).error["exit_code"] == 3
    assert approve(run, walked, "erin", walked.sams).code == 0


def test_a_requester_without_an_approving_role_is_refused(run: Any, walked: Any) -> None:
    assert approve(run, walked, "sam", walked.sams).error["exit_code"] == 3


def test_nobody_signs_twice(run: Any, walked: Any) -> None:
    assert approve(run, walked, "carol", walked.sams).code == 0
    assert approve(run, walked, "carol", walked.sams).error["exit_code"] == 6


def test_a_stale_dossier_is_a_conflict(run: Any, walked: Any) -> None:
    words = ("--dossier", "0" * 64, *ALL_TICKS, *REASON, "--json")
    for command in ("approve", "reject"):
        more = words if command == "approve" else ("--dossier", "0" * 64, *REASON, "--json")
        answer = run(command, walked.sams, *more, state=walked.state, person="carol")
        assert answer.error["exit_code"] == 6


@pytest.mark.parametrize("ticks", [(), ("--tick", "1"), ("--tick", "0"), ("--tick", "4")])
def test_every_check_must_be_ticked_and_none_be_made_up(
    run: Any, walked: Any, ticks: tuple[str, ...]
) -> None:
    words = ("--dossier", walked.dossier(run, walked.sams), *ticks, *REASON, "--json")
    answer = run("approve", walked.sams, *words, state=walked.state, person="carol")
    assert answer.error["exit_code"] == 2


def test_what_the_audit_blocks_can_neither_be_approved_nor_published(run: Any, walked: Any) -> None:
    assert approve(run, walked, "carol", walked.blocked).error["exit_code"] == 7
    published = run("publish", walked.blocked, "--json", state=walked.state, person="dana")
    assert (published.code, published.error["kind"]) == (7, "blocked_by_audit")


def test_exact_numbers_are_for_officers_and_auditors_and_each_look_is_logged(run: Any, walked: Any) -> None:
    for person, code in (("carol", 0), ("ada", 0), ("dana", 3), ("sam", 3)):
        answer = run("audit", walked.sams, "--exact", "--json", state=walked.state, person=person)
        assert answer.code == code
        assert ("exit_code" in answer.out) == bool(code)
    looks = [
        one
        for one in run("ledger", "show", "--json", state=walked.state, person="carol").json["entries"]
        if one["kind"] == "view"
    ]
    assert [one["body"]["actor"] for one in looks] == ["carol", "ada"]


def test_a_requester_learns_nothing_of_how_the_audit_ended(run: Any, walked: Any) -> None:
    answer = run("audit", walked.sams, "--json", state=walked.state, person="sam")
    assert set(answer.json) == {"request", "state", "message"}
    shown = run("request", "show", walked.sams, "--json", state=walked.state, person="sam")
    assert shown.json["verdict"] == ""
    assert "inconclusive" not in answer.out + shown.out


def test_a_reason_cannot_take_over_the_terminal(run: Any, kit: Any, walked: Any) -> None:
    reason = "\x1b[2J\x9b31m\u202eall good\u2028dossier    forged\nverdict    pass"
    words = ("--dossier", walked.dossier(run, walked.sams), "--reason", reason)
    assert run("reject", walked.sams, *words, state=walked.state, person="carol").code == 0
    shown = run("request", "show", walked.sams, state=walked.state, person="sam")
    assert not kit.unsafe(shown.out)
    assert "\\x1b[2J" in shown.out
    assert not [line for line in shown.out.splitlines() if line.startswith(("verdict", "dossier    forged"))]
    as_json = run("request", "show", walked.sams, "--json", state=walked.state, person="sam")
    assert as_json.out.isascii()
    assert not kit.unsafe(as_json.out)
    assert as_json.json["decisions"][0]["reason"] == reason


def test_a_huge_reason_is_bad_input(run: Any, walked: Any) -> None:
    words = ("--dossier", walked.dossier(run, walked.sams), "--reason", "x" * 4001, "--json")
    for command in ("approve", "reject"):
        assert run(command, walked.sams, *words, state=walked.state, person="carol").error["exit_code"] == 2


def test_without_keys_nothing_is_verified(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "empty").mkdir()
    for keys in ("absent", "empty"):
        answer = run("verify", tmp_path / "bundle", "--keys", tmp_path / keys, "--json")
        assert answer.error["exit_code"] == 2
    assert run("verify", tmp_path / "bundle").code == 2


def test_a_missing_bundle_does_not_verify(run: Any, walked: Any, tmp_path: Path) -> None:
    answer = run("verify", tmp_path / "absent", "--keys", walked.state / "keys", "--json")
    assert answer.error["exit_code"] == 5


def test_a_changed_ledger_is_an_integrity_error(run: Any, walked: Any) -> None:
    with sqlite3.connect(walked.state / "ledger.sqlite") as connection:
        connection.execute("DROP TRIGGER entry_no_update")
        connection.execute("UPDATE entry SET body = replace(body, 'sam', 'eve') WHERE seq = 2")
    connection.close()
    answer = run("ledger", "verify", "--json", state=walked.state)
    assert (answer.code, answer.error["kind"]) == (5, "integrity")
    assert "entry 2" in answer.error["what"]
