"""``ledger``, ``budget``, ``policy`` and ``db``: plain words for people, one document for programs."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785

REASON = "The board agreed to two further releases for the new course."
CHECKPOINT_KEYS = {"origin", "seq", "hash", "time"}


def version(kit: Any, path: Path, number: str = "2", **budget: object) -> Path:
    """Another version of the small policy, with another budget."""
    data = json.loads(kit.policy_text())
    data["version"] = number
    data["budget"] |= budget
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return path


@pytest.fixture
def registered(run: Any, fresh: Path, files: Path) -> Path:
    words = ("dataset", "register", files / "policy.yaml", files / "table.csv")
    assert run(*words, state=fresh, person="dana").code == 0
    return fresh


@pytest.fixture
def proposed(run: Any, kit: Any, registered: Path, files: Path) -> tuple[Path, str]:
    """A state in which a looser version waits, and its id."""
    looser = version(kit, files / "looser.yaml", lifetime={"epsilon": "2", "delta": "1e-6"})
    words = ("dataset", "register", looser, files / "table.csv", "--json")
    assert run(*words, state=registered, person="dana").error["exit_code"] == 2
    answer = run(*words, "--reason", REASON, state=registered, person="dana")
    return registered, answer.json["pending"]


def broken(state: Path, *statements: str) -> Path:
    with sqlite3.connect(state / "ledger.sqlite") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return state


ALTERED = (
    "DROP TRIGGER entry_no_update",
    "UPDATE entry SET body = replace(body, 'sam', 'eve') WHERE seq = 2",
)


def test_the_chain_is_shown_to_those_who_answer_for_it_and_to_nobody_else(run: Any, registered: Path) -> None:
    for person in ("carol", "dana", "ada"):
        shown = run("ledger", "show", state=registered, person=person)
        assert shown.code == 0
        assert shown.out.splitlines()[0].split() == ["SEQ", "TIME", "KIND", "HASH", "BODY"]
        entries = run("ledger", "show", "--json", state=registered, person=person).json["entries"]
        assert len(entries) == len(shown.out.splitlines()) - 1
    for command in (("show",), ("checkpoint",), ("export", registered / "book")):
        refused = run("ledger", *command, "--json", state=registered, person="sam")
        assert (refused.code, refused.error["kind"]) == (3, "refused_by_policy")
    assert not (registered / "book").exists()
    assert run("ledger", "show", state=registered).code == 2


def test_verify_says_what_was_compared_and_what_was_not(run: Any, registered: Path, tmp_path: Path) -> None:
    alone = run("ledger", "verify", state=registered)
    assert alone.code == 0
    assert "The chain is whole" in alone.out
    assert "an old backup put back would look just as whole" in alone.out
    (tmp_path / "sink").mkdir()
    witnessed = run("--checkpoints", f"dir:{tmp_path / 'sink'}", "ledger", "verify", state=registered)
    assert witnessed.code == 0
    assert "old backup" not in witnessed.out
    unwatched = run("ledger", "verify", "--json", state=registered)
    assert (unwatched.code, unwatched.error["kind"]) == (5, "integrity")
    assert "name its sinks" in unwatched.error["what"] + unwatched.error["remedy"]


def test_a_further_sink_is_added_by_a_person_and_then_named(
    run: Any, registered: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    assert run("--checkpoints", f"dir:{one}", "ledger", "verify", state=registered).code == 0
    both = f"dir:{one},dir:{two}"
    assert run("--checkpoints", both, "ledger", "verify", state=registered).code == 5
    refused = run(
        "--checkpoints", f"dir:{one}", "ledger", "sink", f"dir:{two}", state=registered, person="sam"
    )
    assert refused.code == 3
    words = ("--checkpoints", f"dir:{one}", "ledger", "sink", f"dir:{two}", "--json")
    added = run(*words, state=registered, person="ada").json
    assert len(added["sinks"]) == 2
    assert run("--checkpoints", both, "ledger", "verify", state=registered).code == 0


def test_a_broken_chain_is_exit_5_with_one_document(run: Any, registered: Path) -> None:
    answer = run("ledger", "verify", "--json", state=broken(registered, *ALTERED))
    assert (answer.code, answer.error["kind"]) == (5, "integrity")
    assert "broken at entry 2" in answer.error["what"]
    spoken = run("ledger", "verify", state=registered)
    assert (spoken.code, spoken.out) == (5, "")
    assert "broken at entry 2" in spoken.err


def test_a_checkpoint_in_other_hands_tells_a_forked_ledger_from_the_true_one(
    run: Any, kit: Any, registered: Path, tmp_path: Path
) -> None:
    first, last = tmp_path / "first.json", tmp_path / "last.json"
    assert run("ledger", "checkpoint", "--out", first, state=registered, person="ada").code == 0
    backup = tmp_path / "backup"
    live, copy = sqlite3.connect(registered / "ledger.sqlite"), sqlite3.connect(backup)
    live.backup(copy)
    for one in (live, copy):
        one.close()
    run(*kit.submit_words(key="true"), state=registered, person="sam")
    taken = run("ledger", "checkpoint", "--out", last, "--json", state=registered, person="ada").json
    assert taken["envelope"] == last.read_text()
    for one in (first, last):
        assert run("ledger", "verify", "--against", one, state=registered).code == 0
    for path in registered.glob("ledger.sqlite*"):
        path.unlink()
    shutil.copy(backup, registered / "ledger.sqlite")
    assert run("ledger", "verify", "--against", first, state=registered).code == 0
    answer = run("ledger", "verify", "--against", last, "--json", state=registered)
    assert (answer.code, answer.error["kind"]) == (5, "integrity")
    assert "older copy" in answer.error["what"]
    for key in ("false", "falser"):
        run(*kit.submit_words(key=key), state=registered, person="sam")
    answer = run("ledger", "verify", "--against", last, "--json", state=registered)
    assert "forked" in answer.error["what"]


UNREADABLE: dict[str, tuple[Callable[[Path], object], int]] = {
    "absent": (lambda path: None, 2),
    "directory": (lambda path: path.mkdir(), 2),
    "empty": (lambda path: path.write_text(""), 5),
    "garbage": (lambda path: path.write_bytes(b"\xff\x00 no checkpoint"), 5),
    "another document": (lambda path: path.write_text('{"payload": "x"}'), 5),
}


@pytest.mark.parametrize(("make", "code"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_checkpoint_that_cannot_be_read_is_bad_input_and_one_that_is_none_an_integrity_error(
    run: Any, registered: Path, tmp_path: Path, make: Callable[[Path], object], code: int
) -> None:
    make(tmp_path / "against")
    answer = run("ledger", "verify", "--against", tmp_path / "against", "--json", state=registered)
    assert (answer.code, answer.error["exit_code"]) == (code, code)


def test_a_checkpoint_names_where_it_is_kept_and_never_overwrites_a_file(
    run: Any, registered: Path, tmp_path: Path
) -> None:
    bare = run("ledger", "checkpoint", state=registered, person="ada")
    assert "no sink (set --checkpoints)" in bare.out
    (tmp_path / "sink").mkdir()
    words = ("--checkpoints", f"dir:{tmp_path / 'sink'}", "ledger", "checkpoint")
    assert str(tmp_path / "sink") in run(*words, state=registered, person="ada").out
    (tmp_path / "mine").write_text("precious")
    answer = run(*words, "--out", tmp_path / "mine", "--json", state=registered, person="ada")
    assert (answer.code, (tmp_path / "mine").read_text()) == (2, "precious")


def test_an_auditor_recomputes_the_exported_chain_with_other_tools(
    run: Any, walked: Any, tmp_path: Path
) -> None:
    book = tmp_path / "book.jsonl"
    assert run("ledger", "export", book, state=walked.state, person="ada").code == 0
    *entries, last = [json.loads(line) for line in book.read_text(encoding="utf-8").splitlines()]
    link = "0" * 64
    for number, entry in enumerate(entries, start=1):
        full = {**entry["body"], **{name: entry[name] for name in ("kind", "seq", "time", "salt")}}
        link = hashlib.sha256(link.encode() + rfc8785.dumps(full)).hexdigest()
        assert (entry["seq"], entry["hash"]) == (number, link)
    signed = json.loads(base64.b64decode(last["payload"]))
    assert set(signed) == CHECKPOINT_KEYS
    assert (signed["hash"], int(signed["seq"]), signed["origin"]) == (link, len(entries), entries[0]["hash"])
    envelope = tmp_path / "envelope"
    envelope.write_text(book.read_text(encoding="utf-8").splitlines()[-1])
    assert run("ledger", "verify", "--against", envelope, state=walked.state).code == 0
    assert run("ledger", "export", book, state=walked.state, person="ada").code == 2


def test_a_price_is_explained_event_by_event_in_words_and_as_one_document(run: Any, walked: Any) -> None:
    said = run("ledger", "explain", walked.sams, state=walked.state, person="sam")
    assert said.code == 0
    for words in (
        f"{walked.sams}: SETTLED",
        "reserved: rho 0.01",
        "DiscreteGaussian",
        "not used for decisions",
    ):
        assert words in said.out
    document = run("ledger", "explain", walked.sams, "--json", state=walked.state, person="sam").json
    assert sum(one["rho_nano"] for one in document["events"]) <= 10_000_000
    strange = run("ledger", "explain", walked.erins, state=walked.state, person="sam")
    unknown = run("ledger", "explain", "r-nosuch", state=walked.state, person="sam")
    assert (strange.code, strange.err) == (unknown.code, unknown.err) == (2, unknown.err)


def test_a_refusal_says_how_to_ask_why_and_the_answer_says_what_would_fit(
    run: Any, kit: Any, registered: Path
) -> None:
    for key in ("a", "b"):
        assert run(*kit.submit_words(rho="0.024", key=key), state=registered, person="sam").code == 0
    refused = run(*kit.submit_words(rho="0.024", key="c"), "--json", state=registered, person="sam")
    assert refused.code == 4
    command = refused.error["remedy"].split("`")[1].split()
    assert command[:3] == ["dpsynth", "ledger", "explain"]
    said = run(*command[1:], state=registered, person="sam")
    assert said.code == 0
    assert "REFUSED" in said.out
    assert "would fit: rho 0.0" in said.out


def test_budgets_are_shown_to_a_requester_with_the_own_ceiling_only(
    run: Any, kit: Any, registered: Path
) -> None:
    for person in ("sam", "erin"):
        run(*kit.submit_words(key=person), state=registered, person=person)
    names = {
        person: [
            one["id"]
            for one in run("budget", "show", "--json", state=registered, person=person).json["scopes"]
        ]
        for person in ("sam", "carol")
    }
    assert [name for name in names["sam"] if name.startswith("requester:")] == [
        "requester:tiny-people:tiny:sam"
    ]
    assert len(names["carol"]) == len(names["sam"]) + 1
    shown = run("budget", "show", state=registered, person="sam").out.splitlines()
    assert len(shown) == len(names["sam"]) + 1
    assert "0.02" in shown[1]


def test_a_plan_says_how_many_fit_and_holds_nothing(run: Any, kit: Any, registered: Path) -> None:
    said = run("budget", "plan", "tiny", "--epsilon", "0.5", state=registered, person="sam")
    assert said.code == 0
    assert "HOW MANY FIT" in said.out
    plan = run("budget", "plan", "tiny", "--epsilon", "0.5", "--json", state=registered, person="sam").json
    (line,) = plan["lines"]
    assert line["room"] > 1
    assert {scope["held_nano"] for scope in plan["scopes"]} == {0}
    for words in (("nosuch",), ("tiny", "--epsilon", "abc"), ("tiny", "--partition", "north")):
        assert run("budget", "plan", *words, "--json", state=registered, person="sam").error["exit_code"] == 2
    assert run("budget", "plan", "tiny", "--synthesizer", "nosuch", state=registered, person="sam").code == 3


def test_a_cap_in_other_terms_is_compared_by_what_it_compiles_to(run: Any, kit: Any, tmp_path: Path) -> None:
    old = version(kit, tmp_path / "old.yaml", "1")
    tighter, wider = (
        version(kit, tmp_path / f"{name}.yaml", lifetime={"rho": rho}, per_requester={"rho": rho})
        for name, rho in (("tighter", "0.03"), ("wider", "0.9"))
    )
    said = run("policy", "diff", old, tighter).out
    assert "lifetime epsilon 1.6 at delta 1e-6 to rho 0.03: TIGHTER (compiles to rho 0.05" in said
    assert "1e-6: LOOSER (compiles to rho 0.03 and 0.05" in run("policy", "diff", tighter, old).out
    # More rho, but at more orders: a person must judge.
    assert "rho 0.9: CHANGED (compiles to rho 0.05" in run("policy", "diff", old, wider).out
    document = run("policy", "diff", tighter, old, "--json").json["changes"]
    assert {one["key"]: one["effect"] for one in document}["budget.lifetime"] == "LOOSER"
    assert run("policy", "diff", old, old).out == "The two policies say the same.\n"
    assert run("policy", "diff", old, tmp_path / "absent.yaml").code == 2


def test_a_proposed_version_is_listed_in_plain_words_and_approved_by_an_officer(
    run: Any, proposed: tuple[Path, str]
) -> None:
    state, name = proposed
    listed = run("policy", "changes", state=state).out
    assert f"{name}  tiny  proposed, by dana" in listed
    assert "lifetime epsilon 1.6 to 2: LOOSER" in listed
    assert run("policy", "changes", "--json", state=state).json["changes"][0]["id"] == name
    for person, code in (("dana", 3), ("sam", 3), ("carol", 0), ("carol", 6)):
        assert run("policy", "approve", name, state=state, person=person).code == code
    assert "in force" in run("policy", "changes", state=state).out
    document = run("dataset", "list", "--json", state=state).json["datasets"][0]
    assert document["policy"]["version"] == "2"


def test_no_proposed_version_is_said_in_words(run: Any, registered: Path) -> None:
    assert run("policy", "changes", state=registered).out == "(none)\n"
    assert run("policy", "approve", "p-nosuch", "--json", state=registered, person="carol").code == 6


def test_a_database_with_the_current_schema_is_left_as_it_is(run: Any, registered: Path) -> None:
    before = run("ledger", "show", "--json", state=registered, person="ada").out
    said = run("db", "migrate", state=registered)
    assert (said.code, "has schema" in said.out) == (0, True)
    assert run("db", "migrate", "--json", state=registered).json["schema"]
    assert run("ledger", "show", "--json", state=registered, person="ada").out == before


def test_a_database_of_another_program_version_waits_or_is_refused(run: Any, registered: Path) -> None:
    broken(registered, "UPDATE alembic_version SET version_num = '9999'")
    for words in (("ledger", "verify"), ("db", "migrate")):
        answer = run(*words, "--json", state=registered)
        assert (answer.code, answer.error["kind"]) == (5, "integrity")
        assert "9999" in answer.error["what"]
    assert run("db", "migrate", state=registered.with_name("nowhere")).code == 2
