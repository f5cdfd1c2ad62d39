"""Further rows: from published releases only, for those who may, free, checked, and written to the chain."""

from __future__ import annotations

import csv
import os
import shutil
import stat
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Column, Determined, Domain, Impossible
from dpsynth.core.errors import BadInput, Conflict, DpsynthError, IntegrityError, PolicyRefusal
from dpsynth.core.structure import violating
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.storage import model_bytes
from dpsynth.service import Platform, RequestForm, SampleForm, models, samples
from dpsynth.synthesizers.mst import MST
from dpsynth.synthesizers.structure import StructuredModel, reduced

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
REASON = "Made-up rows; the warning is about their small number."


def decided(platform: Platform, request: str, upto: str) -> None:
    """Take a run request to ``approved`` or ``published``."""
    for person in ("carol", "dana"):
        dossier = platform.dossier(person, request)
        platform.approve(person, request, dossier.sha256, REASON, tuple(dossier.body["must_tick"]))
    if upto == "published":
        platform.publish("dana", request)


def ask(home: Path, number: int) -> str:
    words = f"Drawing further rows, number {number}"
    form = RequestForm("torture", "mst", words, "nobody", rho="0.05")
    return Platform.open(home).submit("sam", form).id


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A state with a small made-up table and one published release, and its request."""
    home = tmp_path_factory.mktemp("walked") / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        torture = import_module("torture")
        cap = torture.POLICY.replace('per_release: {rho: "0.001"}', 'per_release: {rho: "0.05"}')
        patch.setattr(torture, "POLICY", cap)
        torture.prepare(home)
    platform = Platform.open(home)
    platform.add_person("ada", "Ada", ("auditor",))
    platform.add_person("erin", "Erin", ("data_scientist",))
    request = ask(home, 1)
    platform.run_once("worker")
    decided(platform, request, "published")
    return home, request


@pytest.fixture
def release(walked: tuple[Path, str], tmp_path: Path) -> Any:
    """A copy that a test may change."""
    home = shutil.copytree(walked[0], tmp_path / "state")
    platform = Platform.open(home)

    def draw(person: str = "sam", **more: Any) -> Any:
        form = SampleForm(**{"rows": 50, "out": tmp_path / "more.csv", **more})
        return platform.sample(person, walked[1], form)

    return SimpleNamespace(
        home=home, platform=platform, request=walked[1], draw=draw, out=tmp_path / "more.csv"
    )


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def refused(release: Any, kind: type[DpsynthError], match: str, *person: str, **more: Any) -> None:
    """The call is refused, nothing is written and nothing is said in the chain."""
    before, files = release.platform.ledger_entries("ada"), sorted(release.out.parent.iterdir())
    with pytest.raises(kind, match=match):
        release.draw(*person, **more)
    assert sorted(release.out.parent.iterdir()) == files
    assert release.platform.ledger_entries("ada") == before


def test_any_number_of_rows_costs_nothing_and_is_written_to_the_chain(
    release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "_PART", 400)  # three parts
    before = release.platform.budget("carol")
    view = release.draw(rows=1001)
    header, *rows = cells(release.out)
    assert (header, len(rows), view.rows) == (["a", "b", "c"], 1001, 1001)
    assert {cell for row in rows for cell in row} <= {"0", "1"}
    entry = release.platform.ledger_entries("ada")[-1]
    assert (entry.kind, entry.body) == (
        "sample",
        {"request": release.request, "actor": "sam", "rows": 1001, "file_sha256": view.sha256},
    )
    assert release.platform.budget("carol") == before
    assert release.platform.verify_ledger() > 0
    assert [path.name for path in release.out.parent.iterdir() if path.name.startswith(".")] == []


def test_rows_meet_the_condition_and_the_margins(release: Any, tmp_path: Path) -> None:
    margins = tmp_path / "margins.csv"
    margins.write_text("b,share\n0,0.25\n1,0.75\n")
    view = release.draw(rows=4000, margins=(margins,))
    assert abs(sum(row[1] == "1" for row in cells(release.out)[1:]) - 3000) <= 1
    assert view.probability == ""
    release.out.unlink()
    view = release.draw(rows=4000, where="a = '1' or b = 1 and c = 0", margins=(margins,))
    rows = cells(release.out)[1:]
    assert all(a == "1" or (b == "1" and c == "0") for a, b, c in rows)
    assert 0 < float(view.probability) < 1
    assert any("probability" in line for line in view.lines)
    release.out.unlink()
    refused(release, BadInput, "no column", where="z = 1")
    refused(release, BadInput, "probability 0", where="a = 0 and a = 1")


@pytest.mark.parametrize("beyond", [True, False])
@pytest.mark.parametrize("where", ["a = '1'", ""])
def test_it_is_said_where_rows_do_not_follow_what_the_tree_has_no_room_for(beyond: bool, where: str) -> None:
    form = SampleForm(10, Path("more.csv"), where)
    said = any("follow the model alone" in line for line in samples._lines("r-1", form, "0.5", beyond))
    assert said == (beyond and bool(where))


def test_the_model_stays_private_is_named_by_the_dossier_and_is_no_part_of_the_bundle(release: Any) -> None:
    path = release.home / "models" / f"{release.request}.npz"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    told = release.platform.dossier("carol", release.request).body["model"]
    assert told["sha256"] == models.sha256_hex(path.read_bytes())
    assert "further rows" in told["plain"]
    names = {each.suffix for each in (release.home / "bundles").rglob("*")}
    names |= {each.suffix for each in (release.home / "candidates").rglob("*")}
    assert ".npz" not in names


@pytest.mark.parametrize("state", ["queued", "awaiting_decision", "approved", "rejected", "failed"])
def test_nothing_leaves_before_publication(release: Any, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    platform, request = release.platform, ask(release.home, 2)
    if state == "failed":
        monkeypatch.setattr(MST, "fit", lambda *_: 1 / 0)
    if state != "queued":
        platform.run_once("worker")
    if state == "approved":
        decided(platform, request, "approved")
    if state == "rejected":
        platform.reject("carol", request, platform.dossier("carol", request).sha256, "Not this time, sorry.")
    assert platform.request("carol", request).state == state
    before = platform.ledger_entries("ada")
    for person in ("sam", "carol", "dana"):
        with pytest.raises(PolicyRefusal, match="published releases only"):
            platform.sample(person, request, SampleForm(5, release.out))
    assert not release.out.exists()
    assert platform.ledger_entries("ada") == before


@pytest.mark.parametrize("person", ["sam", "carol", "dana"])
def test_the_requester_and_those_who_decide_may_draw(release: Any, person: str) -> None:
    assert release.draw(person).rows == 50


def test_others_may_not_and_strangers_learn_nothing(release: Any) -> None:
    refused(release, PolicyRefusal, "ada may not do this", "ada")
    refused(release, BadInput, "no request with this id", "erin")
    refused(release, PolicyRefusal, "Nobody with this id", "mallory")
    with pytest.raises(BadInput, match="no request with this id"):
        release.platform.sample("erin", "r-000000000000", SampleForm(5, release.out))


def test_a_model_that_is_not_the_one_that_was_signed_is_not_opened(release: Any) -> None:
    path = release.home / "models" / f"{release.request}.npz"
    good = path.read_bytes()
    answer = NoisyMarginal(("a",), np.array([1.0, 99.0]), 1.0)
    other = fit(Domain(tuple(Column(name, "categorical", values=("0", "1")) for name in "abc")), [answer])
    for bad in (good[:-1], model_bytes(other), b""):
        path.write_bytes(bad)
        refused(release, IntegrityError, "not the one that the approvers signed")
    path.unlink()
    refused(release, IntegrityError, "gone")
    path.write_bytes(good)
    release.draw()


def test_a_bundle_that_does_not_verify_gives_no_rows(release: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = release.home / "bundles" / f"release-{release.request}" / "data.csv"
    good = row.read_bytes()
    row.write_bytes(good.replace(b"0", b"1", 1))
    refused(release, IntegrityError, "data.csv")
    row.write_bytes(good)

    later = SimpleNamespace(now=lambda zone: datetime(2999, 1, 1, tzinfo=zone))
    with monkeypatch.context() as patch:
        patch.setattr(samples, "datetime", later)
        refused(release, IntegrityError, "expired")
    release.draw()


class RowsOnly:
    """A model that is no graphical one."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        codes = {name: rng.integers(0, 2, rows) for name in self.domain.names}
        return SyntheticTable(self.domain, codes)


def test_a_synthesizer_without_a_graphical_model_releases_rows_and_says_why_there_are_no_more(
    release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MST, "fit", lambda _self, _plan, curator: RowsOnly(curator.domain))
    request = ask(release.home, 3)
    release.platform.run_once("worker")
    dossier = release.platform.dossier("carol", request)
    assert dossier.body["model"] == {"sha256": "", "plain": ""}
    assert not (release.home / "models" / f"{request}.npz").exists()
    decided(release.platform, request, "published")
    with pytest.raises(PolicyRefusal, match="no graphical model"):
        release.platform.sample("sam", request, SampleForm(5, release.out))


def test_the_file_is_new_of_a_released_format_and_in_a_directory(release: Any, tmp_path: Path) -> None:
    release.out.write_text("mine")
    refused(release, Conflict, "already exists")
    assert release.out.read_text() == "mine"
    refused(release, BadInput, "format", out=tmp_path / "more.parquet")
    refused(release, BadInput, "format", out=tmp_path / "more")
    refused(release, BadInput, "no directory", out=tmp_path / "absent" / "more.csv")
    dangling = tmp_path / "link.csv"
    dangling.symlink_to(tmp_path / "elsewhere.csv")
    refused(release, Conflict, "already exists", out=dangling)
    for rows in (0, -1, samples.MOST_ROWS + 1):
        refused(release, BadInput, "number of rows", out=tmp_path / "x.csv", rows=rows)


def test_without_its_entry_in_the_chain_no_file_appears(
    release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise IntegrityError("The chain cannot be written")

    monkeypatch.setattr(samples, "append", fail)
    refused(release, IntegrityError, "cannot be written")
    monkeypatch.undo()
    release.draw()


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = samples.append

    def slow(*arguments: Any, **named: Any) -> Any:
        release.out.write_text("mine")
        return real(*arguments, **named)

    monkeypatch.setattr(samples, "append", slow)
    with pytest.raises(Conflict, match="already exists"):
        release.draw()
    assert release.out.read_text() == "mine"


def test_margins_are_read_from_plain_files_only(release: Any, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.csv"
    os.mkfifo(fifo)
    for path in (tmp_path / "absent.csv", tmp_path, fifo):
        refused(release, BadInput, "margins", margins=(path,))


COLUMNS = tuple(Column(name, "categorical", values=("0", "1", "2")) for name in ("x", "y", "follows"))
RULED = Domain(
    COLUMNS,
    impossible=(Impossible(("x", "y"), (0, 8)),),
    determined=(Determined("follows", "x", (2, 0, 0)),),
)


@pytest.mark.parametrize("where", ["follows = '0'", "follows = 2 or y = 1", ""])
def test_public_structure_holds_in_further_rows_and_conditions_reach_determined_columns(
    tmp_path: Path, where: str
) -> None:
    answer = NoisyMarginal(("x", "y"), np.arange(1.0, 10.0), 1.0)
    inner = fit(replace(reduced(RULED), impossible=()), [answer])  # a model that was not told of the zeros
    sha256 = models.keep_model(tmp_path, "r-1", StructuredModel(inner, RULED))
    policy: Any = SimpleNamespace(domain=lambda: RULED, synthesis=SimpleNamespace(max_model_cells=1000))
    kept = models.open_model(tmp_path, "r-1", sha256, RULED)
    form = SampleForm(3000, tmp_path / "more.csv", where)
    shaped, _ = samples._shaped(kept, policy, form)
    table = shaped.sample(3000, np.random.default_rng(1))
    assert table.domain == RULED
    assert not violating(RULED, table.codes).any()
    x, y, follows = (table.codes[name] for name in RULED.names)
    met = {"follows = '0'": follows == 0, "follows = 2 or y = 1": (follows == 2) | (y == 1), "": x >= 0}
    assert met[where].all()
    weights = np.arange(1.0, 10.0)
    weights[[0, 8]] = 0.0
    cell = np.arange(9)
    if where == "follows = '0'":
        weights[cell // 3 == 0] = 0.0
    elif where:
        weights[(cell // 3 != 0) & (cell % 3 != 1)] = 0.0
    expected = 3000 * weights / weights.sum()
    assert np.abs(np.bincount(3 * x + y, minlength=9) - expected).max() < 4 * np.sqrt(expected.max())
