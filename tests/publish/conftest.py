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
from dpsynth.accounting.events import DiscreteGaussian
from dpsynth.accounting.reserve import marginal_cost
from dpsynth.audit.result import CheckResult
from dpsynth.core.curator import Plan
from dpsynth.core.domain import Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.policy.loader import load_policy_text
from dpsynth.publish.attestation import sign_statement, statement_bytes
from dpsynth.publish.bundle import build_bundle
from dpsynth.publish.candidate import write_candidate
from dpsynth.publish.inputs import AuditSummary, ReleaseInputs, ScopeTotals, release_guarantee
from dpsynth.publish.keys import PublicKey, TrustRoot, load_private_key, new_key

ROWS = 60
RHO = 10_000_000
ISSUED = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
DOSSIER = "d" * 64
REQUESTER = "sam"

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
        release_id="r-000000000001",
        policy=policy,
        policy_text=text,
        guarantee=release_guarantee(policy, RHO, marginal_cost(RHO, 0, policy.budget.report_delta).mu2),
        table=random_table(policy.domain(), ROWS),
        plan=Plan("mst", "0.1.0", RHO, ("measure 10 marginals",), {"max_cells": 1000}, choices_nano=0),
        events=(DiscreteGaussian(10.0), DiscreteGaussian(10.0)),
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
    signatures = office.sign(statement, "carol", "dana", "publisher")
    build_bundle(candidate, target, statement, signatures, trust=office.trust, now=NOW)
    return target


@pytest.fixture
def bundle(published: Path, tmp_path: Path) -> Path:
    """A fresh copy of a bundle that verifies."""
    return shutil.copytree(published, tmp_path / "r1")


@pytest.fixture
def release(inputs: ReleaseInputs, office: Office, tmp_path: Path) -> Callable[..., Path]:
    """Build a bundle from changed inputs, signed by the right people."""

    def build(**changes: Any) -> Path:
        folder = tmp_path / "made"
        write_candidate(folder / "candidate", replace(inputs, **changes), np.random.default_rng(3))
        words = statement_bytes(folder / "candidate", requester=REQUESTER, dossier_sha256=DOSSIER)
        signatures = office.sign(words, "carol", "dana", "publisher")
        build_bundle(folder / "candidate", folder / "b", words, signatures, trust=office.trust, now=NOW)
        return folder / "b"

    return build
