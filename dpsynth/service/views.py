"""What the service shows: frozen values for shells to print. None holds a row or an exact count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dpsynth.policy.model import Policy

__all__ = [
    "STAGES",
    "DatasetInfo",
    "DecisionView",
    "Dossier",
    "EntryView",
    "Person",
    "Quote",
    "RequestForm",
    "RequestView",
    "ScopeView",
]

STAGES: tuple[tuple[str, str], ...] = (
    ("queued", "waiting for a worker; budget is held, nothing is spent"),
    ("committing", "writing the charge to the ledger for good"),
    ("opening", "opening the table, bounding contributions, encoding to the public domain"),
    ("fitting", "asking the curator and fitting a model to its noisy answers"),
    ("sampling", "drawing synthetic rows from the model"),
    ("auditing", "attacking the mechanism and the release"),
    ("packing", "writing the candidate release and the dossier"),
    ("done", "finished"),
)


@dataclass(frozen=True)
class Person:
    """An accountable person (or the service itself) with roles and the id of the signing key."""

    id: str
    name: str
    roles: tuple[str, ...]
    key_id: str


@dataclass(frozen=True)
class DatasetInfo:
    """A registered dataset: its policy and when it came. Nothing about its rows."""

    dataset_id: str
    policy: Policy
    policy_sha256: str
    registered: str


@dataclass(frozen=True)
class RequestForm:
    """What a data scientist asks for. State epsilon (with delta) or rho; delta defaults to the policy's."""

    dataset_id: str
    synthesizer: str
    purpose: str
    recipients: str
    epsilon: str | None = None
    delta: str | None = None
    rho: str | None = None
    key: str = ""


@dataclass(frozen=True)
class ScopeView:
    """A budget scope. Amounts in nano-rho (1e-9 zCDP); epsilon_cap in words: "epsilon 2 at delta 1e-6"."""

    id: str
    kind: str
    title: str
    rho_cap_nano: int
    spent_nano: int
    held_nano: int
    forfeited_nano: int
    omega: int
    epsilon_cap: str

    @property
    def left_nano(self) -> int:
        """What may still be reserved."""
        return max(0, self.rho_cap_nano - self.spent_nano - self.held_nano)


@dataclass(frozen=True)
class Quote:
    """What a request would cost, before anything is held. Free."""

    rho_nano: int
    epsilon: str
    delta: str
    fits: bool
    scopes: tuple[ScopeView, ...]
    lines: tuple[str, ...]
    refusal: str


@dataclass(frozen=True)
class DecisionView:
    """One person's signature or refusal."""

    person: str
    role: str
    decision: str
    reason: str
    time: str


@dataclass(frozen=True)
class RequestView:
    """A request as its requester and its approvers may see it."""

    id: str
    dataset_id: str
    requester: str
    synthesizer: str
    rho_nano: int
    epsilon: str
    delta: str
    purpose: str
    recipients: str
    state: str
    stage: str
    message: str
    created: str
    due: str
    decisions: tuple[DecisionView, ...]
    waiting_for: tuple[str, ...]
    verdict: str
    dossier_sha256: str
    bundle: str


@dataclass(frozen=True)
class Dossier:
    """What approvers sign: a canonical JSON body and its SHA-256."""

    sha256: str
    body: dict[str, Any]


@dataclass(frozen=True)
class EntryView:
    """One entry of the ledger's hash chain."""

    seq: int
    time: str
    kind: str
    body: dict[str, Any]
    hash: str
