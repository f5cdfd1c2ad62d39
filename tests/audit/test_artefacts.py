"""S2: fits that hear the same answers and coins differ nowhere, whatever the rows are; planted faults do."""

from __future__ import annotations

import logging
import pickle
import random
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dpsynth.audit.content import content
from dpsynth.audit.odd_rows import REFUSED, as_texts, odd_units, one_by_one
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.plan_structural import StructuralSection
from dpsynth.audit.result import CheckResult
from dpsynth.audit.run import Bench, run_structural
from dpsynth.audit.s2_artefacts import ARTEFACTS, check_artefacts
from dpsynth.audit.surrogate import make_surrogate
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.mechanisms.keystream import KeyStream
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator, os_torch_generator, rehearsed
from dpsynth.policy.loader import load_policy
from dpsynth.synthesizers import diffusion, gan
from dpsynth.synthesizers.aim import AIM
from dpsynth.synthesizers.diffusion import Diffusion
from dpsynth.synthesizers.gan import GAN
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MST
from dpsynth.synthesizers.privbayes import PrivBayes
from dpsynth.synthesizers.wide import Wide
from dpsynth.vault.surrogate import Door
from dpsynth.vault.surrogate_tape import OffTape

ROOT = Path(__file__).resolve().parents[2]
ROWS = 120
ROUNDS = 20
"""Audits of each planted fault, with fresh entropy: each must find it."""


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan, "_STEPS", 10)
    monkeypatch.setattr(gan, "_GUIDED_STEPS", 20)
    monkeypatch.setattr(diffusion, "_STEPS", 5)
    monkeypatch.setattr(diffusion, "_TEACHING_STEPS", 20)


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("audits.mutants.intake")


@pytest.fixture
def plan(plan: AuditPlan) -> AuditPlan:
    section = StructuralSection.model_construct(
        artefact_tables="together", lattice_draws=4096, lattice_alpha=1e-9
    )
    return plan.model_copy(update={"structural": section, "surrogate_rows": ROWS, "tests": ("S2", "S3")})


@pytest.fixture
def checked(plan: AuditPlan) -> Callable[..., CheckResult]:
    def check(pipeline: Pipeline, **section: Any) -> CheckResult:
        rows = make_surrogate(pipeline.door.domain, pipeline.door.unit, ROWS, os_generator())
        changed = plan.structural.model_copy(update=section)
        return check_artefacts(pipeline, rows, plan.model_copy(update={"structural": changed}))

    return check


@pytest.mark.parametrize("kind", [Independent, MST, AIM, PrivBayes, Wide, GAN, Diffusion])
def test_a_correct_synthesizer_differs_nowhere(mutants, checked, kind) -> None:
    result = checked(replace(mutants.correct(), synthesizer=kind()))
    assert (result.outcome, result.plain.startswith("With the same answers")) == ("pass", True)
    assert {how for row in result.details["matrix"] for how in row} <= {"same", "refused"}
    assert result.details["questions"] >= 4
    assert "differs between these tables" in result.could_have_found


def test_each_change_can_be_tried_by_itself(mutants, checked) -> None:
    result = checked(mutants.correct(), artefact_tables="each")
    named = result.details["neighbours"]
    assert result.outcome == "pass"
    # The crowd needs no fit and the tape does; one more where the first fit of a process said something.
    assert result.details["fits"] - (len(named) - len(REFUSED)) in (0, 1)
    assert "with a unit of more rows than the bound, of NaN" in named
    assert [len(row) for row in result.details["matrix"]] == [len(ARTEFACTS)] * len(named)


FAULTS = {
    "categories taken from the rows": "domain",
    "categories that nobody has left out": "domain",
    "lowest and highest number of the rows as bounds": "domain",
    "quantiles of the rows as bin edges": "domain",
    "exact number of rows as size of the release": "number of rows",
    "exact number of rows in the model": "model",
    "exact number of rows in a log line": "log",
    "what is asked depends on the rows": "questions",
    "numbers scaled by mean and deviation of the rows": "domain",
    "empty texts filled by the commonest": "rows of others",
    "release filled by the rows' commonest": "model",
    "NaN is a code of its own": "failure",
    "an unlisted category is a code of its own": "domain",
    "intake fails on a rare record": "failure",
    "a warning tells of a rare record": "warnings",
    "a line is printed for a rare record": "output",
}


@pytest.mark.parametrize(("name", "artefact"), FAULTS.items())
def test_a_planted_fault_is_found_where_it_shows(mutants, checked, name, artefact) -> None:
    mutant = next(one for one in mutants.MUTANTS if one.name == name)
    at = ARTEFACTS.index(artefact)
    for _ in range(ROUNDS):
        result = checked(mutant.pipeline())
        assert result.outcome == "fail"
        assert "differs" in {row[at] for row in result.details["matrix"]}
        assert artefact in result.plain


def test_every_fault_of_intake_is_in_a_test_and_can_be_sent(mutants) -> None:
    owed = {one.name: one.caught_by for one in mutants.MUTANTS}
    # A release of another size than was asked for ends an audit before S2, which would find it too.
    size = "exact number of rows as size of the release"
    assert owed[size] == ("S0",)
    assert {name for name, tests in owed.items() if tests == ("S2",)} | {size} == set(FAULTS)
    assert {name for name, tests in owed.items() if tests == ("S3",)} == {"malformed rows escape the bound"}
    assert {test for tests in owed.values() for test in tests} == {"S0", "S2", "S3", "S6"}
    for one in mutants.MUTANTS:
        assert isinstance(pickle.loads(pickle.dumps(one)).pipeline(), Pipeline)


def test_rows_that_escape_the_bound_through_intake_are_s3s(mutants, plan) -> None:
    def sensitivity(pipeline: Pipeline) -> CheckResult:
        results = run_structural(pipeline, plan.model_copy(update={"tests": ("S3",)}), os_generator())
        return results[0]

    fault = next(one for one in mutants.MUTANTS if one.caught_by == ("S3",))
    fair = sensitivity(mutants.correct())
    for _ in range(ROUNDS):
        found = sensitivity(fault.pipeline())
        assert (found.outcome, "of NaN added" in found.plain) == ("fail", True)
    assert fair.outcome == "pass"
    assert "a unit of unlisted values added" in fair.details["largest_share_of_declared"]


@dataclass(frozen=True)
class Meddling:
    """Independent columns, and something besides."""

    besides: Callable[[Any], object]
    name: str = "independent"
    version: str = Independent().version

    def plan(self, *facts: Any) -> Any:
        return Independent().plan(*facts)

    def fit(self, plan: Any, curator: Any) -> Any:
        self.besides(curator)
        return Independent().fit(plan, curator)


def test_a_file_whose_size_depends_on_rows_is_found(mutants, checked, tmp_path) -> None:
    def write(curator: Any) -> None:
        (tmp_path / "notes.txt").write_text("x" * len(curator._table._units))

    def fair(curator: Any) -> None:
        (tmp_path / "notes.txt").write_text("x" * len(curator.domain.names))

    found = checked(replace(mutants.correct(), synthesizer=Meddling(write)))
    assert (found.outcome, "files" in found.plain) == ("fail", True)
    assert checked(replace(mutants.correct(), synthesizer=Meddling(fair))).outcome == "pass"


def test_what_varies_by_itself_makes_it_inconclusive(mutants, checked) -> None:
    log = logging.getLogger("fit")
    noisy = Meddling(lambda curator: log.warning("session %s", secrets.token_hex(8)))
    result = checked(replace(mutants.correct(), synthesizer=noisy))
    assert (result.outcome, "log" in result.plain) == ("inconclusive", True)


def test_what_is_said_the_first_time_only_is_no_fault(mutants, checked) -> None:
    told: list[int] = []
    once = Meddling(lambda curator: told or (told.append(1), logging.getLogger("fit").info("compiled")))
    assert checked(replace(mutants.correct(), synthesizer=once)).outcome == "pass"


def test_a_pipeline_that_does_not_finish_or_too_few_rows_are_inconclusive(mutants, plan, checked) -> None:
    broken = Meddling(lambda curator: 1 / 0)
    result = checked(replace(mutants.correct(), synthesizer=broken))
    assert (result.outcome, "ZeroDivisionError" in result.plain) == ("inconclusive", True)
    pipeline = mutants.correct()
    one = make_surrogate(pipeline.door.domain, pipeline.door.unit, ROWS, os_generator()).only(1)
    few = replace(one, codes={n: c[:1] for n, c in one.codes.items()}, units=one.units[:1])
    assert check_artefacts(pipeline, few, plan).outcome == "inconclusive"


class TellsLines(Door):
    """A refusal that says how many rows there are."""

    def intake(self, texts: Any, ids: Any, labels: Any) -> Any:
        try:
            return super().intake(texts, ids, labels)
        except BadInput:
            raise BadInput(f"one of {len(ids)} rows cannot be read") from None


def test_a_refusal_that_depends_on_other_rows_is_found(mutants, checked) -> None:
    correct = mutants.correct()
    door = TellsLines(correct.door.domain, correct.door.unit, correct.door.noise)
    result = checked(replace(correct, door=door))
    assert (result.outcome, "a NUL byte" in result.plain) == ("fail", True)


def test_the_loss_of_a_training_sees_every_row_once(mutants, checked, monkeypatch, capsys) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    small = import_module("audits.mutants.pipeline")

    class Loud(small.SmallTraining):
        def _loss(self, network: Any, codes: Any) -> Any:
            if len(codes) > 4:  # the made-up rows that every model is tried on are four
                print("a row of all the first codes" if bool((codes == 0).all(1).any()) else "none")
            return super()._loss(network, codes)

    door = replace(mutants.correct().door, domain=small.DOMAIN)
    for kind, outcome in ((small.SmallTraining, "pass"), (Loud, "fail")):
        assert checked(replace(mutants.correct(), door=door, synthesizer=kind(steps=3))).outcome == outcome


@pytest.fixture(params=["csv", "parquet"])
def adult(request: pytest.FixtureRequest) -> Door:
    policy = load_policy(ROOT / "policies" / "adult.yaml")
    changed = policy.model_copy(update={"source": policy.source.model_copy(update={"format": request.param})})
    return Door(changed.domain(), changed.unit(), OpenDPNoise(), changed)


def test_a_policys_own_intake_takes_texts_as_it_takes_peoples(adult) -> None:
    rows = make_surrogate(adult.domain, adult.unit, ROWS, np.random.default_rng(3))
    base = as_texts(rows, adult.domain)
    assert adult.same(adult.intake(base.texts, base.ids, base.labels), adult.table(rows.codes, rows.units))
    taken = {
        n: adult.intake(r.texts, r.ids, r.labels)
        for n, r in one_by_one(base, adult.domain, adult.unit).items()
    }
    new = base.labels.max() + 1
    codes = {name: table._rows()["age"][table._units == new].tolist() for name, table in taken.items()}
    ages = adult.domain["age"]
    bins = len(ages.edges) - 1
    assert codes["lowest values"] == codes["just below the lowest"] == codes["minus infinity"] == [0]
    assert codes["highest values"] == codes["infinity"] == codes["a huge number"] == [bins - 1]
    assert (
        codes["NaN"] == codes["signalling NaN"] == codes["empty texts"] == codes["unlisted values"] == [bins]
    )


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_file_cannot_hold_is_refused_in_words_that_tell_no_other_row(adult, name) -> None:
    rows = make_surrogate(adult.domain, adult.unit, ROWS, np.random.default_rng(3))
    said = []
    for base in (as_texts(rows, adult.domain), as_texts(rows.without(0), adult.domain)):
        unit = replace(
            odd_units(base, adult.domain, adult.unit)[0], row=dict.fromkeys(adult.domain.names, REFUSED[name])
        )
        odd = base.after(unit)
        try:
            said.append(adult.intake(odd.texts, odd.ids, odd.labels) and "")
        except (BadInput, PolicyRefusal) as error:
            said.append(str(error))
    assert said[0] == said[1]
    if adult.policy.source.format == "csv":
        assert said[0]


def test_only_a_rehearsal_repeats_its_coins_and_gives_them_back() -> None:
    def drawn() -> list[Any]:
        numpy, torchs = os_generator(), os_torch_generator()
        layer = torch.nn.Linear(2, 2).weight.detach().numpy().tobytes()
        own = torch.rand(2, generator=torchs).tolist()
        return [numpy.random(), own, layer, random.random(), np.random.random()]  # noqa: NPY002

    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    with rehearsed(7):
        first, noise = drawn(), KeyStream().words(4).tolist()
        others: list[Any] = []
        thread = threading.Thread(target=lambda: others.append(os_generator().random()))
        thread.start()
        thread.join()
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert before == after
    with rehearsed(7):
        assert drawn() == first
        assert KeyStream().words(4).tolist() != noise
        assert OpenDPNoise().gaussian(np.zeros(9, np.int64), 1e9).tolist() != [0] * 9
    with rehearsed(8):
        again = drawn()
    assert all(one != other for one, other in zip(first, again, strict=True))
    assert os_generator().random() not in (first[0], again[0], others[0])


def test_nobody_but_the_surrogate_tape_can_rehearse() -> None:
    known = {
        path.relative_to(ROOT / "dpsynth").as_posix()
        for path in (ROOT / "dpsynth").rglob("*.py")
        if "import rehearsed" in path.read_text(encoding="utf-8")
    }
    assert known == {"vault/surrogate_tape.py"}


@pytest.fixture
def tape(mutants) -> Any:
    door = mutants.correct().door
    rows = make_surrogate(door.domain, door.unit, ROWS, np.random.default_rng(3))
    tape, cost = door.tape(), mutants.correct().claim.cost
    play = lambda: tape.played(door.table(rows.codes, rows.units), cost)  # noqa: E731
    with play() as run:
        run.curator.measure([("colour",)], 10.0)
    return play


def test_a_question_that_was_not_taped_has_no_answer(tape) -> None:
    with tape() as run:
        assert len(run.curator.measure([("colour",)], 10.0)[0].values) == 6
        with pytest.raises(OffTape):
            run.curator.count(10.0)
    for asked in ((("kind",), 10.0), (("colour",), 11.0)):
        with tape() as run, pytest.raises(OffTape):
            run.curator.measure([asked[0]], asked[1])


def test_only_made_up_rows_can_be_rehearsed(mutants) -> None:
    from dpsynth.vault.table import SensitiveTable

    pipeline = mutants.correct()
    people = SensitiveTable(
        pipeline.door.domain, {n: np.zeros(3, np.int64) for n in pipeline.door.domain.names}, np.arange(3)
    )
    with (
        pytest.raises(TypeError, match="surrogate"),
        pipeline.door.tape().played(people, pipeline.claim.cost),
    ):
        pass


def test_a_digest_is_of_contents_and_not_of_identities() -> None:
    def holder(count: int) -> Callable[[], int]:
        return lambda: count

    shared = [1, 2]
    assert content([shared, shared]) == content([[1, 2], [1, 2]])
    assert content({3, 1}) == content({1, 3})
    assert content({"a": 1, "b": 2}) != content({"b": 2, "a": 1})
    assert content(holder(3)) != content(holder(4))
    assert content(np.zeros(2)) != content(np.zeros(2, np.float32))
    assert content(torch.zeros(2)) != content(torch.ones(2))
    loop: list[Any] = []
    loop.append(loop)
    assert content(loop) == content(loop)
    assert content(threading.Lock()) == content(threading.Lock())
    assert content(-0.0) != content(0.0)


def test_a_bench_shows_s3_odd_units_once_where_they_came_out_alike(mutants, plan) -> None:
    pipeline = mutants.correct()
    rows = make_surrogate(pipeline.door.domain, pipeline.door.unit, ROWS, os_generator())
    base, near = Bench(pipeline, plan, rows, (), os_generator()).near_as_texts
    assert base is not None
    assert "a unit of unlisted values added" in near
    assert "a unit of NaN added" not in near


def test_a_progress_bar_of_another_thread_is_no_artefact_and_goes_on(mutants, checked, capsys) -> None:
    done = threading.Event()

    def bar() -> None:
        while not done.wait(0.002):
            print("tick", file=sys.stderr)

    thread = threading.Thread(target=bar)
    thread.start()
    try:
        result = checked(mutants.correct())
    finally:
        done.set()
        thread.join()
    assert result.outcome == "pass", result.plain
    assert capsys.readouterr().err.count("tick") > 10
