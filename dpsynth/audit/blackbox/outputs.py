"""S2 and S9 from outside: what a release must not say of one row, and rows that are real ones again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dpsynth.attacks.one_run import one_run_p_value
from dpsynth.audit.blackbox.claim import Declared, Outside
from dpsynth.audit.blackbox.micro import MICRO, Played
from dpsynth.audit.blackbox.statistic import Counts, needed_share, refuting_p
from dpsynth.audit.plan_blackbox import BlackBoxSection
from dpsynth.audit.result import CheckResult
from dpsynth.engines.made import Ask, Made

__all__ = ["REPLAY", "check_outputs", "check_replay"]

REPLAY = dict.fromkeys(("a", "b", "c", "d", "e"), 12)
"""Columns of the replay's tables: so many cells that two random rows are hardly ever alike."""

_OUTPUTS = (
    "S2",
    "Neighbours told by outputs",
    "Does a category, the number of rows or a failure appear because one row is there?",
)
_COPIES = (
    "S9",
    "Verbatim replay, with control rows",
    "Does the release repeat rows that were in the table more than rows of the same source that were not?",
)


def _new_category(made: Made) -> bool:
    if made.codes is None:
        return False
    return bool((made.codes == np.array(list(MICRO.values())) - 1).any())


def _failed(made: Made) -> bool:
    return made.codes is None or made.grave


def _count(event: Callable[[Made], bool], out: Sequence[Made], held: Sequence[Made]) -> Counts:
    return Counts(sum(map(event, out)), len(out), sum(map(event, held)), len(held))


def check_outputs(played: Played, declared: Declared, limits: BlackBoxSection, power: float) -> CheckResult:
    """S2: fixed tells, each counted on both sides; Bonferroni over them."""
    most = played.rows_held
    tells = {
        "a category of that row alone": _count(_new_category, played.out, played.held),
        "a failure with the row": _count(_failed, played.out, played.held),
        "a failure without the row": _count(lambda one: not _failed(one), played.out, played.held),
    }
    if played.count_out:
        tells["the exact number of rows"] = _count(
            lambda one: one.codes is not None and len(one.codes) >= most, played.count_out, played.count_held
        )
    found = {
        name: min(1.0, len(tells) * refuting_p(counts, *declared.numbers)) for name, counts in tells.items()
    }
    p = min(found.values())
    refuting = [name for name, each in found.items() if each <= limits.alpha]
    asked = [len(side) for side in (played.out, played.count_out) if side]
    # The tell with the fewest fits decides: no pass where a sure one would have been missed.
    needed = needed_share(min(asked), *declared.numbers, limits.alpha / len(tells), power)
    details = {
        "tells": {
            name: {**vars(counts), "p_value": found[name], "shown": found[name] <= limits.alpha}
            for name, counts in tells.items()
        },
        "matrix": {
            "one row added": {name: "differs" if name in refuting else "same" for name in tells},
        },
    }
    if refuting:
        outcome, plain = "fail", f"One row shows in the output: {', '.join(refuting)}."
    elif needed is None or all(map(_failed, (*played.out, *played.held))):
        outcome, plain = (
            "inconclusive",
            "Too few fits: not even a sure tell of every kind could have been seen.",
        )
    else:
        outcome, plain = "pass", "No category, number of rows or failure tells of one row beyond the claim."
        if not played.count_out:
            plain += " It chose no number of rows by itself."
    sure = "" if needed is None else f"a category, count or failure in {needed:.0%} of the releases (S2)"
    return CheckResult(
        *_OUTPUTS,
        "A",
        outcome,  # type: ignore[arg-type]
        plain,
        threshold=limits.alpha,
        n=2 * (len(played.out) + len(played.count_out)),
        p_value=p,
        holm=True,
        could_have_found=sure,
        details=details,
    )


def check_replay(
    outside: Outside, limits: BlackBoxSection, rng: np.random.Generator
) -> tuple[CheckResult, list[Made]]:
    """S9: random rows, a fair coin each; a released row guesses that its coin said in.

    Right guesses are bounded by the claim (Steinke, Nasr, Jagielski 2023), with every row that was left out
    as a control. The result, and how the fits ended.
    """
    shape = (limits.replay_fits, limits.replay_rows, len(REPLAY))
    rows = rng.integers(0, 12, size=shape)
    coins = rng.random(shape[:2]) < 0.5
    tables = [each[coin] for each, coin in zip(rows, coins, strict=True)]
    outside.tell(f"{limits.replay_fits} fits on random rows, half of them left out")
    asks = [Ask(at, limits.replay_rows) for at in range(limits.replay_fits)]
    made = outside.fits(REPLAY, tables, asks) if asks else []
    right = guesses = m = 0
    for each, coin, one in zip(rows, coins, made, strict=True):
        if one.codes is None or one.grave:
            continue
        seen = {tuple(row) for row in one.codes.tolist()}
        emitted = np.array([tuple(row) in seen for row in each.tolist()])
        guesses, right, m = guesses + int(emitted.sum()), right + int((emitted & coin).sum()), m + len(each)
    return _replay_result(outside.declared, limits, m, guesses, right), made


def _replay_result(
    declared: Declared, limits: BlackBoxSection, m: int, guesses: int, right: int
) -> CheckResult:
    least = next(
        (r for r in range(1, m + 1) if one_run_p_value(m, r, r, *declared.numbers) <= limits.alpha), None
    )
    details = {"coins": m, "rows_of_the_table": right, "control_rows": guesses - right}
    if least is None:
        plain = (
            "Too few fits ended, or delta is too large: not even copies of every row would have been seen."
        )
        return CheckResult(*_COPIES, "A", "inconclusive", plain, n=m, details=details)
    p = one_run_p_value(m, guesses, right, *declared.numbers) if guesses else 1.0
    failed = p <= limits.alpha
    plain = f"{right} rows of the tables and {guesses - right} that were left out stood in the releases" + (
        ": it repeats rows that it was given." if failed else ", as the claim allows."
    )
    return CheckResult(
        *_COPIES,
        "A",
        "fail" if failed else "pass",
        plain,
        control=float(guesses - right),
        estimate=float(right),
        threshold=limits.alpha,
        n=m,
        p_value=p,
        holm=True,
        could_have_found=f"{least} rows repeated in {limits.replay_fits} releases (S9)",
        details=details,
    )
