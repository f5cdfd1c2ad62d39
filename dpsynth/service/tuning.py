"""Which synthesizer, at which epsilon, with which settings: tried on made-up rows, so it costs nothing.

Settings chosen on the real table would be an answer about it, and have to be paid for. A stand-in table drawn
from the policy's public domain tells how noise, budget and shape of the domain go together; how people's
columns hang together it cannot know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.gate import compile_cap
from dpsynth.accounting.reserve import plan_cost
from dpsynth.core.curator import Progress, Synthesizer
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.core.table import SyntheticTable
from dpsynth.engines.catalog import entrusted
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.policy.model import Policy
from dpsynth.service.plans import allowed_synthesizer
from dpsynth.service.standin import LEAST_ROWS, MOST_ROWS, Errors, behind_curator, errors_of, made_up
from dpsynth.synthesizers.structure import StructuredSynthesizer
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.surrogate import SurrogateTable

__all__ = ["LEAST_ROWS", "MOST_ROWS", "Trial", "tune"]

Variant = Mapping[str, int]


@dataclass(frozen=True)
class Trial:
    """One fit to the stand-in.

    Attributes:
        settings: what was varied; empty: the synthesizer as it is.
        epsilon, delta, rho_nano: its budget.
        error: mean total variation distance of the marginals of one, two and three columns, 0 to 1.
        refusal: why it could not be planned; then there is no error.
    """

    synthesizer: str
    settings: Variant
    epsilon: str
    delta: str
    rho_nano: int
    error: Errors | None
    refusal: str = ""


def tune(
    policy: Policy,
    names: Sequence[str],
    epsilons: Sequence[str],
    rows: int,
    variants: Sequence[Variant] = ({},),
    tell: Callable[[str, Progress | None], None] = lambda words, progress: None,
) -> tuple[Trial, ...]:
    """Fit each synthesizer at each epsilon to the same stand-in; best two-column error first.

    Args:
        names: synthesizers of the policy; none: all that are not given rows.
        epsilons: at the policy's report_delta.
        rows: of the stand-in, ``LEAST_ROWS`` to ``MOST_ROWS``.
        variants: settings to try, by the synthesizer's own names; each must fit each synthesizer.
        tell: which trial runs, and how far its fit is.

    Raises BadInput for settings that a synthesizer does not have; PolicyRefusal for one that is not allowed.
    """
    delta, tried = policy.budget.report_delta, list(_known(policy, names))
    budgets = {epsilon: compile_cap(epsilon, delta).rho for epsilon in epsilons}
    chosen = [(_varied(one, variant), variant) for one in tried for variant in variants]
    truth = made_up(policy.domain(), rows).table
    table = behind_curator(policy, truth)
    trials = []
    for epsilon, rho in budgets.items():
        for synthesizer, variant in chosen:
            words = f"{synthesizer.name} at epsilon {epsilon}{_words(variant)}"
            tell(words, None)
            error, refusal = _tried(synthesizer, rho, policy, table, truth, partial(tell, words))
            trials.append(Trial(synthesizer.name, dict(variant), epsilon, delta, rho, error, refusal))
    return tuple(sorted(trials, key=lambda one: (budgets[one.epsilon], one.error[1] if one.error else 2.0)))


def _words(variant: Variant) -> str:
    return "".join(f", {name}={value}" for name, value in variant.items())


def _known(policy: Policy, names: Sequence[str]) -> list[Synthesizer]:
    wanted = names or [one.name for one in policy.synthesis.allowed if not entrusted(one.name)]
    for name in wanted:
        if entrusted(name):
            raise BadInput(
                f"{name} is given rows, in an environment of its own",
                allowed="synthesizers that work behind the curator",
                remedy="leave it out",
            )
    return [allowed_synthesizer(policy, name) for name in wanted]


def _varied(synthesizer: Synthesizer, variant: Variant) -> Synthesizer:
    """The synthesizer with these settings, which must be whole numbers or yes and no of its own."""
    if not variant:
        return synthesizer
    inner = synthesizer.inner if isinstance(synthesizer, StructuredSynthesizer) else synthesizer
    known: dict[str, type] = {}
    if is_dataclass(inner):
        known = {one.name: type(getattr(inner, one.name)) for one in fields(inner)}
    known = {name: kind for name, kind in known.items() if kind in (int, bool)}
    if unknown := sorted(set(variant) - set(known)):
        raise BadInput(
            f"{synthesizer.name} has no setting {unknown[0]!r}",
            allowed=", ".join(sorted(known)) or "it has none",
            remedy="vary one of these",
        )
    values = {name: known[name](value) for name, value in variant.items()}
    return StructuredSynthesizer(replace(inner, **values))  # type: ignore[type-var]


def _tried(
    synthesizer: Synthesizer,
    rho: int,
    policy: Policy,
    table: SurrogateTable,
    truth: SyntheticTable,
    watch: Callable[[Progress], None],
) -> tuple[Errors | None, str]:
    try:
        plan = synthesizer.plan(policy.domain(), rho, policy.synthesis.max_model_cells)
    except PolicyRefusal as refusal:
        return None, refusal.text()
    budget = PrivacyFilter(plan_cost(plan, policy.budget.report_delta))
    curator = TableCurator(table, policy.unit(), budget, OpenDPNoise(), watch)
    drawn = synthesizer.fit(plan, curator).sample(truth.rows, os_generator())
    return errors_of(truth, drawn), ""
