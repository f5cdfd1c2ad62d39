"""What the project set out to reach, each answered with yes or no and the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.marginals.summary import Row, counted, epsilons

__all__ = ["Answer", "answers"]

_ERROR_SHARE, _CPU_SHARE, _MST_CPU_SHARE = 0.95, 0.1, 0.2
_NEURAL, _NEURAL_ERROR_SHARE, _NEURAL_AUC = ("gan", "diffusion"), 1.25, {"adult": 0.87}
_WIDE_COLUMNS, _WIDE_SECONDS, _WIDE_MB = 50, 600, 4096


@dataclass(frozen=True)
class Answer:
    """``reached`` is None where there is nothing to compare with."""

    target: str
    reached: bool | None
    numbers: str


def answers(rows: Sequence[Row], columns: int) -> list[Answer]:
    """All targets that apply to a table of that many columns."""
    best = counted(row for row in rows if not row.baseline)
    # Where no graphical model of AIM's fits, auto chooses something else.
    accurate = "auto" if columns >= _WIDE_COLUMNS else "aim"
    found: list[Answer] = []
    for epsilon in epsilons(rows):
        here = [row for row in best if row.epsilon == epsilon]
        compared = _accurate(epsilon, here, accurate) + _aim(epsilon, here, accurate) + _mst(epsilon, here)
        neural = [name for name in _NEURAL if _ours(here, name)]
        compared = [one for name in neural for one in _neural(epsilon, here, name)] or compared
        found += [_with_unfinished(one, here) for one in compared]
        if columns >= _WIDE_COLUMNS:
            found += _finishes(epsilon, here)
    return found


def _accurate(epsilon: str, rows: Sequence[Row], name: str) -> list[Answer]:
    ours, peer = _ours(rows, name), _best(rows, "tvd3", least=True)
    error = f"ε {epsilon}, {name}: mean 3-way TVD at most {_ERROR_SHARE} of the best peer's"
    cost = f"ε {epsilon}, {name}: CPU at most {_CPU_SHARE} of the best peer's"
    learned = f"ε {epsilon}, {name}: AUC not lower than the best peer's"
    return [
        _ratio(error, ours, peer, "tvd3", _ERROR_SHARE),
        _not_lower(learned, ours, _best(rows, "gb_auc", least=False)),
        _ratio(cost, ours, peer, "cpu_s", _CPU_SHARE),
    ]


def _aim(epsilon: str, rows: Sequence[Row], name: str) -> list[Answer]:
    """Cost beside the peers' own AIM; one that was stopped would have needed more than it had used."""
    target = f"ε {epsilon}, {name}: CPU at most {_CPU_SHARE} of the best peer's AIM"
    ours, aims = _ours(rows, name), [row for row in rows if row.method == "aim"]
    finished = _best(aims, "tvd3", least=True)
    ended = {one.system: one.unfinished[-1] for one in aims if not one.ours and one.unfinished}
    stopped = {system: last["cpu_s"] for system, last in ended.items() if last["status"] == "cpu limit"}
    if finished is not None or ours is None or not stopped:
        return [_ratio(target, ours, finished, "cpu_s", _CPU_SHARE)]
    mine, (system, used) = ours.mean("cpu_s") or 0.0, min(stopped.items(), key=lambda pair: pair[1])
    numbers = f"{mine:,.1f} against more than {used:,.1f} of {system}: below {mine / used:.3f}"
    return [Answer(target, True if mine <= _CPU_SHARE * used else None, numbers)]


def _mst(epsilon: str, rows: Sequence[Row]) -> list[Answer]:
    ours = _ours(rows, "mst")
    peer = _best([row for row in rows if row.method == "mst"], "tvd3", least=True)
    error = f"ε {epsilon}, mst: mean 3-way TVD not above the best peer's MST"
    cost = f"ε {epsilon}, mst: CPU at most {_MST_CPU_SHARE} of the best peer's MST"
    return [
        _ratio(error, ours, peer, "tvd3", 1.0),
        _ratio(cost, ours, peer, "cpu_s", _MST_CPU_SHARE),
    ]


def _neural(epsilon: str, rows: Sequence[Row], name: str) -> list[Answer]:
    """A neural generator beside our mst, and beside itself without DP-SGD."""
    ours, mst, alone = _ours(rows, name), _ours(rows, "mst"), _ours(rows, f"{name}-marginals")
    error = f"ε {epsilon}, {name}: mean 2-way TVD at most {_NEURAL_ERROR_SHARE} of our mst's"
    beyond = f"ε {epsilon}, {name}: AUC beyond our mst's"
    worth = f"ε {epsilon}, {name}: mean 2-way TVD below that of its marginals alone"
    found = [_ratio(error, ours, mst, "tvd2", _NEURAL_ERROR_SHARE), _not_lower(beyond, ours, mst)]
    mine = ours.mean("gb_auc") if ours else None
    least = _NEURAL_AUC.get(ours.finished[0]["table"]) if ours else None
    if least is not None and mine is not None:
        found.insert(1, Answer(f"ε {epsilon}, {name}: AUC at least {least}", mine >= least, f"{mine:.4f}"))
    return [*found, _ratio(worth, ours, alone, "tvd2", 1.0)] if alone else found


def _with_unfinished(answer: Answer, rows: Sequence[Row]) -> Answer:
    missing = [row.system for row in rows if not row.ours and not row.finished]
    if not missing or answer.reached is None:
        return answer
    return replace(answer, numbers=f"{answer.numbers} (unfinished: {', '.join(missing)})")


def _finishes(epsilon: str, rows: Sequence[Row]) -> list[Answer]:
    return [
        Answer(
            f"ε {epsilon}, {row.method}: finishes under {_WIDE_SECONDS} s and {_WIDE_MB:,} MB",
            bool(row.finished)
            and not row.unfinished
            and max(row.values("wall_s")) < _WIDE_SECONDS
            and max(row.values("rss_mb")) < _WIDE_MB,
            f"{max(row.values('wall_s')):.0f} s, {max(row.values('rss_mb')):,.0f} MB"
            if row.finished
            else "unfinished",
        )
        for row in rows
        if row.ours
    ]


def _ours(rows: Sequence[Row], method: str) -> Row | None:
    return next((row for row in rows if row.ours and row.method == method and row.finished), None)


def _best(rows: Sequence[Row], figure: str, *, least: bool) -> Row | None:
    peers = [row for row in rows if not row.ours and row.values(figure)]
    sign = 1.0 if least else -1.0
    return min(peers, key=lambda row: sign * (row.mean(figure) or 0.0), default=None)


def _ratio(target: str, ours: Row | None, peer: Row | None, figure: str, share: float) -> Answer:
    mine, theirs = (row.mean(figure) if row else None for row in (ours, peer))
    if mine is None or theirs is None or peer is None:
        return Answer(target, None, "ours or every peer unfinished, or not run")
    digits = 1 if figure == "cpu_s" else 4
    numbers = f"{mine:,.{digits}f} against {theirs:,.{digits}f} of {peer.system}: {mine / theirs:.3f}"
    return Answer(target, mine <= share * theirs, numbers)


def _not_lower(target: str, ours: Row | None, peer: Row | None) -> Answer:
    mine, theirs = (row.mean("gb_auc") if row else None for row in (ours, peer))
    if mine is None or theirs is None or peer is None:
        return Answer(target, None, "ours or every peer unfinished, not run, or no column to predict")
    return Answer(target, mine >= theirs, f"{mine:.4f} against {theirs:.4f} of {peer.system}")
