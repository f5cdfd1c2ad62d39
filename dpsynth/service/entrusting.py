"""What a request for an entrusted library may be: everything that public facts refuse, before any charge.

The budget of such a request goes to the library whole. Its epsilon is the one that was asked for; its delta
is the one that was asked for or else the ``entrusted_delta`` of the policy's cap for one release, which is
the most that a single library may fail with. That delta is booked as mass, beside the curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Row

from dpsynth.accounting.cost import ZERO, Cost
from dpsynth.accounting.gate import fits
from dpsynth.accounting.numbers import parse_delta
from dpsynth.accounting.reserve import entrusted_cost, entrusted_event
from dpsynth.accounting.stated import cap_of
from dpsynth.core.curator import Plan
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.engines.catalog import entrusted
from dpsynth.engines.store import Engine, engine_of
from dpsynth.policy.model import Policy
from dpsynth.service.plans import Asked, Declared, allowed_synthesizer, requested_rho
from dpsynth.service.views import RequestForm
from dpsynth.synthesizers.entrusted import EntrustedSynthesizer

__all__ = ["asked_before", "asked_for", "declared", "engine_for", "largest_declared", "largest_for_release"]

_CAPS = ("per_release", "lifetime", "per_requester", "per_dataset", "per_table")
_LARGEST_MICRO = 1_000 * 10**6


def asked_for(form: RequestForm, policy: Policy) -> Asked:
    """The budget that a request states, as its synthesizer takes it.

    Raises BadInput or PolicyRefusal where it states none, or where the policy has no place for such a run.
    """
    if not entrusted(form.synthesizer):
        return requested_rho(form, policy)
    if form.rho is not None or form.epsilon is None:
        raise BadInput(
            f"{form.synthesizer} takes its budget as epsilon and delta",
            allowed="an epsilon, and no rho",
            remedy="state epsilon",
        )
    return declared(policy, form.synthesizer, form.epsilon, form.delta)


def asked_before(row: Row[tuple[object, ...]]) -> Asked:
    """The budget of a stored request; of an entrusted one its epsilon and delta are the declared ones."""
    return Declared(row.epsilon, row.delta) if entrusted(row.synthesizer) else int(row.rho)


def declared(policy: Policy, name: str, epsilon: str, delta: str | None = None) -> Declared:
    """What the library is given: epsilon, and ``delta`` or the policy's own.

    Raises PolicyRefusal where the policy does not allow the library by name, or no such run at all.
    """
    synthesizer = allowed_synthesizer(policy, name)
    if not isinstance(synthesizer, EntrustedSynthesizer):
        raise BadInput(
            f"{name} is no library that is given rows", remedy="see the policy's synthesis.allowed"
        )
    _check_place(policy, name)
    given = _delta(policy, synthesizer, delta)
    entrusted_event(epsilon, given)  # refuses what is no budget
    return Declared(epsilon, given)


def _check_place(policy: Policy, name: str) -> None:
    unit, budget = policy.privacy_unit, policy.budget
    if unit.max_rows_per_unit != 1 or unit.adjacency != "add_remove":
        raise PolicyRefusal(
            f"{name} declares its budget for one row that is added or removed, and policy {policy.id} "
            "promises more",
            allowed="policies with one row a unit, under add_remove",
            remedy="choose a synthesizer that asks the curator",
        )
    if policy.audits.on_inconclusive != "officer_reason":
        raise PolicyRefusal(
            f"Policy {policy.id} releases nothing whose audit is inconclusive, and {name} is not "
            "structurally audited",
            allowed="policies that let an officer release it with a written reason",
            remedy="choose a synthesizer that asks the curator",
        )
    caps = [cap for cap in (getattr(budget, each) for each in _CAPS) if cap is not None]
    if any(Decimal(cap.entrusted_delta) >= Decimal(budget.report_delta) for cap in caps):
        raise PolicyRefusal(
            f"Policy {policy.id} lets entrusted libraries fail with all of the delta that it reports at",
            allowed=f"an entrusted_delta below {budget.report_delta} in every cap",
            remedy="ask the data owner for a new policy version",
        )


def _delta(policy: Policy, synthesizer: EntrustedSynthesizer, delta: str | None) -> str:
    most = policy.budget.per_release.entrusted_delta
    if not synthesizer.needs_delta:
        if delta is not None:
            raise BadInput(f"{synthesizer.name} takes no delta", remedy="leave delta out")
        return "0"
    if Decimal(most) == 0:
        raise PolicyRefusal(
            f"Policy {policy.id} has no room for a library that may fail: {synthesizer.name} needs a delta",
            allowed="policies whose caps state an entrusted_delta",
            remedy="ask the data owner for a new version, or choose a synthesizer that asks the curator",
        )
    if delta is not None and parse_delta(delta) > Decimal(most):
        raise PolicyRefusal(
            f"A library that fails with probability {delta} is more than policy {policy.id} allows",
            allowed=f"delta at most {most} for one release",
            remedy="state a smaller delta, or none",
        )
    return most if delta is None else delta


def engine_for(home: Path, plan: Plan) -> Engine | None:
    """The engine that the plan needs; None if it needs none. Raises PolicyRefusal if it was not added."""
    return None if plan.entrusted is None else engine_of(home, plan.entrusted.engine)


def largest_declared(delta: str, room: Callable[[Cost], bool]) -> str:
    """The largest epsilon, in six digits, that a library may declare with this delta; "" for none."""
    low, high = 0, _LARGEST_MICRO + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if room(entrusted_cost(_epsilon(middle), delta)) else (low, middle)
    return _epsilon(low) if low else ""


def largest_for_release(policy: Policy, delta: str) -> str:
    """The largest epsilon that a library may declare under the policy's cap for one release; "" for none."""
    cap = replace(cap_of(policy.budget.per_release), mu2=None)
    return largest_declared(delta, lambda cost: fits(ZERO, cost, cap))


def _epsilon(micro: int) -> str:
    return format(Decimal(micro).scaleb(-6).normalize(), "f")
