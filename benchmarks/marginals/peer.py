"""One fit of another project's synthesizer. Runs in that project's own environment, so it imports no dpsynth.

Each peer is given the public domain, never the data's own values, and its own defaults; only the workload is
set: all marginals of three columns for AIM. Peers that count their output from the true number of rows keep
doing so. mbi's default "round" sampler is known to correlate independent columns, so where it is used the
same fit is also drawn from row by row ("independent"), and the benchmark counts the better of the two.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Draws = dict[str, pd.DataFrame]
"""Synthetic rows by sampler."""

_OWN, _INDEPENDENT = "own", "independent"
_WORKLOAD_WIDTH = 3
_NO_CELL_LIMIT = 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=sorted(SYSTEMS))
    for name in ("table", "domain", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--delta", type=float, required=True)
    parser.add_argument("--turn", type=int, required=True, help="seeds what the peer lets one seed")
    options = parser.parse_args()
    domain = {name: int(size) for name, size in json.loads(options.domain.read_text()).items()}
    frame = pd.read_csv(options.table)[list(domain)].astype(np.int64)
    method = options.system.partition(":")[2]
    np.random.seed(options.turn)  # noqa: NPY002, TID251 - peers draw from numpy's global generator
    start = time.perf_counter()
    draws = SYSTEMS[options.system](frame, domain, method, options)
    seconds = time.perf_counter() - start
    for sampler, drawn in draws.items():
        drawn[list(domain)].to_csv(options.out / f"{sampler}.csv", index=False)
    facts = {"fit_s": round(seconds, 3), "rss_mb": _peak_mb()} | _card()
    (options.out / "facts.json").write_text(json.dumps(facts))


def _card() -> dict[str, str]:
    """The graphics card that networks were trained on, where there was one: seconds then say little."""
    torch = sys.modules.get("torch")
    return {"card": torch.cuda.get_device_name()} if torch and torch.cuda.is_available() else {}


def _peak_mb() -> int:
    """VmHWM; ru_maxrss would inherit what the parent held before it called exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)


def _dpmm(frame: pd.DataFrame, domain: dict[str, int], method: str, options: argparse.Namespace) -> Draws:
    shared = {"epsilon": options.epsilon, "delta": options.delta, "n_jobs": 1}
    if method == "aim":
        from dpmm.models.aim import AIMGM

        model = AIMGM(**shared, degree=_WORKLOAD_WIDTH, max_cells=_NO_CELL_LIMIT)
    else:
        from dpmm.models.mst import MSTGM

        model = MSTGM(**shared)
    model.set_random_state(np.random.RandomState(options.turn))  # noqa: TID251 - what dpmm takes
    model.set_domain(domain)
    model.fit(frame)
    return {_OWN: model.generate(n_records=len(frame))}


def _smartnoise(
    frame: pd.DataFrame, domain: dict[str, int], method: str, options: argparse.Namespace
) -> Draws:
    from snsynth.transform import LabelTransformer, TableTransformer

    if method == "aim":
        from snsynth.aim import AIMSynthesizer

        limits = {"degree": _WORKLOAD_WIDTH, "max_cells": _NO_CELL_LIMIT}
        synthesizer = AIMSynthesizer(options.epsilon, options.delta, verbose=True, **limits)
    else:
        from snsynth.mst import MSTSynthesizer

        synthesizer = MSTSynthesizer(options.epsilon, options.delta, verbose=True)
    longest = max(domain.values())
    public = pd.DataFrame({name: np.arange(longest) % size for name, size in domain.items()})
    transformer = TableTransformer([LabelTransformer(nullable=False) for _ in domain])
    transformer.fit(public)
    synthesizer.fit(frame, transformer=transformer, preprocessor_eps=0.0)

    def draw() -> pd.DataFrame:
        drawn = pd.DataFrame(synthesizer.sample(len(frame)))
        drawn.columns = list(domain)
        return drawn.astype(int)

    draws = {_OWN: draw()}
    _draw_independently()
    return draws | {_INDEPENDENT: draw()}


def _smartnoise_gan(
    frame: pd.DataFrame, domain: dict[str, int], method: str, options: argparse.Namespace
) -> Draws:
    from snsynth.pytorch.nn import DPCTGAN, PATECTGAN
    from snsynth.transform import ChainTransformer, LabelTransformer, OneHotEncoder, TableTransformer

    made = {"dpctgan": DPCTGAN, "patectgan": PATECTGAN}[method]
    synthesizer = made(epsilon=options.epsilon, delta=options.delta)
    one_hot = [ChainTransformer([LabelTransformer(nullable=False), OneHotEncoder()]) for _ in domain]
    transformer = TableTransformer(one_hot)
    transformer.fit([tuple(row % size for size in domain.values()) for row in range(max(domain.values()))])
    synthesizer.fit(frame, transformer=transformer, preprocessor_eps=0.0)
    drawn = pd.DataFrame(synthesizer.sample(len(frame)))
    drawn.columns = list(domain)
    return {_OWN: drawn.astype(int)}


def _draw_independently() -> None:
    """Make every later draw from an mbi model row by row."""
    from mbi import MarkovRandomField

    drawn = MarkovRandomField.synthetic_data

    def synthetic_data(self: Any, rows: int | None = None, method: str | None = None) -> Any:
        return drawn(self, rows, "sample")

    MarkovRandomField.synthetic_data = synthetic_data


def _opendp(frame: pd.DataFrame, domain: dict[str, int], method: str, options: argparse.Namespace) -> Draws:
    import opendp.prelude as dp
    import polars as pl

    dp.enable_features("contrib")
    rho = _rho_of(options.epsilon, options.delta)  # every key is public, so the whole run is rho-zCDP
    if method == "mst":
        rho = _accepted_by_opendp(rho, len(domain) - 1)
    names = {name: f"c{index}" for index, name in enumerate(domain)}
    rows = pl.DataFrame({short: frame[name].to_numpy() for name, short in names.items()}).lazy()
    context = dp.Context.compositor(
        data=rows, privacy_unit=dp.unit_of(contributions=1), privacy_loss=dp.loss_of(rho=rho)
    )
    keys = {names[name]: list(range(size)) for name, size in domain.items()}
    algorithm = dp.mbi.AIM(queries=_WORKLOAD_WIDTH) if method == "aim" else dp.mbi.MST()
    query = context.query(rho=rho).select(*names.values())
    table = query.contingency_table(keys=keys, algorithm=algorithm).release()

    def draw(sampler: str) -> pd.DataFrame:
        drawn = table.synthesize(method=sampler).to_pandas()[list(names.values())]
        drawn.columns = list(domain)
        return drawn.dropna().astype(int)  # OpenDP adds a null key to each column; the domain has none

    return {_OWN: draw("round"), _INDEPENDENT: draw("sample")}


def _rho_of(epsilon: float, delta: float) -> float:
    """Largest rho by Proposition 12 of Canonne, Kamath and Steinke 2020, over all real orders."""

    def rho(order: float) -> float:
        return (epsilon - math.log1p(-1 / order) + math.log(delta * order) / (order - 1)) / order

    low, high = math.log(1e-3), math.log(1e7)  # of order - 1; rho has one maximum in between
    for _ in range(200):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        if rho(1 + math.exp(first)) < rho(1 + math.exp(second)):
            low = first
        else:
            high = second
    return rho(1 + math.exp(low)) * (1 - 1e-9)


def _accepted_by_opendp(rho: float, choices: int) -> float:
    """The largest budget, a billionth less at a time, that OpenDP 0.16's MST does not refuse itself.

    It gives each choice a share and adds the shares up in floats, upwards: for four budgets of five the sum
    ends a rounding above what was to be shared, and the run fails with "insufficient budget for query".
    """

    def below(value: float) -> float:
        return math.nextafter(value, -math.inf)

    def refused(budget: float) -> bool:
        pairs = below(below(budget - budget * 0.5))
        shared, total = below(below(pairs - pairs * 0.9)), 0.0
        share = below(shared / choices)
        for _ in range(choices):
            exact = Fraction(total) + Fraction(share)
            total += share
            total = math.nextafter(total, math.inf) if Fraction(total) < exact else total
        return total > shared

    while refused(rho):
        rho *= 1 - 1e-9
    return rho


PEERS = {"dpmm": _dpmm, "opendp": _opendp, "smartnoise": _smartnoise}
SYSTEMS = {f"{project}:{method}": fit for project, fit in PEERS.items() for method in ("aim", "mst")}
SYSTEMS |= {f"smartnoise:{method}": _smartnoise_gan for method in ("dpctgan", "patectgan")}

if __name__ == "__main__":
    main()
