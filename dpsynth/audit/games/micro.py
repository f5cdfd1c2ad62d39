"""One fit on a tiny table, for G1 (its release) and G2 (its noisy answers) at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dpsynth.audit.games.answers import Weighed, weigh
from dpsynth.audit.games.features import release_features
from dpsynth.audit.games.pairs import Pair, micro_domain, micro_pair
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan_games import GamesSection

__all__ = ["MicroGame", "facts_of", "micro_game"]


def facts_of(pipeline: Pipeline) -> dict[str, Any]:
    """JSON value of what is fitted: synthesizer with its plan, domain, unit and claim."""
    made = pipeline.plan()
    return {
        "synthesizer": [made.synthesizer, made.version, made.rho_nano, list(made.steps)],
        "options": dict(made.options),
        "columns": [[c.name, c.kind, list(c.values), list(c.edges)] for c in pipeline.door.domain.columns],
        "unit": asdict(pipeline.door.unit),
        "claim": asdict(pipeline.claim),
    }


@dataclass(frozen=True)
class MicroGame:
    """The pipeline over a pair of tiny tables.

    Attributes:
        pipeline: over the tiny domain.
        pair: both tables.
        release_rows: rows that each model is asked for, the same on both sides.
    """

    pipeline: Pipeline
    pair: Pair
    release_rows: int

    def facts(self) -> dict[str, Any]:
        """What is fitted, and on which rows."""
        sides = [self.pair.outside, self.pair.inside]
        tables = [{name: column.tolist() for name, column in rows.codes.items()} for rows in sides]
        return {**facts_of(self.pipeline), "tables": tables, "release_rows": self.release_rows}

    def play(self, side: int, rng: np.random.Generator) -> dict[str, list[float]]:
        """Fit once, on the table with the target (1) or without (0).

        A crash is something that an attacker sees: it is kept as an observation.
        """
        rows = self.pair.inside if side else self.pair.outside
        domain = self.pipeline.door.domain
        try:
            fit = self.pipeline.fit(rows, rng)
            # The number of rows is public: the same on both sides, whatever the table holds.
            release = release_features(fit.model.sample(self.release_rows, rng), domain, self.pair.target)
            tables = [
                self.pipeline.door.table(one.codes, one.units)
                for one in (self.pair.outside, self.pair.inside)
            ]
            found = weigh(fit.run.records, *tables)
        except Exception:
            width = len(_parts(domain.names)) + 2
            return {"crashed": [1.0], "release": [], "answers": [0.0] * width, "information": [0.0]}
        answers = [found.total, *_listed(found, domain.names), found.exact]
        return {"crashed": [0.0], "release": release, "answers": answers, "information": [found.information]}


def _parts(names: tuple[str, ...]) -> list[str]:
    return ["count", *(f"column {name}" for name in names), "wider", "choices"]


def _listed(found: Weighed, names: tuple[str, ...]) -> list[float]:
    return [found.parts.get(part, 0.0) for part in _parts(names)]


def micro_game(pipeline: Pipeline, section: GamesSection) -> MicroGame | None:
    """The game on the pipeline's first columns, cut to a few codes; None where no column has two codes."""
    domain = micro_domain(pipeline.door.domain, section.micro_columns, section.micro_codes)
    if domain is None:
        return None
    door = pipeline.door.over(domain)
    small = Pipeline(pipeline.synthesizer, door, pipeline.claim, pipeline.max_model_cells)
    return MicroGame(small, micro_pair(domain, door.unit, section.micro_rows), section.release_rows)
