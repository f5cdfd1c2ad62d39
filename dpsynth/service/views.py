"""What the service shows: frozen values for shells to print. None holds a row or an exact count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dpsynth.policy.model import Policy

__all__ = [
    "STAGES",
    "BudgetPlan",
    "CheckpointView",
    "DatasetInfo",
    "DecisionView",
    "Dossier",
    "EntryView",
    "EventLine",
    "Explanation",
    "Person",
    "PauseView",
    "PictureView",
    "PlanLine",
    "PolicyChange",
    "Quote",
    "RequestForm",
    "RequestView",
    "ScopeLine",
    "ScopeView",
]

STAGES: tuple[tuple[str, str], ...] = (
    ("queued", "waiting for a worker; budget is held, nothing is spent"),
    ("committing", "writing the charge to the ledger for good"),
    ("opening", "opening the table, bounding contributions, encoding to the public domain"),
    ("fitting", "asking the curator and fitting a model to its noisy answers"),
    ("sampling", "drawing synthetic rows from the model"),
    ("auditing", "attacking the mechanism and the release"),
    ("measuring", "measuring how useful the rows are, for the review room"),
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
    """A registered dataset: its policy and when it came. Nothing about its rows.

    ``pending`` is the id of a proposed version that waits for a second person, or "". ``withdrawn`` says
    whether its data owner has closed it for good.
    """

    dataset_id: str
    policy: Policy
    policy_sha256: str
    registered: str
    pending: str = ""
    withdrawn: bool = False


@dataclass(frozen=True)
class PolicyChange:
    """A proposed version of a policy. ``lines`` say in plain words what it changes."""

    id: str
    dataset_id: str
    proposer: str
    proposed: str
    reason: str
    state: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class RequestForm:
    """What a data scientist asks for. State epsilon (with delta) or rho; delta defaults to the policy's.

    ``partition`` names one public value of the policy's partition column, or is empty for the whole table.
    """

    dataset_id: str
    synthesizer: str
    purpose: str
    recipients: str
    epsilon: str | None = None
    delta: str | None = None
    rho: str | None = None
    key: str = ""
    partition: str = ""


@dataclass(frozen=True)
class ScopeView:
    """A budget scope. Amounts in nano-rho (1e-9 zCDP), as the smallest line above each curve.

    Attributes:
        left_nano: largest zCDP charge that still fits at every gated order.
        epsilon_cap: the promise, in words: "epsilon 2 at delta 1e-6".
        epsilon_spent: the running sum, in words; orientation only (SPENT_NOTE).
    """

    id: str
    kind: str
    title: str
    rho_cap_nano: int
    spent_nano: int
    held_nano: int
    forfeited_nano: int
    omega: int
    left_nano: int
    epsilon_cap: str
    epsilon_spent: str


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
    """A request as its requester and its approvers may see it.

    ``utility`` holds the paid measures of a release that was published, one sentence each.
    """

    id: str
    dataset_id: str
    requester: str
    synthesizer: str
    partition: str
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
    utility: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dossier:
    """What approvers sign: a canonical JSON body and its SHA-256."""

    sha256: str
    body: dict[str, Any]


@dataclass(frozen=True)
class PictureView:
    """A picture as SVG text with the table that says the same; ``absent``: why there is none, or ""."""

    title: str
    svg: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    absent: str


@dataclass(frozen=True)
class EventLine:
    """Events of one kind and price: how often, and what they cost together."""

    event: str
    times: int
    rho_nano: int
    epsilon: str


@dataclass(frozen=True)
class ScopeLine:
    """One budget: why it refuses ("" if it does not), and the largest zCDP charge that would fit."""

    title: str
    refusal: str
    would_fit: str


@dataclass(frozen=True)
class Explanation:
    """What a request costs, event by event, and how each budget stands to it."""

    request: str
    state: str
    cost: tuple[str, ...]
    events: tuple[EventLine, ...]
    recount: str
    scopes: tuple[ScopeLine, ...]
    history: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class PlanLine:
    """``room`` more releases of this size fit, by the tightest budget."""

    epsilon: str
    delta: str
    rho_nano: int
    room: int
    tightest: str


@dataclass(frozen=True)
class BudgetPlan:
    """How many releases of which size fit in what is left."""

    dataset_id: str
    synthesizer: str
    lines: tuple[PlanLine, ...]
    scopes: tuple[ScopeView, ...]


@dataclass(frozen=True)
class CheckpointView:
    """A signed checkpoint: its facts, the envelope as text, and the sinks that keep it."""

    origin: str
    seq: int
    hash: str
    time: str
    envelope: str
    sinks: tuple[str, ...]


@dataclass(frozen=True)
class EntryView:
    """One entry of the ledger's hash chain; ``salt`` is empty in entries of older programs."""

    seq: int
    time: str
    kind: str
    body: dict[str, Any]
    hash: str
    salt: str = ""


@dataclass(frozen=True)
class PauseView:
    """A dataset that is paused; ``reason`` is empty for those who do not decide."""

    dataset_id: str
    person: str
    time: str
    reason: str
