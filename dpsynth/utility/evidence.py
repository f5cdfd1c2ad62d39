"""RED: exact measures of utility, from rows of people: class B evidence, for the review room only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dpsynth.core.domain import Domain
from dpsynth.utility.association import MOST_COLUMNS, PICTURED_CELLS, associations
from dpsynth.utility.cells import MOST_CELLS, MOST_MARGINALS, Codes, some_rows
from dpsynth.utility.groups import grouping_of, groups
from dpsynth.utility.marginals import WIDTHS, width_errors
from dpsynth.utility.prediction import prediction as predicted
from dpsynth.utility.prediction import task_of, trained
from dpsynth.utility.regression import regression

__all__ = ["LIMITS", "MOST_ROWS", "MOST_TRAINING_ROWS", "exact_utility"]

MOST_ROWS, MOST_TRAINING_ROWS = 50_000, 10_000

LIMITS = (
    (
        f"Of each table at most {MOST_ROWS:,} rows are compared, and at most {MOST_TRAINING_ROWS:,} train or "
        "test a model: drawn at random where there are more."
    ),
    (
        f"Of the pairs and triples of columns at most {MOST_MARGINALS} are compared, evenly spaced in the "
        f"policy's order, and none of more than {MOST_CELLS:,} cells."
    ),
    "Predictions and regressions are plain linear models on the bins of the policy, without any tuning.",
)
"""How the measures are bounded, in plain words."""


def exact_utility(
    parts: Sequence[Codes],
    made: Codes,
    domain: Domain,
    rng: np.random.Generator,
    *,
    task: str | None = None,
    by: str | None = None,
    roles: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Every exact measure of synthetic rows against real ones, as a JSON value.

    Args:
        parts: the encoded real rows in domain order, in one part or several.
        made: the encoded synthetic rows.
        rng: draws the rows that are looked at, where there are too many.
        task: the column to predict, or None for the last that is fit for it.
        by: the column of groups, or None for the first quasi-identifier that is fit for it.
        roles: the policy's role of each column, in domain order; empty for none.

    What cannot be judged has a reason under ``why_not`` in place of its numbers.
    """
    if not sum(map(len, parts)) or not len(made):
        return {"why_not": "one of the tables has no rows"}
    real, made = some_rows(parts, MOST_ROWS, rng), some_rows([made], MOST_ROWS, rng)
    chosen = task_of(domain, task)
    few = [some_rows([codes], MOST_TRAINING_ROWS, rng) for codes in (real, made)]
    models = None if chosen is None else trained(few[0], few[1], domain, chosen, rng)
    small = [column for column in domain.columns[:MOST_COLUMNS] if column.size <= PICTURED_CELLS]
    column = grouping_of(domain, by, roles or ("",) * len(domain.columns), chosen)
    return {
        "why_not": "",
        "limits": list(LIMITS),
        "labels": {column.name: [column.label(code) for code in range(column.size)] for column in small},
        "task_is": "named by the policy" if task else "the last column of few values: the policy names none",
        "by_is": "named by the policy"
        if by
        else "the first quasi-identifier of few categories: the policy names none",
        "marginals": [width_errors(real, made, domain, width) for width in WIDTHS],
        "association": associations(real, made, domain),
        "prediction": predicted(models, domain),
        "regression": regression(few[0], few[1], domain, chosen),
        "groups": groups(real, made, domain, column, models),
    }
