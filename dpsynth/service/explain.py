"""Why a request costs what it costs, why it was refused, and what would fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import Row, select

from dpsynth.accounting.cost import Cost, cost_of
from dpsynth.accounting.events import Event, event_from_json
from dpsynth.accounting.gate import Cap, compile_cap, fits, rho_left
from dpsynth.accounting.recount import pld_epsilon
from dpsynth.accounting.statement import PLD_LABEL, epsilon_at, state
from dpsynth.engines.catalog import entrusted
from dpsynth.ledger.chain import Entry, entries_about
from dpsynth.ledger.charges import charge
from dpsynth.ledger.refusal import why_not
from dpsynth.ledger.schema import scopes as scope_table
from dpsynth.ledger.scopes import Balance, text_cost
from dpsynth.ledger.store import Store
from dpsynth.policy.model import Policy
from dpsynth.service.budgets import part_for, touched_scopes
from dpsynth.service.entrusting import declared, largest_declared
from dpsynth.service.measuring import measure_plan
from dpsynth.service.plans import fitting_epsilon, largest_fitting
from dpsynth.service.quotes import touched_balances
from dpsynth.service.registry import parsed_policy
from dpsynth.service.requests import request_row
from dpsynth.service.views import EventLine, Explanation, ScopeLine

__all__ = ["explain"]


def explain(store: Store, actor: str, request_id: str) -> Explanation:
    """Everything about one request's price, for whoever may see the request."""
    with store.read() as connection:
        row = request_row(connection, actor, request_id)
        policy = parsed_policy(row.policy_text, row.dataset_id)
        found = charge(connection, request_id)
        history = list(entries_about(connection, request_id))
        scopes = touched_scopes(policy, row.policy_sha256, row.requester)
        known = connection.execute(select(scope_table.c.id)).scalars().all()
        touched = touched_balances(connection, scopes) if known else []
    cost, events = text_cost(row.cost), _events(history)
    return Explanation(
        request=request_id,
        state=found.state if found.state != "ABSENT" else row.state.upper(),
        cost=(*_cost_lines(cost, policy), *_measure_lines(row, policy)),
        events=_event_lines(events, policy.budget.report_delta),
        recount=_recount(events, policy),
        scopes=_scope_lines(touched, row, policy, cost, held=found.state == "RESERVED"),
        history=tuple(
            f"{entry.time}  {entry.kind}  {entry.body.get('reason', '')}".strip() for entry in history
        ),
        reason=row.message if row.state == "refused" else found.reason,
    )


def _events(history: Sequence[Entry]) -> tuple[Event, ...]:
    settled = [entry for entry in history if entry.kind == "settled"]
    return tuple(event_from_json(one) for entry in settled for one in entry.body["events"])


def _cost_lines(cost: Cost, policy: Policy) -> tuple[str, ...]:
    said = state(cost, policy.budget.report_delta)
    lines = [
        f"reserved: rho {cost.rho / 1e9:.9f}, epsilon {said.epsilon} at delta {said.delta} (Renyi curve)"
    ]
    if said.gaussian:
        lines.append(
            f"the same by the exact Gaussian conversion: epsilon {said.gaussian}, "
            f"sum of mu squared {cost.mu2 / 1e9:.9f}"
        )
    if cost.delta:
        lines.append(f"of the delta, {cost.delta / 1e18:.3g} is what entrusted libraries may fail with")
    return tuple(lines)


def _measure_lines(row: Row[tuple[object, ...]], policy: Policy) -> tuple[str, ...]:
    """What of it pays for measures of utility, in the order in which the run makes them, after its rows."""
    paid = None if entrusted(row.synthesizer) else measure_plan(policy, int(row.rho))
    return () if paid is None else paid.steps()


def _event_lines(events: Sequence[Event], delta: str) -> tuple[EventLine, ...]:
    """One line for each kind of event at each price, in order of first use."""
    counted = Counter(events)
    lines = []
    for event, times in counted.items():
        cost = cost_of(event).times(times)
        lines.append(EventLine(str(event), times, cost.rho, epsilon_at(cost, delta)))
    return tuple(lines)


def _recount(events: Sequence[Event], policy: Policy) -> str:
    """The PLD figure of what was done, where the library has one; never used for a decision."""
    value = pld_epsilon(events, float(policy.budget.report_delta)) if events else None
    return "" if value is None else f"PLD: epsilon {value:.6f} ({PLD_LABEL})"


def _scope_lines(
    touched: Sequence[Balance], row: Row[tuple[object, ...]], policy: Policy, cost: Cost, held: bool
) -> tuple[ScopeLine, ...]:
    part = part_for(policy, row.part)
    lines = []
    for balance in touched:
        taken = balance.taken_beside(part)
        beside = taken - cost if held else taken
        refusal = why_not(balance.scope, beside, cost) if held or row.state in {"refused", "queued"} else ""
        lines.append(
            ScopeLine(
                balance.scope.title, refusal, _would_fit(taken, balance.scope.cap, policy, row.synthesizer)
            )
        )
    return tuple(lines)


def _would_fit(taken: Cost, cap: Cap, policy: Policy, synthesizer: str) -> str:
    """What may be asked for of this synthesizer; never rounded up, so that asking for it works."""

    def room(cost: Cost) -> bool:
        return fits(taken, cost, cap)

    if entrusted(synthesizer):
        declares = declared(policy, synthesizer, "1").delta
        most = largest_declared(declares, room)
        return f"epsilon {most} at delta {declares}, given whole to {synthesizer}" if most else "nothing more"
    delta = policy.budget.report_delta
    rho = largest_fitting(policy, synthesizer, rho_left(taken, cap), room)
    if not rho:
        return "nothing more"
    said, epsilon = f"rho {Decimal(rho).scaleb(-9):.9f}", fitting_epsilon(rho, delta)
    if epsilon:
        # Asking for this epsilon takes a little less rho, and the second gate may treat less as more.
        less = compile_cap(epsilon, delta).rho
        if largest_fitting(policy, synthesizer, less, room) == less:
            said += f", epsilon {epsilon} at delta {delta}"
    return said
