"""S2, neighbour artefact diff: a pipeline is a function of the curator's answers and of coins alone.

One fit on surrogate rows is taped: what the curator answered, and every coin. The same fit on other rows then
hears the same answers and coins. Whatever still differs came from the rows past every mechanism: the domain,
the released codes, the model, a log line, a warning, a failure, the questions themselves. Because answers are
replayed, and not noise alone, an honest pipeline differs nowhere, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.accounting.reserve import plan_cost
from dpsynth.audit.content import content
from dpsynth.audit.door import Tape
from dpsynth.audit.odd_rows import (
    REFUSED,
    OddUnit,
    RawRows,
    all_alike,
    as_texts,
    many_alike,
    odd_units,
    unfit_unit,
)
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.audit.surrogate import PLANTED, SurrogateRows
from dpsynth.audit.watching import Said, watched
from dpsynth.core.curator import FittedModel
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.core.table import SyntheticTable
from dpsynth.mechanisms.rng import os_generator

__all__ = ["ARTEFACTS", "check_artefacts"]

ARTEFACTS = (
    "domain", "plan", "questions", "charges", "progress", "model", "rows", "number of rows", "columns",
    "log", "warnings", "output", "files", "failure", "rows of others",
)  # fmt: skip
"""What is compared, by name for people."""

_Seen = Mapping[str, object]
_FOUND = "anything but an answer of the curator that differs between these tables, in one fit"


class _Rehearsal:
    """Fits of one pipeline over one tape."""

    def __init__(self, pipeline: Pipeline, base: RawRows) -> None:
        self._pipeline, self._base = pipeline, base
        self._tape: Tape = pipeline.door.tape()
        self.fits = 0
        self.taped = self.seen(base)
        self._again: _Seen | None = None

    def compared(self, rows: RawRows) -> dict[str, str]:
        """For each artefact: same, differs, varies (it differs on the very same rows too), or not made."""
        seen = self.seen(rows)
        found = {name: self._verdict(name, value) for name, value in seen.items()}
        unmade = [name for name in ARTEFACTS if seen[name] is None and self.taped[name] is not None]
        return found | dict.fromkeys(unmade, "not made") if found["failure"] != "same" else found

    def _verdict(self, name: str, value: object) -> str:
        if value == self.taped[name]:
            return "same"
        if self._again is None:
            self._again = self.seen(self._base)
        # A first fit may say what later ones do not: what was loaded, or compiled.
        if value == self._again[name]:
            return "varies" if name == "questions" else "same"
        return "differs" if self._again[name] == self.taped[name] else "varies"

    def seen(self, rows: RawRows) -> _Seen:
        """Artefacts of a fit on these rows; whatever goes wrong is one of them.

        ``rows of others`` is no artefact of a fit, and stays None.
        """
        seen: dict[str, object] = dict.fromkeys(ARTEFACTS)
        self.fits += 1
        with watched() as said:
            try:
                self._fit(rows, seen)
            except (Exception, SystemExit) as error:
                seen["failure"] = f"{type(error).__name__}: {error}"
        return {**seen, **_overheard(said)}

    def _fit(self, rows: RawRows, seen: dict[str, object]) -> None:
        door, claim = self._pipeline.door, self._pipeline.claim
        table = door.intake(rows.texts, rows.ids, rows.labels)
        plan = self._pipeline.plan()
        seen["plan"] = content(plan)
        cost = claim.cost if plan.gradient is None else plan_cost(plan, claim.delta)
        with self._tape.played(table, cost) as run:
            try:
                seen["domain"] = content(run.domain)
                model = self._pipeline.synthesizer.fit(plan, run.curator)
                seen["model"] = content(model)
                _sampled(model, len(self._base.ids), seen)
            finally:
                seen["questions"] = tuple(run.questions)
                seen["charges"] = content(tuple(run.charged))
                seen["progress"] = content(tuple(run.told))


def _sampled(model: FittedModel, rows: int, seen: dict[str, object]) -> None:
    """Rows of the model, as many for each table."""
    release: SyntheticTable = model.sample(rows, os_generator())
    seen["rows"] = content(release.codes)
    seen["number of rows"] = [len(column) for column in release.codes.values()]
    dtypes = {name: str(column.dtype) for name, column in release.codes.items()}
    seen["columns"] = content((release.domain, dtypes))


def _overheard(said: Said) -> dict[str, object]:
    return {
        "log": said.logged,
        "warnings": said.warned,
        "output": (said.out, said.err),
        "files": said.touched,
    }


def _each(
    base: RawRows, rows: SurrogateRows, pipeline: Pipeline, odd: Sequence[OddUnit]
) -> dict[str, RawRows]:
    """Tables with one change each, by name."""
    domain = pipeline.door.domain
    most = int(np.bincount(rows.units).argmax())
    return {
        "without the unit of rare rows": as_texts(rows.without(PLANTED), domain),
        "without the unit with the most rows": as_texts(rows.without(most), domain),
        "of other units, all alike": all_alike(base),
        **{f"with a unit of {unit.name}": base.after(unit) for unit in odd},
    }


def _crowd(pipeline: Pipeline, base: RawRows, odd: Sequence[OddUnit]) -> str:
    """Whether taking in many alike rows changed others' rows, odd ones among them: ``same`` or ``differs``.

    What is filled in, scaled or binned by what most rows hold is then filled in otherwise.
    """
    messy = base.after(*(unit for unit in odd if unit.neighbour))
    crowded = many_alike(messy)
    with watched():
        try:
            one, two = (pipeline.door.intake(each.texts, each.ids, each.labels) for each in (messy, crowded))
        except Exception:
            return "differs"
    return "same" if pipeline.door.same(one, two, np.unique(messy.labels)) else "differs"


def _refusals(pipeline: Pipeline, rows: SurrogateRows, base: RawRows) -> dict[str, str]:
    """Rows that a file may be unable to hold: ``refused`` as documented, ``differs``, or empty: taken in.

    A refusal must be the same whatever the other rows are.
    """
    domain, new, found = pipeline.door.domain, int(base.labels.max()) + 1, {}
    fewer = as_texts(rows.without(PLANTED), domain)
    for name in REFUSED:
        unit = unfit_unit(domain, name, new)
        one, two = (_refusal(pipeline, other.after(unit)) for other in (base, fewer))
        found[name] = "refused" if one and one == two else "differs" if one or two else ""
    return found


def _refusal(pipeline: Pipeline, rows: RawRows) -> tuple[object, ...] | None:
    """How rows are refused; None where they are taken in."""
    with watched():
        try:
            pipeline.door.intake(rows.texts, rows.ids, rows.labels)
        except (BadInput, PolicyRefusal) as error:
            return (type(error).__name__, str(error))
        except Exception as error:
            return (type(error).__name__, object())  # never equal: no refusal that is documented
    return None


def check_artefacts(pipeline: Pipeline, rows: SurrogateRows, plan: AuditPlan) -> CheckResult:
    """Fit once, then with the same answers and coins on other rows, and compare all that came out.

    Args:
        pipeline: what is audited.
        rows: surrogate rows; they and the other rows go through the door's intake as texts.
        plan: whether changes are tried together, and one by one only where something differs, or each.

    Returns:
        fail if anything differs that does not differ on the very same rows too; inconclusive if something
        differs there too, or the pipeline does not finish on the surrogate rows.
    """
    if plan.structural is None or len(rows.units) < 2:
        return _result("inconclusive", "There are too few surrogate rows, or no plan, to compare fits.")
    base = as_texts(rows, pipeline.door.domain)
    rehearsal = _Rehearsal(pipeline, base)
    if (failure := rehearsal.taped["failure"]) is not None:
        kind = str(failure).split(":")[0]
        return _result("inconclusive", f"The pipeline does not finish on surrogate rows ({kind}).")
    odd = odd_units(base, pipeline.door.domain, pipeline.door.unit)
    refused = _refusals(pipeline, rows, base)
    new = 1 + max(int(base.labels.max()), *(unit.label for unit in odd))
    taken = [name for name, how in refused.items() if not how]
    odd += tuple(unfit_unit(pipeline.door.domain, name, new + at) for at, name in enumerate(taken))
    each = _each(base, rows, pipeline, odd)
    matrix: dict[str, dict[str, str]] = {}
    # The first holds every oddity; the second holds none of the old rows, and another number of them.
    together = [base.after(*odd), all_alike(base)]
    first = (
        [rehearsal.compared(table) for table in together]
        if plan.structural.artefact_tables == "together"
        else []
    )
    if first and all(value == "same" for found in first for value in found.values()):
        matrix = {name: dict.fromkeys(ARTEFACTS, "same") for name in each}
    else:
        matrix = {f"several changes at once, {at}": found for at, found in enumerate(first, start=1)}
        matrix |= {name: rehearsal.compared(table) for name, table in each.items()}
    crowd = dict.fromkeys(ARTEFACTS, "same") | {"rows of others": _crowd(pipeline, base, odd)}
    matrix["with as many rows again, all alike"] = crowd
    for name, how in refused.items():
        if how:
            matrix[f"with a unit of {name}"] = {
                artefact: how if artefact == "failure" else "same" for artefact in ARTEFACTS
            }
    return _judged(matrix, rehearsal)


def _judged(matrix: Mapping[str, Mapping[str, str]], rehearsal: _Rehearsal) -> CheckResult:
    differs = [(name, a) for name, found in matrix.items() for a in ARTEFACTS if found[a] == "differs"]
    varies = sorted({a for found in matrix.values() for a in ARTEFACTS if found[a] == "varies"})
    details = {
        "neighbours": list(matrix),
        "artefacts": list(ARTEFACTS),
        "matrix": [[found[artefact] for artefact in ARTEFACTS] for found in matrix.values()],
        "questions": len(rehearsal.taped["questions"]),  # type: ignore[arg-type]
        "fits": rehearsal.fits,
    }
    if differs:
        which = ", ".join(sorted({artefact for _, artefact in differs}))
        plain = f"With the same answers and coins, {which} still depended on the rows: {differs[0][0]}."
        return _result("fail", plain, details)
    if varies:
        plain = f"On the very same rows, answers and coins, these differ by themselves: {', '.join(varies)}."
        return _result("inconclusive", plain, details)
    return _result(
        "pass", "With the same answers and coins everything was the same, whatever the rows.", details
    )


def _result(outcome: Outcome, plain: str, details: Mapping[str, object] | None = None) -> CheckResult:
    found = "" if details is None else _FOUND
    return CheckResult(
        id="S2",
        name="Neighbour artefact diff",
        question="Does anything but the curator's noisy answers depend on whose rows are in the table?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        n=len(details["neighbours"]) if details and isinstance(details["neighbours"], list) else 0,
        could_have_found=found if outcome in ("pass", "fail") else "",
        details=details or {},
    )
