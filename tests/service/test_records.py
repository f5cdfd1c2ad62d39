"""What decides on a publication is part of what the ledger can prove: verdicts, dossiers, reasons, states."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from dpsynth.core.canonical import digest
from dpsynth.core.errors import BudgetExceeded, IntegrityError, PolicyRefusal
from dpsynth.service import Dossier, Platform, RequestForm

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
PURPOSE = "Teaching health economics with synthetic rows, without looking at anybody; this is course number "
REASON = "Read and discussed."
STATES = (
    "queued",
    "running",
    "cancelled",
    "refused",
    "awaiting_decision",
    "rejected",
    "approved",
    "published",
)
ALL_STATES = (*STATES, "blocked", "failed")


def form(key: str, epsilon: str = "0.3") -> RequestForm:
    return RequestForm("rand-health", "independent", PURPOSE + key, "students", epsilon=epsilon, key=key)


def approve(platform: Platform, who: str, dossier: Dossier) -> None:
    platform.approve(
        who, dossier.body["release_id"], dossier.sha256, REASON, tuple(dossier.body["must_tick"])
    )


def sql(platform: Platform, statement: str, **values: Any) -> list[Any]:
    """Change or read the database behind the platform's back."""
    with platform._store.write() as connection:
        found = connection.execute(text(statement), values)
        return list(found) if found.returns_rows else []


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, rand_csv: Path) -> Any:
    """A platform with one request in each state, and their ids by state."""
    platform = Platform.open(tmp_path_factory.mktemp("walked") / "state")
    for who, roles in (
        ("sam", ("data_scientist",)),
        ("carol", ("compliance_officer",)),
        ("dana", ("data_owner",)),
        ("ada", ("auditor",)),
    ):
        platform.add_person(who, who.title(), roles)
    platform.register_dataset("dana", POLICY, rand_csv)
    ids, dossiers = {}, {}
    for state in ("awaiting_decision", "rejected", "approved", "published"):
        ids[state] = platform.submit("sam", form(state)).id
        platform.run_once("worker")
        dossiers[state] = platform.dossier("carol", ids[state])
    platform.reject("dana", ids["rejected"], dossiers["rejected"].sha256, "The purpose is too wide.")
    for state in ("approved", "published"):
        for who in ("carol", "dana"):
            approve(platform, who, dossiers[state])
    platform.publish("carol", ids["published"])
    ids["cancelled"] = platform.cancel("sam", platform.submit("sam", form("cancelled")).id).id
    for key, epsilon in (("queued", "1"), ("running", "0.2")):
        ids[key] = platform.submit("sam", form(key, epsilon)).id
    sql(platform, "UPDATE request SET state = 'running' WHERE id = :id", id=ids["running"])
    with pytest.raises(BudgetExceeded):
        platform.submit("sam", form("refused", "1"))
    (refused,) = [view.id for view in platform.requests("sam") if view.state == "refused"]
    return SimpleNamespace(platform=platform, ids=ids | {"refused": refused})


@pytest.fixture
def tampered(walked: Any) -> Iterator[Callable[..., None]]:
    """Change one column of a request for the length of a test."""
    rows = {table: sql(walked.platform, f"SELECT * FROM {table}") for table in ("request", "decision")}

    def change(request: str, table: str = "request", **values: str) -> None:
        key = "id" if table == "request" else "request_id"
        for name, value in values.items():
            statement = f"UPDATE {table} SET {name} = :value WHERE {key} = :id"
            sql(walked.platform, statement, value=value, id=request)

    yield change
    for table, before in rows.items():
        sql(walked.platform, f"DELETE FROM {table}")
        for row in before:
            names = ", ".join(f":{name}" for name in row._mapping)
            sql(walked.platform, f"INSERT INTO {table} VALUES ({names})", **row._mapping)
    assert walked.platform.verify_ledger() > 0


def stored(platform: Platform, request: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        sql(platform, "SELECT dossier FROM request WHERE id = :id", id=request)[0][0]
    )
    return found


def refused_at_approval(walked: Any, request: str, sha256: str = "") -> None:
    """Both the ledger's check and the people who would sign are told."""
    found = stored(walked.platform, request)
    with pytest.raises(IntegrityError):
        walked.platform.verify_ledger()
    with pytest.raises(IntegrityError):
        approve(walked.platform, "carol", Dossier(sha256 or found["sha256"], found["body"]))
    with pytest.raises(IntegrityError):
        walked.platform.dossier("carol", request)


def test_an_honest_walk_through_every_state_verifies(walked: Any) -> None:
    assert {walked.platform.request("carol", walked.ids[state]).state for state in STATES} == set(STATES)
    assert walked.platform.verify_ledger() > 0


@pytest.mark.parametrize("state", STATES)
def test_a_state_that_the_chain_does_not_allow_is_found(
    walked: Any, tampered: Callable[..., None], state: str
) -> None:
    alike = [{"queued", "running"}, {"cancelled", "failed"}]
    for other in ALL_STATES:
        if other != state and {state, other} not in alike:
            tampered(walked.ids[state], state=other)
            with pytest.raises(IntegrityError, match=r"state of request|Published releases"):
                walked.platform.verify_ledger()


@pytest.mark.parametrize("verdict", ["warn", "block", ""])
def test_a_changed_verdict_is_found_and_not_signed(
    walked: Any, tampered: Callable[..., None], verdict: str
) -> None:
    request = walked.ids["awaiting_decision"]
    tampered(request, verdict=verdict)
    refused_at_approval(walked, request)


@pytest.mark.parametrize("seal", ["kept", "made again"])
@pytest.mark.parametrize("part", ["gate", "verdict", "must_tick"])
def test_a_changed_dossier_is_found_and_not_signed_even_with_a_digest_that_fits(
    walked: Any, tampered: Callable[..., None], part: str, seal: str
) -> None:
    request = walked.ids["awaiting_decision"]
    found = stored(walked.platform, request)
    body = found["body"]
    if part == "verdict":
        body["audit"]["verdict"] = "warn"
        tampered(request, verdict="warn")
    else:
        body[part] = {"gate": "blocked", "must_tick": []}[part]
    sha256 = found["sha256"] if seal == "kept" else digest(body)
    tampered(request, dossier=json.dumps({"sha256": sha256, "body": body}))
    refused_at_approval(walked, request, sha256)


def test_a_changed_dossier_is_not_published(walked: Any, tampered: Callable[..., None]) -> None:
    tampered(walked.ids["approved"], verdict="warn")
    with pytest.raises(IntegrityError):
        walked.platform.publish("carol", walked.ids["approved"])


@pytest.mark.parametrize("state", ["rejected", "approved", "published"])
def test_a_changed_reason_is_found(walked: Any, tampered: Callable[..., None], state: str) -> None:
    tampered(walked.ids[state], "decision", reason="Something that nobody ever wrote.")
    with pytest.raises(IntegrityError, match="Decisions"):
        walked.platform.verify_ledger()


def test_a_request_that_asks_for_less_than_its_charge_is_found_whatever_the_chain_says_of_it(
    walked: Any, tampered: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.service import records

    # As if request and chain agreed on another price: then only the charge can tell.
    chain = {
        e.body["request"]: e.body["asked_sha256"]
        for e in walked.platform.ledger_entries("ada")
        if e.kind == "request"
    }
    monkeypatch.setattr(records, "asked_sha256", lambda values: chain[values["id"]])
    assert walked.platform.verify_ledger() > 0
    cost, own = (
        sql(walked.platform, "SELECT cost FROM request WHERE id = :id", id=walked.ids[state])[0][0]
        for state in ("published", "queued")
    )
    tampered(walked.ids["queued"], cost=cost)
    with pytest.raises(IntegrityError, match="differ from its charge"):
        walked.platform.verify_ledger()
    policy = POLICY.read_text().replace("id_space: rand-hie-participants", "id_space: other-people")
    tampered(walked.ids["running"], policy_text=policy)
    tampered(walked.ids["queued"], cost=own)
    with pytest.raises(IntegrityError, match="budgets of request"):
        walked.platform.verify_ledger()


def test_no_digest_in_the_chain_can_be_guessed_without_the_salt_of_the_dossier(walked: Any) -> None:
    found = stored(walked.platform, walked.ids["published"])
    assert len(found["body"]["salt"]) == 32
    told = [e.body for e in walked.platform.ledger_entries("ada") if e.kind in {"approve", "dossier"}]
    unsalted = {digest(REASON), digest({"reason": REASON}), digest({"reason": REASON, "salt": ""})}
    assert not any(unsalted & set(body.values()) or found["body"]["salt"] in body.values() for body in told)


def test_a_requester_who_may_publish_learns_nothing_from_trying_too_early(platform: Platform) -> None:
    request = platform.submit("otto", form("own"))
    platform.run_once("worker")
    said = []
    for state in ("awaiting_decision", "blocked"):
        sql(platform, "UPDATE request SET state = :state", state=state)
        with pytest.raises(PolicyRefusal) as error:
            platform.publish("otto", request.id)
        said.append(error.value.text())
    assert said[0] == said[1]
