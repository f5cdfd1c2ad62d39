from __future__ import annotations

import json
import os
import signal
import threading

import pytest

from dpsynth.audit.games.play import run_games
from dpsynth.audit.games.spread import Cluster, Here, Processes
from dpsynth.audit.games.units import FileStore, MemoryStore, collect, play, tasks_of
from dpsynth.mechanisms.rng import os_generator


def quiet(done: int, most: int) -> None:
    """Progress that nobody waits for."""


def total(found) -> int:
    return sum(len(seen) for sides in found.values() for seen in sides.values())


class Counted:
    """Plays here and counts; stops the run after some tasks, as a kill would."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.played: list[str] = []
        self.stop_after = stop_after

    def play(self, tasks):
        for task in tasks:
            if len(self.played) == self.stop_after:
                raise KeyboardInterrupt
            self.played.append(task.unit.id)
            yield play(task)


class Twice:
    """Delivers every result twice, as a cluster may after a failure."""

    def play(self, tasks):
        for task in tasks:
            yield play(task)
            yield play(task)


def test_tasks_cover_every_fit_of_every_side_once(coin) -> None:
    tasks = tasks_of("g", coin(1.0), "b", fits=25, size=10, sides=(1, 0))
    covered = sorted((t.unit.side, at) for t in tasks for at in range(t.unit.start, t.unit.stop))
    assert covered == [(side, at) for side in (0, 1) for at in range(25)]
    assert len({t.unit.id for t in tasks}) == 6


def test_a_unit_of_another_build_or_configuration_is_another_unit(coin) -> None:
    ids = {
        tasks_of("g", game, build, 10, 10, (1,))[0].unit.id
        for game, build in ((coin(1.0), "b"), (coin(2.0), "b"), (coin(1.0), "c"))
    }
    assert len(ids) == 3
    assert tasks_of("g", coin(1.0), "b", 10, 10, (1,))[0].unit.id in ids


def test_each_unit_has_noise_of_its_own(coin) -> None:
    (task,) = tasks_of("g", coin(1.0), "b", 10, 10, (1,))
    one, two = play(task)[1], play(task)[1]
    assert one != two
    assert len({seen["score"][0] for seen in one}) == 10


def test_a_run_that_was_cut_off_goes_on_and_counts_nothing_twice(coin, tmp_path) -> None:
    tasks = tasks_of("g", coin(1.0), "b", 60, 10, (1, 0))
    cut = Counted(stop_after=5)
    with pytest.raises(KeyboardInterrupt):
        collect(tasks, FileStore(tmp_path / "units"), cut, quiet)
    rest = Counted()
    found = collect(tasks, FileStore(tmp_path / "units"), rest, quiet)
    assert total(found) == 120
    assert len(cut.played) == 5
    assert sorted(cut.played + rest.played) == sorted(task.unit.id for task in tasks)
    again = Counted()
    assert collect(tasks, FileStore(tmp_path / "units"), again, quiet) == found
    assert again.played == []


def test_a_half_written_line_is_played_again_and_spoils_no_other(coin, tmp_path) -> None:
    path, tasks = tmp_path / "units", tasks_of("g", coin(1.0), "b", 30, 10, (1,))
    found = collect(tasks, FileStore(path), Here(), quiet)
    path.write_bytes(path.read_bytes()[:-20])
    rest = Counted()
    again = collect(tasks, FileStore(path), rest, quiet)
    assert len(rest.played) == 1
    assert again["g"][1][:20] == found["g"][1][:20]
    assert collect(tasks, FileStore(path), Counted(0), quiet) == again


def test_results_delivered_twice_count_once(coin, tmp_path) -> None:
    tasks = tasks_of("g", coin(1.0), "b", 40, 10, (1, 0))
    for store in (MemoryStore(), FileStore(tmp_path / "units")):
        assert total(collect(tasks, store, Twice(), quiet)) == 80
    lines = [line for line in (tmp_path / "units").read_text().splitlines() if line]
    assert len(lines) == 8


def test_the_store_holds_scores_and_nothing_else(make_pipeline, games_plan, tmp_path) -> None:
    run_games(
        make_pipeline(),
        games_plan("G1", "G2", fits=30),
        Here(),
        os_generator(),
        store=FileStore(tmp_path / "units"),
    )
    for line in filter(None, (tmp_path / "units").read_text().splitlines()):
        for seen in json.loads(line)["value"]:
            assert set(seen) == {"crashed", "release", "answers", "information"}
            assert all(isinstance(value, float) for values in seen.values() for value in values)


def test_progress_tells_units_done_and_in_all(coin) -> None:
    told: list[tuple[int, int]] = []
    collect(tasks_of("g", coin(1.0), "b", 30, 10, (1,)), MemoryStore(), Here(), lambda *one: told.append(one))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_processes_of_this_machine_play_every_unit(make_pipeline, games_plan) -> None:
    store = MemoryStore()
    found = run_games(
        make_pipeline(),
        games_plan("G1", "G2", fits=30, unit_fits=15),
        Processes(2),
        os_generator(),
        store=store,
    )
    assert [one.id for one in found] == ["G1", "G2"]
    assert sum(map(len, store.known.values())) == 60


def test_a_cluster_that_loses_a_worker_loses_nothing_and_counts_nothing_twice(
    make_pipeline, games_plan, tmp_path
) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra 'audit' is not installed")
    store, died = FileStore(tmp_path / "units"), threading.Event()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = client.run(os.getpid)
        assert len(set(workers.values())) == 2
        assert os.getpid() not in workers.values()

        def kill(name: str, done: int, most: int) -> None:
            if done >= 2 and not died.is_set():
                died.set()
                os.kill(next(iter(workers.values())), signal.SIGKILL)

        run_games(
            make_pipeline(),
            games_plan("G1", "G2", fits=60, unit_fits=10),
            Cluster(client),
            os_generator(),
            store=store,
            progress=kill,
        )
        left = set(client.run(os.getpid).values())
    assert died.is_set()
    assert next(iter(workers.values())) not in left
    lines = [json.loads(line) for line in (tmp_path / "units").read_text().splitlines() if line]
    assert len({line["key"] for line in lines}) == len(lines) == 12
    assert sum(len(line["value"]) for line in lines) == 120
