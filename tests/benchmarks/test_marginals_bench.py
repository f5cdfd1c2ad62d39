"""The marginals benchmark measures what it says, stops what runs too long and invents no figure."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.core.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "dense50",
    "wives",
    "page",
    "process",
    "records",
    "scores",
    "session",
    "summary",
    "systems",
    "tables",
    "targets",
)
TWINS = np.repeat([0, 1], 500)


Bench = SimpleNamespace
"""The benchmark's modules by name."""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.syspath_prepend(str(ROOT))
    return Bench(**{name: import_module(f"benchmarks.marginals.{name}") for name in NAMES})


def record(system: str, **changed: Any) -> dict[str, Any]:
    """A record as the driver writes them."""
    usual = {
        "system": system,
        "version": "1",
        "table": "made",
        "epsilon": "1",
        "delta": "1e-9",
        "turn": 0,
        "status": "ok",
        "sampler": "own",
        "tvd1": 0.01,
        "tvd2": 0.05,
        "tvd3": 0.1,
        "gb_auc": 0.8,
        "lr_auc": 0.8,
        "cpu_s": 100.0,
        "wall_s": 110.0,
        "rss_mb": 200,
        "rows_in": 1000,
        "rows_out": 1000,
        "columns": 3,
        "target": "y",
        "limit_cpu_s": 3600,
        "limit_memory_mb": 12000,
        "machine": "a machine",
        "when": "2026-01-01T00:00:00+00:00",
        "accounting": "gaussian",
        "recount": {"epsilon": 0.999, "within": True, "charge_gap": 2e-9, "equals_charge": True},
    }
    return usual | changed


def unfinished(system: str, **changed: Any) -> dict[str, Any]:
    scores = ("sampler", "tvd1", "tvd2", "tvd3", "gb_auc", "lr_auc", "rss_mb", "rows_out")
    whole = record(system, status="cpu limit", cpu_s=3600.4, **changed)
    return {name: value for name, value in whole.items() if name not in scores}


# Scores


def test_distance_is_zero_for_the_same_rows_and_half_for_unrelated_twins(bench: Bench) -> None:
    domain = dict.fromkeys("abc", 2)
    real = pd.DataFrame(dict.fromkeys("abc", TWINS))
    scores = bench.scores.MarginalScores(real, domain)
    assert scores.mean_tvd(real) == {"tvd1": 0.0, "tvd2": 0.0, "tvd3": 0.0}
    assert scores.mean_tvd(pd.concat([real, real])) == {"tvd1": 0.0, "tvd2": 0.0, "tvd3": 0.0}
    grid = pd.DataFrame(np.indices((2, 2, 2)).reshape(3, -1).T, columns=list("abc"))
    assert scores.mean_tvd(grid) == {"tvd1": 0.0, "tvd2": 0.5, "tvd3": 0.75}


@pytest.mark.parametrize("codes", [[0, 2], [-1, 0], []])
def test_rows_outside_the_domain_are_not_scored(bench: Bench, codes: list[int]) -> None:
    scores = bench.scores.MarginalScores(pd.DataFrame({"a": TWINS}), {"a": 2}, widths=(1,))
    with pytest.raises(ValueError, match="outside its domain"):
        scores.mean_tvd(pd.DataFrame({"a": codes}))


def test_auc_tells_a_learnable_target_from_a_shuffled_one(bench: Bench) -> None:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"x": rng.integers(0, 4, 4000), "z": rng.integers(0, 3, 4000)})
    rows["y"] = (rows["x"] >= 2).astype(int) * 2  # code 2 is positive as well as 1
    domain, test = {"x": 4, "z": 3, "y": 3}, rows[3000:]
    learned = bench.scores.auc_scores(rows[:3000], test, domain, "y")
    assert min(learned.values()) > 0.99
    blind = rows[:3000].assign(y=rng.permutation(rows["y"][:3000]))
    assert max(abs(value - 0.5) for value in bench.scores.auc_scores(blind, test, domain, "y").values()) < 0.2
    assert bench.scores.auc_scores(rows[:3000].assign(y=0), test, domain, "y") == {
        "gb_auc": 0.5,
        "lr_auc": 0.5,
    }


def test_the_split_is_the_first_four_fifths_of_the_stated_permutation(bench: Bench) -> None:
    rows = pd.DataFrame({"a": np.arange(100)})
    parts = bench.tables.split(rows)
    order = np.random.default_rng(20240601).permutation(100)
    assert parts.train["a"].tolist() == order[:80].tolist()
    assert parts.test["a"].tolist() == order[80:].tolist()


# Processes


def run(bench: Bench, folder: Path, script: str, cpu_s: int = 20, memory_mb: int = 2000) -> Any:
    limits = bench.process.Limits(cpu_s, memory_mb)
    return bench.process.run_limited([sys.executable, "-c", script], folder, folder / "log", limits)


def test_a_run_that_ends_well_is_ok_and_its_seconds_are_counted(bench: Bench, tmp_path: Path) -> None:
    ended = run(
        bench, tmp_path, "import time; s = time.process_time()\nwhile time.process_time() < s + .3: 0"
    )
    assert ended.status == "ok"
    assert 0.3 <= ended.cpu_s < 3
    assert ended.wall_s >= 0.3


def test_waiting_is_not_counted_as_work(bench: Bench, tmp_path: Path) -> None:
    ended = run(bench, tmp_path, "import time; time.sleep(1.5)", cpu_s=1)
    assert ended.status == "ok"
    assert ended.cpu_s < 1


def test_a_run_is_stopped_at_its_processor_seconds(bench: Bench, tmp_path: Path) -> None:
    ended = run(bench, tmp_path, "while True: pass", cpu_s=1)
    assert ended.status == "cpu limit"
    assert 0.9 <= ended.cpu_s < 3


def test_a_run_is_stopped_at_its_memory(bench: Bench, tmp_path: Path) -> None:
    ended = run(bench, tmp_path, "import time; x = bytes(range(256)) * 2**20; time.sleep(60)", memory_mb=100)
    assert ended.status == "memory limit"
    assert ended.wall_s < 30


def test_a_run_that_fails_tells_its_last_line(bench: Bench, tmp_path: Path) -> None:
    ended = run(bench, tmp_path, "raise SystemExit('it was the tree')")
    assert (ended.status, ended.last_line) == ("failed", "it was the tree")


# Records


def test_a_finished_run_is_not_repeated_and_a_new_version_or_a_failure_is(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "made.jsonl"
    bench.records.append(path, [record("dpmm:aim")])
    bench.records.append(
        path, [unfinished("dpmm:mst", limit_cpu_s=600), record("opendp:mst", status="failed")]
    )
    found = bench.records.read(path)
    assert [one["system"] for one in found] == ["dpmm:aim", "dpmm:mst", "opendp:mst"]
    assert bench.records.done(found, record("dpmm:aim"))
    for other in ({"version": "2"}, {"epsilon": "10"}, {"turn": 1}, {"delta": "1e-6"}):
        assert not bench.records.done(found, record("dpmm:aim", **other))
    assert bench.records.done(found, record("dpmm:mst", limit_cpu_s=600))
    assert not bench.records.done(found, record("dpmm:mst", limit_cpu_s=601))
    assert not bench.records.done(found, record("opendp:mst"))


def test_rows_hold_the_newest_version_and_the_last_of_repeated_runs(bench: Bench) -> None:
    found = [
        record("dpsynth:aim", tvd3=0.9),
        record("dpsynth:aim", version="2", tvd3=0.4),
        record("dpsynth:aim", version="2", tvd3=0.2, when="2026-01-02"),
        record("dpsynth:aim", version="2", tvd3=0.1, turn=1),
    ]
    (row,) = bench.summary.summarise(found)
    assert row.values("tvd3") == [0.2, 0.1]
    assert row.mean("tvd3") == pytest.approx(0.15)


def test_the_better_sampler_of_a_peer_is_the_one_that_counts(bench: Bench) -> None:
    found = [record("opendp:mst", tvd3=0.3), record("opendp:mst", sampler="independent", tvd3=0.1)]
    rows = bench.summary.summarise(found)
    assert [row.sampler for row in rows] == ["own", "independent"]
    assert [row.sampler for row in bench.summary.counted(rows)] == ["independent"]
    assert [row.sampler for row in bench.summary.counted(reversed(rows))] == ["independent"]


# Targets and page


def reached(bench: Bench, found: list[dict[str, Any]], columns: int = 3) -> dict[str, bool | None]:
    return {one.target: one.reached for one in bench.targets.answers(bench.summary.summarise(found), columns)}


def test_targets_compare_with_the_best_peer_and_not_with_an_easy_one(bench: Bench) -> None:
    peers = [
        record("dpmm:aim", tvd3=0.10, gb_auc=0.90, cpu_s=900.0),
        record("dpmm:mst", tvd3=0.20, gb_auc=0.95, cpu_s=50.0),
    ]
    ours = record("dpsynth:aim", tvd3=0.094, gb_auc=0.93, cpu_s=89.0)
    assert list(reached(bench, [*peers, ours]).values()) == [True, False, True, True, None, None]
    worse = record("dpsynth:aim", tvd3=0.096, gb_auc=0.95, cpu_s=91.0)
    assert list(reached(bench, [*peers, worse]).values()) == [False, True, False, False, None, None]
    mst = record("dpsynth:mst", tvd3=0.20, cpu_s=11.0)
    assert list(reached(bench, [*peers, mst]).values()) == [None, None, None, None, True, False]


@pytest.mark.parametrize("name", ["gan", "diffusion"])
def test_a_generator_is_held_against_our_own_mst_and_its_marginals_alone(bench: Bench, name: str) -> None:
    def judged(tvd2: float, auc: float, **more: str) -> list[bool | None]:
        ours = record(f"dpsynth:{name}", tvd2=tvd2, gb_auc=auc) | more
        return list(reached(bench, [mst, alone, ours]).values())

    mst = record("dpsynth:mst", tvd2=0.040, gb_auc=0.84)
    alone = record(f"dpsynth:{name}-marginals", tvd2=0.050, gb_auc=0.84)
    assert judged(0.049, 0.88, table="adult") == [True, True, True, True]
    assert judged(0.051, 0.83, table="adult") == [False, False, False, False]
    assert judged(0.051, 0.85) == [False, True, False]  # .87 is a figure of Adult's alone


def test_an_unfinished_peer_is_no_easy_win_and_is_named(bench: Bench) -> None:
    found = [unfinished("dpmm:aim"), record("dpmm:mst", tvd3=0.2), record("dpsynth:aim", tvd3=0.1)]
    answers = bench.targets.answers(bench.summary.summarise(found), 3)
    assert answers[0].reached is True
    assert "(unfinished: dpmm:aim)" in answers[0].numbers
    alone = bench.targets.answers(bench.summary.summarise([found[0], found[2]]), 3)
    assert alone[0].reached is None


@pytest.mark.parametrize(("cpu_s", "passed"), [(300.0, True), (400.0, None)])
def test_an_unfinished_aim_bounds_its_cost_from_below(
    bench: Bench, cpu_s: float, passed: bool | None
) -> None:
    """A tenth of what it had used is surely a tenth of what it needs; more than that says nothing,
    and neither does a run that broke."""
    found = [unfinished("dpmm:aim"), record("dpmm:mst", cpu_s=5000.0), record("dpsynth:aim", cpu_s=cpu_s)]
    assert reached(bench, found)["ε 1, aim: CPU at most 0.1 of the best peer's AIM"] is passed
    broken = unfinished("smartnoise:aim") | {"status": "failed", "cpu_s": 2.0}
    assert reached(bench, [*found, broken])["ε 1, aim: CPU at most 0.1 of the best peer's AIM"] is passed
    finished = [*found, record("opendp:aim", cpu_s=2000.0)]
    assert reached(bench, finished)["ε 1, aim: CPU at most 0.1 of the best peer's AIM"] is False


@pytest.mark.parametrize(
    ("changed", "passed"), [({}, True), ({"wall_s": 601.0}, False), ({"rss_mb": 5000}, False)]
)
def test_a_wide_table_has_a_limit_of_time_and_memory(
    bench: Bench, changed: dict[str, float], passed: bool
) -> None:
    found = [record("dpsynth:wide", **changed), record("dpsynth:auto", tvd3=0.09), record("dpmm:mst")]
    assert (
        reached(bench, found, columns=50)["ε 1, auto: mean 3-way TVD at most 0.95 of the best peer's"] is True
    )
    assert reached(bench, found, columns=50)["ε 1, wide: finishes under 600 s and 4,096 MB"] is passed
    assert "ε 1, wide: finishes under 600 s and 4,096 MB" not in reached(bench, found, columns=49)


def test_the_page_shows_every_record_and_says_what_did_not_finish(bench: Bench, tmp_path: Path) -> None:
    over = {"epsilon": 1.2, "within": False, "charge_gap": 1e-3, "equals_charge": False}
    found = [
        record("dpsynth:aim", tvd3=0.0711, turn=0),
        record("dpsynth:aim", tvd3=0.0733, turn=1, recount=over),
        unfinished("dpmm:aim"),
        record("opendp:mst", tvd3=0.3111),
        record("opendp:mst", tvd3=0.0999, sampler="independent"),
        record("baseline:bootstrap", epsilon="", tvd3=0.0264),
    ]
    bench.records.append(tmp_path / "made.jsonl", found)
    page = bench.page.write_page(tmp_path, "made").read_text()
    assert "0.0722 (0.0711–0.0733)" in page
    assert "unfinished: stopped at its limit of 3,600 CPU s" in page
    assert "opendp:mst (own sampler) |" in page
    assert "opendp:mst (independent sampler) ✓ |" in page
    assert "baseline:bootstrap | 1 |" in page
    assert "| 1.200000 | **no** | 1.0e-03 | **no** |" in page
    for picture in ("made-cpu.svg", "made-epsilon.svg"):
        assert f"({picture})" in page
        assert "<svg" in (tmp_path / picture).read_text()


def test_page_and_pictures_are_the_same_each_time(bench: Bench, tmp_path: Path) -> None:
    bench.records.append(tmp_path / "made.jsonl", [record("dpsynth:aim"), record("dpmm:aim")])
    names = ("made.md", "made-cpu.svg", "made-epsilon.svg")
    wrote = []
    for _ in range(2):
        bench.page.write_page(tmp_path, "made")
        wrote.append([(tmp_path / name).read_bytes() for name in names])
    assert wrote[0] == wrote[1]


def test_there_is_no_page_without_results(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no result for made"):
        bench.page.write_page(tmp_path, "made")


def test_committed_pages_are_what_their_results_say(bench: Bench, tmp_path: Path) -> None:
    kept = ROOT / "benchmarks" / "results"
    for results in sorted([*kept.glob("marginals/*.jsonl"), *kept.glob("gan/*.jsonl")]):
        copy = tmp_path / results.parent.name
        copy.mkdir(exist_ok=True)
        (copy / results.name).write_text(results.read_text())
        page = bench.page.write_page(copy, results.stem).read_text()
        there = results.with_suffix(".md")
        assert there.read_text() == page, f"write {there.name} again: --page-only"


def test_the_third_table_is_coded_by_its_own_descriptions(bench: Bench) -> None:
    row = {"whrswk": 40, "education": "12years", "race": "other", "experience": -3, "kidslt6": 0}
    row |= {"kids618": 9, "husby": 0.0, "region": "west", **dict.fromkeys(("hhi", "hhi2", "hispanic"), "no")}
    coded, sizes = bench.wives.code(pd.DataFrame([{**row, "whi": "yes"}]))
    assert coded.iloc[0].tolist() == [6, 0, 0, 2, 2, 0, 0, 0, 6, 0, 3, 1]
    assert all(0 <= coded[name].item() < size for name, size in sizes.items())
    with pytest.raises(ValueError, match=r"race has \['x'\] beyond white, black, other"):
        bench.wives.code(pd.DataFrame([{**row, "whi": "yes", "race": "x"}]))


# Systems and sessions


def test_systems_are_chosen_by_group_project_or_name(bench: Bench) -> None:
    choose = bench.systems.choose
    assert {"dpsynth:aim", "dpsynth:mst"} <= set(choose("ours"))
    assert set(choose("peers")) == {
        f"{p}:{m}" for p in ("dpmm", "opendp", "smartnoise") for m in ("aim", "mst")
    }
    assert choose("dpmm:mst,dpmm") == ["dpmm:mst", "dpmm:aim"]
    assert choose("dpsynth:auto") == ["dpsynth:auto"]
    assert "dpsynth:gan" not in choose("ours,peers")
    assert {"dpsynth:gan", "dpsynth:mst", "smartnoise:dpctgan"} <= set(choose("gan"))
    assert choose("smartnoise:patectgan") == ["smartnoise:patectgan"]
    with pytest.raises(BadInput, match="no system named 'nobody'"):
        choose("nobody")


def test_a_peer_without_its_environment_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="environment of dpmm is not built"):
        bench.systems.version_of("dpmm:aim", tmp_path)


def test_a_session_measures_once_and_resumes(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(5)
    pd.DataFrame({"a": rng.integers(0, 2, 500), "y": rng.integers(0, 2, 500)}).to_csv(
        tmp_path / "made.csv", index=False
    )
    (tmp_path / "made-domain.json").write_text(json.dumps({"a": 2, "y": 2}))
    results = tmp_path / "results" / "made.jsonl"
    limits = bench.process.Limits(60, 4000)

    def sit(target: str) -> None:
        table = tmp_path / "made.csv"
        with bench.session.Session(table, "1e-9", limits, tmp_path, results, target=target) as session:
            session.baselines()
            session.run("dpsynth:independent", "1", 0)

    sit("y")
    found = bench.records.read(results)
    ours = found[-1]
    assert [one["system"].partition(":")[0] for one in found] == ["baseline"] * 3 + ["dpsynth"]
    assert ours["status"] == "ok"
    assert 0 <= ours["tvd2"] < 0.2
    assert "tvd3" not in ours  # the table has two columns
    assert ours["recount"]["within"]
    assert len(ours["load"]) == 2
    assert 0 < ours["fit_s"] < ours["wall_s"]
    assert str(tmp_path) not in json.dumps(found)
    assert "dpsynth:independent epsilon 1 turn 0" in capsys.readouterr().out
    sit("y")
    assert bench.records.read(results) == found
    with pytest.raises(BadInput, match="no column"):
        sit("absent")


# The made-up wide table


def test_the_dense_table_is_the_same_each_time_and_densely_dependent(bench: Bench) -> None:
    rows, domain = bench.dense50.make(4000), bench.dense50.sizes()
    pd.testing.assert_frame_equal(rows, bench.dense50.make(4000))
    assert list(rows.columns) == list(domain)
    assert len(domain) == 50
    assert (min(domain.values()), max(domain.values())) == (2, 20)
    assert all(rows[name].min() >= 0 and rows[name].nunique() == size for name, size in domain.items())
    strength = np.abs(rows.corr(method="spearman").to_numpy()[np.triu_indices(50, 1)])
    assert np.mean(strength > 0.1) > 0.6
    assert strength.max() < 0.9
    shuffled = np.random.default_rng(1).permuted(rows.to_numpy(), axis=0)
    assert np.mean(np.abs(np.corrcoef(shuffled.T)[np.triu_indices(50, 1)]) > 0.1) < 0.01
