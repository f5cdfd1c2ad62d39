"""One sitting: the split table on disk, each run in a process of its own, its scores in the results file."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd

from benchmarks.marginals import records
from benchmarks.marginals.process import Limits, Outcome, run_limited
from benchmarks.marginals.records import Record
from benchmarks.marginals.scores import MarginalScores, auc_scores
from benchmarks.marginals.summary import BASELINE
from benchmarks.marginals.systems import OURS, Job, command, version_of
from benchmarks.marginals.tables import domain_path, read_codes, read_domain, split
from dpsynth.core.errors import BadInput
from dpsynth.mechanisms.rng import os_generator

__all__ = ["Session"]

_TARGETS = {"adult": "income>50K", "randhie": "mdvis", "dense50": "y", "wives": "whi"}
"""What models learn to predict where the caller names no column: positive from code 1 on."""

_ROOT = Path(__file__).resolve().parents[2]


class Session:
    """Runs systems on the training rows of one table and appends what they did to the results file."""

    def __init__(
        self,
        table: Path,
        delta: str,
        limits: Limits,
        homes: Path,
        results: Path,
        *,
        target: str | None = None,
        again: bool = False,
    ) -> None:
        """Read and split the table. Raises BadInput for a table or a target that cannot be used."""
        self._domain = read_domain(domain_path(table))
        rows = read_codes(table, self._domain)
        parts = split(rows)
        self._train, self._test = parts.train, parts.test
        self._target = target or _TARGETS.get(table.stem)
        if self._target is not None and self._target not in self._domain:
            raise BadInput(f"The target {self._target!r} is no column of {table.name}")
        self._facts: Record = {
            "table": table.stem,
            "delta": delta,
            "rows_in": len(self._train),
            "columns": len(self._domain),
            "target": self._target,
            "limit_cpu_s": limits.cpu_s,
            "limit_memory_mb": limits.memory_mb,
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        }
        self._limits, self._homes, self._results, self._again = limits, homes, results, again
        self._scores: MarginalScores | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="marginals-")

    def __enter__(self) -> Self:
        home = Path(self._folder.name)
        self._train.to_csv(home / "train.csv", index=False)
        (home / "domain.json").write_text(json.dumps(self._domain))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, where: TracebackType | None) -> None:
        self._folder.cleanup()

    def run(self, system: str, epsilon: str, turn: int) -> None:
        """One fit, unless the results file has it."""
        named = {
            "system": system,
            "version": version_of(system, self._homes),
            "epsilon": epsilon,
            "turn": turn,
        }
        record = self._facts | named
        if not self._again and records.done(records.read(self._results), record):
            return
        record["when"] = datetime.now(UTC).isoformat(timespec="seconds")
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            job = self._job(Path(folder), epsilon, turn)
            words, before = command(system, job, self._homes), os.getloadavg()[0]
            outcome = run_limited(
                words, _ROOT if system.startswith(OURS) else job.out, job.out / "log", self._limits
            )
            # How many processes wanted a core: a busy machine makes CPU seconds longer as well.
            record["load"] = [round(before, 1), round(os.getloadavg()[0], 1)]
            record["command"] = self._plain(words, folder)
            lines = self._lines(record, outcome, job.out)
        records.append(self._results, lines)
        for line in lines:
            print(summary(line), flush=True)

    def baselines(self) -> None:
        """The real rows, a fresh sample of as many of them, and each column on its own: none is private."""
        rng = os_generator()
        shuffled = {name: rng.permutation(self._train[name].to_numpy()) for name in self._domain}
        made = {
            "real rows": self._train,
            "bootstrap": self._train.iloc[rng.integers(0, len(self._train), len(self._train))],
            "one-way": pd.DataFrame(shuffled),
        }
        for name, rows in made.items():
            record = self._facts | {"system": f"{BASELINE}:{name}", "version": "", "epsilon": "", "turn": 0}
            if records.done(records.read(self._results), record):
                continue
            when = datetime.now(UTC).isoformat(timespec="seconds")
            ended = {"status": "ok", "sampler": "own", "when": when}
            records.append(self._results, [record | ended | self._scores_of(rows)])

    def _job(self, folder: Path, epsilon: str, turn: int) -> Job:
        home = Path(self._folder.name)
        delta = str(self._facts["delta"])
        return Job(home / "train.csv", home / "domain.json", folder, epsilon, delta, turn)

    def _plain(self, words: list[str], folder: str) -> str:
        """The command without the paths of this machine."""
        home = self._folder.name
        short = [
            word.replace(folder, "OUT").replace(home, "IN").replace(str(_ROOT) + "/", "") for word in words
        ]
        return " ".join(["python", *short[1:]])

    def _lines(self, record: Record, outcome: Outcome, out: Path) -> list[Record]:
        """A record for each sampler that the run drew with; one for a run that did not finish."""
        record |= {"status": outcome.status, "cpu_s": outcome.cpu_s, "wall_s": outcome.wall_s}
        facts: Record = {}
        if outcome.status == "ok":
            facts = _own_facts(record["system"], out, outcome)
        if "status" not in facts and outcome.status == "ok":
            drawn = sorted(out.glob("*.csv"), key=lambda path: path.stem != "own")
            return [record | facts | self._scored(path) for path in drawn]
        return [record | {"note": outcome.last_line} | facts]

    def _scored(self, path: Path) -> Record:
        drawn = pd.read_csv(path)
        try:
            return {"sampler": path.stem} | self._scores_of(drawn)
        except ValueError as error:
            return {"sampler": path.stem, "status": "failed", "note": str(error)}

    def _scores_of(self, drawn: pd.DataFrame) -> Record:
        if self._scores is None:
            self._scores = MarginalScores(self._train, self._domain)
        scores = self._scores.mean_tvd(drawn)
        if self._target is not None:
            scores |= auc_scores(drawn, self._test, self._domain, self._target)
        return {"rows_out": len(drawn)} | {name: round(value, 5) for name, value in scores.items()}


def _own_facts(system: str, out: Path, outcome: Outcome) -> Record:
    """What a run said of itself: peers their peak memory; ours also the recount of what it spent."""
    if not system.startswith(OURS):
        facts: Record = json.loads((out / "facts.json").read_text())
        return facts
    report = json.loads((out / "report.json").read_text())
    kept = ("fit_s", "rss_mb", "model_cells", "accounting", "rho", "charge", "recount")
    # The recount is this benchmark's own check, so it is not counted as the fit's.
    spent = round(outcome.cpu_s - report["recount"]["cpu_s"], 2)
    return {name: report[name] for name in kept} | {"cpu_s": spent}


def summary(record: Record) -> str:
    """One line for people."""
    head = f"{record['system']} epsilon {record['epsilon']} turn {record['turn']}"
    if record["status"] != "ok":
        return (
            f"{head}: {record['status']} after {record['cpu_s']:.0f} CPU s {record.get('note', '')}".rstrip()
        )
    scores = " ".join(f"{name} {record[name]:.4f}" for name in ("tvd2", "tvd3", "gb_auc") if name in record)
    return f"{head} ({record['sampler']}): {scores} cpu {record['cpu_s']:.1f} rss {record['rss_mb']}"
