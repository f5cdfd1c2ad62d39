"""G1 and G2: the worst pair of tiny tables, seen from outside and from within."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.discriminant import Discriminant
from dpsynth.audit.games.claimed import claimed_curve, claimed_mu
from dpsynth.audit.games.duel import Duel, details, duel
from dpsynth.audit.games.power import noise_ratio_found, tell_found
from dpsynth.audit.games.questions import GAME_QUESTIONS, not_played
from dpsynth.audit.games.units import Observation
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.plan_games import GamesSection
from dpsynth.audit.result import CheckResult, Claim, Outcome

__all__ = ["check_black_box", "check_white_box"]

_SIDES = (1, 0)
_SURE = 3.0
Sides = Mapping[int, Sequence[Observation]]
"""Observations with the target (1) and without (0)."""


def _crashed(seen: Sequence[Observation]) -> NDArray[np.bool_]:
    return np.array([one["crashed"][0] > 0 for one in seen], dtype=np.bool_)


def _table(seen: Sequence[Observation], name: str, width: int) -> NDArray[np.float64]:
    """Features of each fit, then whether it crashed; shape (fits, width + 1)."""
    rows = [[*(one[name] or [0.0] * width), *one["crashed"]] for one in seen]
    return np.array(rows, dtype=np.float64)


def _tables(sides: Sides, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    width = max(len(one[name]) for side in _SIDES for one in sides[side])
    return _table(sides[1], name, width), _table(sides[0], name, width)


def check_black_box(sides: Sides, claim: Claim, plan: AuditPlan, section: GamesSection) -> CheckResult:
    """G1: features of the release alone.

    Args:
        sides: observations of :class:`~dpsynth.audit.games.micro.MicroGame`.
        claim: what is promised.
        plan: the power that is printed.
        section: level, looks and the sign that must be findable.

    Returns:
        fail where the claimed curve is refuted at the level; inconclusive where every fit crashed, or
        where a sign that the plan wants found could not have been; else pass.
    """
    if all(_crashed(sides[side]).all() for side in _SIDES):
        return not_played("G1", "No fit on the tiny tables came to an end, so nothing was compared.")
    tables = _tables(sides, "release")
    found = duel(*tables, claim, section.alpha, fits=section.fits, looks=section.looks)
    if found is None:
        return not_played("G1", "There were too few fits to compare anything.")
    outs, ins = found.errors.outs, found.errors.ins
    tell = tell_found(outs, ins, claimed_curve(claim), section.alpha, plan.noise_power)
    weak = tell is None or tell > section.tell_needed
    words = "" if tell is None else f"a sign in released rows that {tell * 100:.0f} % of fits show"
    return _result(
        "G1", found, claim, section, "The game was too small for this claim." if weak else "", words
    )


def check_white_box(sides: Sides, claim: Claim, plan: AuditPlan, section: GamesSection) -> CheckResult:
    """G2: likelihood ratios of the noisy answers, and scores learned from them.

    Arguments and outcomes as in :func:`check_black_box`. It is also inconclusive where the target moves the
    answers by less than ``power_share`` of the claim's mu, or where the scores surely show less than that.
    The first is known without error from the answers' declared noise; the second, the measured mu, has an
    error as large as the mu of a small claim, so only its upper end decides.
    """
    if any(_crashed(sides[side]).all() for side in _SIDES):
        return not_played("G2", "The fits of a side came to no end, so no answers were compared.")
    tables = _tables(sides, "answers")
    ready = Discriminant(np.eye(tables[0].shape[1])[0])
    found = duel(
        *tables,
        claim,
        section.alpha,
        ready=[("likelihood ratio", ready)],
        fits=section.fits,
        looks=section.looks,
    )
    if found is None:
        return not_played("G2", "There were too few fits to compare anything.")
    design, seen, most = _strength(sides, tables)
    needed = section.power_share * claimed_mu(claim)
    outs, ins = found.errors.outs, found.errors.ins
    ratio = noise_ratio_found(outs, ins, design, claimed_curve(claim), section.alpha, plan.noise_power)
    why = ""
    if design < needed or most < needed:
        why = "The target moved the noisy answers too little for what the claim allows."
    elif ratio is None or ratio < section.noise_ratio_needed:
        why = "The game was too small for this claim."
    words = (
        "" if ratio is None else f"noise below {ratio * 100:.0f} % of the declared, from answers to a target"
    )
    more = {"mu_by_design": design, "mu_measured": seen, "mu_claimed": claimed_mu(claim)}
    return _result("G2", found, claim, section, why, words, more)


def _strength(sides: Sides, tables: Sequence[NDArray[np.float64]]) -> tuple[float, float, float]:
    """mu by design; mu measured from the likelihood ratios; the most that the latter may well be."""
    alive = [table[table[:, -1] == 0, 0] for table in tables]
    known = [one["information"][0] for side in _SIDES for one in sides[side] if not one["crashed"][0]]
    spread = math.sqrt(sum(float(scores.var()) for scores in alive) / 2.0)
    seen = float(alive[0].mean() - alive[1].mean()) / spread if spread > 0 else 0.0
    error = math.sqrt(sum(1.0 / len(scores) for scores in alive))
    return math.sqrt(float(np.mean(known))), seen, seen + _SURE * error


def _result(
    test: str,
    found: Duel,
    claim: Claim,
    section: GamesSection,
    weak: str,
    words: str,
    more: Mapping[str, float] | None = None,
) -> CheckResult:
    outcome: Outcome = "inconclusive" if weak else "pass"
    plain = weak or "The target's presence shows no more than the claim allows."
    if found.p <= section.alpha:
        outcome, plain = (
            "fail",
            "The target's presence shows more than the claim allows, at whatever epsilon it is read.",
        )
    name, question = GAME_QUESTIONS[test]
    numbers = details(found, claim, section.alpha)
    return CheckResult(
        id=test,
        name=name,
        question=question,
        evidence="A",
        outcome=outcome,
        plain=plain,
        estimate=numbers["epsilon_equivalent"],
        threshold=float(claim.epsilon),
        n=found.errors.ins + found.errors.outs,
        p_value=found.p,
        holm=True,
        could_have_found=words if outcome == "pass" else "",
        details={**numbers, **(more or {})},
    )
