"""A small release, made and signed once; each test works on a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth import __version__
from dpsynth.accounting.events import DiscreteGaussian, Event, event_to_json
from dpsynth.accounting.reserve import marginal_cost
from dpsynth.audit.result import CheckResult
from dpsynth.core.canonical import canonical_bytes, sha256_hex
from dpsynth.core.curator import Plan
from dpsynth.core.domain import Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.ledger.links import GENESIS, PAYLOAD_TYPE, Checkpoint, checkpoint_bytes, link
from dpsynth.policy.loader import load_policy_text, policy_sha256
from dpsynth.publish import dsse
from dpsynth.publish.attestation import manifest, sign_statement, statement_bytes
from dpsynth.publish.bundle import build_bundle
from dpsynth.publish.candidate import write_candidate
from dpsynth.publish.inputs import AuditSummary, ReleaseInputs, ScopeTotals, release_guarantee
from dpsynth.publish.keys import PublicKey, TrustRoot, load_private_key, new_key
from dpsynth.publish.ledger_proof import sign_proof

ROWS = 60
RHO = 10_000_000
ISSUED = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
DOSSIER = "d" * 64
REQUESTER = "sam"
RELEASE = "r-000000000001"
EVENTS = (DiscreteGaussian(10.0), DiscreteGaussian(10.0))

PEOPLE = {
    "carol": ("compliance_officer",),
    "dana": ("data_owner",),
    "olga": ("compliance_officer",),
    "sam": ("compliance_officer", "data_owner"),
    "tim": ("data_scientist",),
    "mallory": ("compliance_officer", "data_owner"),
    "publisher": ("service",),
}


@dataclass
class Office:
    """Keys of everyone, and what the tests do with them."""

    folder: Path
    trust: TrustRoot

    def sign(self, statement: bytes, *people: str) -> list[dict[str, str]]:
        """Signatures of people over a statement."""
        return [sign_statement(statement, load_private_key(self.folder / f"{name}.pem")) for name in people]

    def seal(self, payload: bytes, payload_type: str, *people: str) -> bytes:
        """An envelope of any document."""
        keys = [load_private_key(self.folder / f"{name}.pem") for name in people]
        return dsse.pack(payload, payload_type, [dsse.sign(payload, payload_type, key) for key in keys], "x")

    def proof(self, directory: Path, people: tuple[str, ...] = ("carol", "dana"), **story: Any) -> bytes:
        """What an honest ledger says of the files of a directory."""
        return Book.of(directory, people, **story).proof(self)


Change = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass
class Book:
    """A ledger: the release's own entries among those of strangers.

    Attributes:
        texts: bodies of all entries, as hashed.
        own: numbers of the release's own.
    """

    texts: list[str]
    own: list[int]

    @classmethod
    def of(
        cls,
        directory: Path,
        people: tuple[str, ...] = ("carol", "dana"),
        events: tuple[Event, ...] = EVENTS,
        history: str = "one",
        change: Change = lambda body: body,
    ) -> Book:
        """An honest platform's ledger; ``history`` salts it, ``change`` rewrites or drops own entries."""
        signed = {"request": RELEASE, "dossier_sha256": DOSSIER}
        digest = sha256_hex(manifest(directory))
        policy = policy_sha256(load_policy_text((directory / "policy.yaml").read_bytes(), "policy.yaml"))
        own: list[dict[str, Any]] = [
            {"kind": "reserve", "charge": RELEASE, "scopes": ["people"]},
            {"kind": "request", "request": RELEASE, "actor": REQUESTER, "policy_sha256": policy},
            {"kind": "committed", "charge": RELEASE},
            {"kind": "settled", "charge": RELEASE, "events": [event_to_json(one) for one in events]},
            {"kind": "dossier", **signed},
            *({"kind": "approve", "actor": who, "role": "any", **signed} for who in people),
            {"kind": "approved", "request": RELEASE},
            {"kind": "publish", "request": RELEASE, "actor": "carol", "manifest_sha256": digest},
        ]
        book = cls([], [])
        for body in own:
            book.add({"kind": "view", "actor": "olga", "salt": history})
            if (told := change(dict(body))) is not None:
                book.add(told, own=True)
        book.add({"kind": "view", "actor": "olga", "salt": history})
        return book

    def add(self, body: dict[str, Any], own: bool = False) -> None:
        """Append an entry."""
        seq = len(self.texts) + 1
        full = {"seq": seq, "time": "2026-03-02T09:00:00+00:00", **body}
        self.texts.append(canonical_bytes(full).decode())
        if own:
            self.own.append(seq)

    @property
    def links(self) -> list[str]:
        """Hash of every entry."""
        found = [GENESIS]
        for text in self.texts:
            found.append(link(found[-1], text.encode()))
        return found[1:]

    def checkpoint(self, office: Office, seq: int, by: str = "publisher", **lies: Any) -> bytes:
        """A signed checkpoint at an entry."""
        facts = {"origin": self.links[0], "seq": seq, "hash": self.links[seq - 1], "time": "2026-03-02"}
        return office.seal(checkpoint_bytes(Checkpoint(**{**facts, **lies})), PAYLOAD_TYPE, by)

    def proof(self, office: Office, seq: int = 0, **parts: Any) -> bytes:
        """The signed proof up to an entry, by default the last."""
        until = seq or len(self.texts)
        values = {
            "release_id": RELEASE,
            "texts": [self.texts[number - 1] for number in self.own],
            "links": self.links[:until],
            "checkpoint": self.checkpoint(office, until),
            "revocations": 0,
            "key": load_private_key(office.folder / "publisher.pem"),
        }
        return sign_proof(**{**values, **parts})


def random_table(domain: Domain, rows: int, seed: int = 3) -> SyntheticTable:
    """Codes drawn uniformly from the public domain."""
    rng = np.random.default_rng(seed)
    codes = {column.name: rng.integers(0, column.size, rows) for column in domain.columns}
    return SyntheticTable(domain, codes)


def policy_text() -> str:
    """The shipped RAND policy with few output rows and a missing code, so that both are exercised."""
    path = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("output_rows_value: 25000", f"output_rows_value: {ROWS}")
    return text.replace('missing: "0"', "missing: category", 2)


def check(evidence: Any = "A", plain: str = "the noise has the stated scale") -> CheckResult:
    """One audit check."""
    return CheckResult("S4", "noise scale", "Is the noise as large as stated?", evidence, "pass", plain)


@pytest.fixture(scope="session")
def inputs() -> ReleaseInputs:
    text = policy_text()
    policy = load_policy_text(text, "policy.yaml")
    return ReleaseInputs(
        release_id=RELEASE,
        policy=policy,
        policy_text=text,
        guarantee=release_guarantee(policy, RHO, marginal_cost(RHO, 0, policy.budget.report_delta).mu2),
        table=random_table(policy.domain(), ROWS),
        plan=Plan("mst", "0.1.0", RHO, ("measure 10 marginals",), {"max_cells": 1000}, choices_nano=0),
        events=EVENTS,
        budget=(
            ScopeTotals(
                scope="id-space:rand-hie-participants",
                kind="id_space",
                title="These people, for ever",
                before_nano=5_000_000,
                this_nano=RHO,
                after_nano=5_000_000 + RHO,
                cap_nano=30_000_000,
                epsilon_after="0.8",
                epsilon_cap="1.2",
                delta="1e-6",
            ),
        ),
        audit=AuditSummary("PASSED", policy.audits.plan_sha256, "a" * 64, (check(),)),
        purpose="Teaching of survey statistics",
        recipients=("accredited-researchers",),
        issued=ISSUED,
        versions={"dpsynth-platform": __version__, "opendp": "0.16.0"},
    )


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    folder = tmp_path_factory.mktemp("office")
    keys: list[PublicKey] = [new_key(folder / f"{name}.pem", name, roles) for name, roles in PEOPLE.items()]
    return Office(folder, {key.key_id: key for key in keys if key.person != "mallory"})


@pytest.fixture(scope="session")
def candidate(inputs: ReleaseInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("candidate") / "r1"
    write_candidate(directory, inputs, np.random.default_rng(3))
    return directory


@pytest.fixture(scope="session")
def statement(candidate: Path) -> bytes:
    return statement_bytes(candidate, requester=REQUESTER, dossier_sha256=DOSSIER)


@pytest.fixture(scope="session")
def published(
    candidate: Path, statement: bytes, office: Office, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    target = tmp_path_factory.mktemp("bundles") / "r1"
    signatures, proof = office.sign(statement, "carol", "dana", "publisher"), office.proof(candidate)
    build_bundle(candidate, target, statement, signatures, proof, trust=office.trust, now=NOW)
    return target


@pytest.fixture
def bundle(published: Path, tmp_path: Path) -> Path:
    """A fresh copy of a bundle that verifies."""
    return shutil.copytree(published, tmp_path / "r1")


@pytest.fixture
def release(inputs: ReleaseInputs, office: Office, tmp_path: Path) -> Callable[..., Path]:
    """Build a bundle from changed inputs, signed by the right people."""

    def build(now: datetime = NOW, **changes: Any) -> Path:
        folder = tmp_path / "made"
        write_candidate(folder / "candidate", replace(inputs, **changes), np.random.default_rng(3))
        words = statement_bytes(folder / "candidate", requester=REQUESTER, dossier_sha256=DOSSIER)
        signatures = office.sign(words, "carol", "dana", "publisher")
        proof = office.proof(folder / "candidate", events=changes.get("events", EVENTS))
        build_bundle(
            folder / "candidate", folder / "b", words, signatures, proof, trust=office.trust, now=now
        )
        return folder / "b"

    return build


@pytest.fixture
def book(bundle: Path) -> Callable[..., Book]:
    """The ledger that the bundle's own proof is from, or one that says otherwise."""

    def of(*args: Any, **story: Any) -> Book:
        return Book.of(bundle, *args, **story)

    return of
