"""Measures of utility in a real run: paid ones are charged first and leave with the rows, exact ones stay."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.cost import cost_from_json, cost_of, total
from dpsynth.accounting.events import event_from_json
from dpsynth.accounting.reserve import plan_cost
from dpsynth.core.errors import IntegrityError, PolicyRefusal
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.measured import check_measures
from dpsynth.publish.verify import verify_bundle
from dpsynth.service import Platform, RequestForm, measuring, pipeline
from dpsynth.service.measuring import PaidQueries, measure_plan, rows_plan
from dpsynth.service.plans import run_plan
from dpsynth.utility.measures import share_of

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
PAID = 'utility: {share: "0.2", task: hlthg, by: idp}\n\nsynthesis:'
PEOPLE = {"sam": "data_scientist", "carol": "compliance_officer", "dana": "data_owner", "ada": "auditor"}
Form = Callable[..., RequestForm]


def paid_text(section: str = PAID) -> str:
    return POLICY.read_text(encoding="utf-8").replace("synthesis:", section, 1)


def state_of(home: Path, text: str, source: Path, **options: Any) -> Platform:
    platform = Platform.open(home, **options)
    for person, role in PEOPLE.items():
        platform.add_person(person, person.title(), (role,))
    policy = home / "policy.yaml"
    policy.write_text(text, encoding="utf-8")
    platform.register_dataset("dana", policy, source)
    return platform


def only(platform: Platform) -> str:
    return platform.requests("carol")[0].id


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy_text(paid_text(), "policy.yaml")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, rand_csv: Path) -> tuple[Path, list[str]]:
    """A request whose measures are bought has run; every log line of it."""
    home, lines = tmp_path_factory.mktemp("paid") / "state", list[str]()
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    purpose = "Teaching health economics: students compare counts of visits by plan, and look at nobody."
    platform = state_of(home, paid_text(), rand_csv)
    form = RequestForm("rand-health", "independent", purpose, "students", epsilon="1")
    platform.submit("sam", form)
    platform.run_once("worker", lines.append)
    logging.getLogger().removeHandler(handler)
    return home, lines


@pytest.fixture
def platform(ran: tuple[Path, list[str]], tmp_path: Path) -> Platform:
    shutil.copytree(ran[0], tmp_path / "state")
    return Platform.open(tmp_path / "state")


def publish(platform: Platform) -> Path:
    name = only(platform)
    read = platform.dossier("carol", name)
    for who in ("carol", "dana"):
        platform.approve(who, name, read.sha256, "Read and discussed.", tuple(read.body["must_tick"]))
    return platform.publish("dana", name)


def entries(platform: Platform, kind: str) -> list[dict[str, Any]]:
    return [entry.body for entry in platform.ledger_entries("ada") if entry.kind == kind]


@pytest.mark.parametrize("synthesizer", ["independent", "mst", "aim"])
@pytest.mark.parametrize("rho", [100_000, 24_355_957, 999_999_937])
def test_measures_are_part_of_the_rho_that_was_asked_for(policy: Policy, synthesizer: str, rho: int) -> None:
    _, whole = run_plan(policy, synthesizer, rho)
    paid = measure_plan(policy, rho)
    assert paid is not None
    assert paid.rho_nano == share_of(rho, "0.2") == rho // 5
    assert whole.rho_nano == rho
    own = rows_plan(whole, paid)
    assert (
        own == run_plan(load_policy_text(POLICY.read_text(), "p.yaml"), synthesizer, rho - paid.rho_nano)[1]
    )
    cost, queries = plan_cost(whole, "1e-6"), PaidQueries(policy, paid)
    assert cost.rho == rho
    assert queries.cost.rho <= paid.rho_nano
    rest, alone = queries.rest_of(cost), plan_cost(own, "1e-6")
    assert all(left >= needed for left, needed in zip(rest.rdp, alone.rdp, strict=True))
    assert rest.mu2 >= alone.mu2 - 10  # of the 10 000 that are reserved for rounding up each event's own
    assert cost.covers(queries.rest_of(cost) + queries.cost)


def test_a_training_leaves_room_for_measures_at_every_order() -> None:
    allowed = '  allowed:\n    - {name: gan, min_version: "0.0.1"}\n'
    policy = load_policy_text(paid_text().replace("  allowed:\n", allowed, 1), "policy.yaml")
    synthesizer, whole = run_plan(policy, "gan", 24_355_957)
    paid = measure_plan(policy, 24_355_957)
    assert paid is not None
    own = rows_plan(whole, paid)
    assert own == synthesizer.plan(policy.domain(), own.rho_nano, policy.synthesis.max_model_cells)
    rest = PaidQueries(policy, paid).rest_of(plan_cost(whole, "1e-6"))
    assert rest.covers(plan_cost(own, "1e-6"))


def test_a_budget_of_which_the_share_tells_nothing_is_refused_before_anything_is_held(policy: Policy) -> None:
    with pytest.raises(PolicyRefusal, match="too little to measure with"):
        measure_plan(policy, 9)
    assert measure_plan(load_policy_text(POLICY.read_text(), "p.yaml"), 9) is None


def test_the_quote_the_charge_and_the_events_say_the_same(platform: Platform, form: Form) -> None:
    quote = platform.quote("sam", form())
    measures = [line for line in quote.lines if line.startswith("Paid measure of utility")]
    assert len(measures) == 2
    assert "rho 0.002435596" in measures[0]
    (settled,) = entries(platform, "settled")
    events = [event_from_json(one) for one in settled["events"]]
    kinds = [entry.kind for entry in platform.ledger_entries("ada")]
    assert kinds.index("committed") < kinds.index("settled")
    (committed,) = entries(platform, "committed")
    assert committed["charge"] == only(platform)
    assert total(cost_of(event) for event in events[-2:]).rho <= quote.rho_nano // 5
    assert quote.rho_nano * 99 // 100 < total(cost_of(event) for event in events).rho <= quote.rho_nano
    assert platform.request("sam", only(platform)).rho_nano == quote.rho_nano
    told = platform.explain("sam", only(platform)).cost
    assert [line for line in told if line.startswith("Paid measure")] == measures
    assert platform.verify_ledger() > 0


def test_paid_measures_leave_with_the_rows_and_anybody_can_check_their_price(platform: Platform) -> None:
    name = only(platform)
    assert platform.request("sam", name).utility == ()  # nothing leaves before two people agreed
    bundle = publish(platform)
    report = verify_bundle(bundle, load_public_keys(platform.keys_dir), datetime.now(UTC))
    assert any("measures with noise, paid from this: rho 0.004871191" in line for line in report.lines)
    stated = json.loads((bundle / "privacy-statement.json").read_text())["utility_measures"]
    shown = platform.request("sam", name).utility
    assert len(shown) == len(stated["measures"]) == 6
    assert all("(charged)" in words for words in shown)
    assert stated["rho"] == "0.004871191"
    page = (bundle / "datasheet.md").read_text()
    assert all(measure["low"] in page for measure in stated["measures"] if measure["low"])
    assert "L2 sensitivity 1 under adding or removing one person-year" in stated["queries"][1]


def test_paid_measures_are_near_the_exact_ones(platform: Platform) -> None:
    exact = platform.utility.exact("ada", only(platform))
    paid = platform.dossier("ada", only(platform)).body["utility"]["charged"]["measures"]
    for width, measure in zip(exact["marginals"], paid[:3], strict=True):
        assert float(measure["low"]) - 0.01 <= width["mean"] <= float(measure["high"]) + 0.01
    assert exact["prediction"]["task"] == "hlthg"
    accuracy = exact["prediction"]["accuracy"]["synthetic rows"]["estimate"]
    assert float(paid[3]["estimate"]) == pytest.approx(accuracy, abs=0.02)
    assert exact["groups"]["by"] == "idp"


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, float):
        yield value


def test_no_exact_measure_is_anywhere_but_in_the_review_room(
    platform: Platform, ran: tuple[Path, list[str]], form: Form
) -> None:
    name, home = only(platform), ran[0]
    evidence = json.loads((home / "review" / f"{name}.utility.json").read_text())
    long = {repr(one)[:10] for one in numbers(evidence) if len(repr(one)) > 12 and "e" not in repr(one)}
    assert len(long) > 100
    bundle = publish(platform)
    spoken = [path.read_bytes().decode("latin-1") for path in bundle.rglob("*.*") if path.is_file()]
    spoken += [json.dumps(asdict(platform.request("sam", name))), str(platform.quote("sam", form()))]
    spoken += [str(platform.explain("sam", name)), str(platform.dossier("carol", name).body), *ran[1]]
    spoken += [json.dumps(entry.body) for entry in platform.ledger_entries("ada")]
    everything = "\n".join(spoken)
    assert "measuring" in ran[1]
    assert [one for one in (*long, evidence["nonce"]) if one in everything] == []


def test_each_look_at_exact_measures_is_written_down_before_it_is_shown(platform: Platform) -> None:
    name = only(platform)
    path = platform.bundles_dir.parent / "review" / f"{name}.utility.json"
    assert path.stat().st_mode & 0o077 == 0
    platform.utility.exact("carol", name)
    path.write_text(path.read_text().replace("0.", "0.1", 1))
    with pytest.raises(IntegrityError, match="not those that the dossier names"):
        platform.utility.exact("carol", name)
    looks = [(one.person, one.what) for one in platform.access.looks("ada")]
    assert looks == [("carol", "exact utility")] * 2


def test_a_verifier_refuses_measures_that_cost_another_share(platform: Platform, policy: Policy) -> None:
    name = only(platform)
    file = platform.bundles_dir.parent / "candidates" / name / "privacy-statement.json"
    stated = json.loads(file.read_text())
    assert len(check_measures(policy, stated)) == 1
    paid = stated["utility_measures"]
    first = paid["measures"][0]
    lies = [
        {key: value for key, value in stated.items() if key != "utility_measures"},
        stated | {"utility_measures": paid | {"rho": "0.001"}},
        stated | {"utility_measures": paid | {"measures": []}},
        stated | {"utility_measures": paid | {"measures": [first | {"low": "0.9", "estimate": "0.1"}]}},
        stated | {"utility_measures": paid | {"measures": [first | {"high": "NaN"}]}},
        stated | {"utility_measures": "good rows"},
    ]
    for lie in lies:
        with pytest.raises(IntegrityError, match=r"privacy-statement\.json"):
            check_measures(policy, lie)
    none = load_policy_text(POLICY.read_text(), "p.yaml")
    with pytest.raises(IntegrityError, match="not those that the policy's share pays for"):
        check_measures(none, stated)


class Tape:
    """Fixed answers that ignore the rows: what is left came past the mechanisms."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(11)

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        return self._rng.integers(0, int(60 * scale), values.shape)

    def noisy_max(self, scores: NDArray[np.int64], scale: float) -> int:
        return int(self._rng.integers(len(scores)))


def test_one_more_row_changes_no_paid_measure_but_through_the_noise(
    rand_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    lines, said = rand_csv.read_text().splitlines()[:401], []
    for name, rows in (("without", lines), ("with", [*lines, "77,4.6,1,7.1,8.2,1,58.6,1,1,1"])):
        for room in (pipeline, measuring):
            monkeypatch.setattr(room, "os_generator", lambda: np.random.default_rng(7))
        source = tmp_path / f"{name}.csv"
        source.write_text("\n".join(rows) + "\n")
        platform = state_of(tmp_path / name, paid_text(), source, noise=Tape())
        platform.submit("sam", form(key="one"))
        platform.run_once("worker")
        body = platform.dossier("carol", only(platform)).body["utility"]
        assert any(measure["estimate"] for measure in body["charged"]["measures"])
        said.append(body["charged"])
    assert said[0] == said[1]


def test_a_fault_in_the_exact_measures_costs_no_run(
    policy: Policy, rand_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that do not fit the domain are such a fault: the text then says so, for the review room."""

    class Coined:
        def reveal_for_attack(self) -> tuple[NDArray[np.int64], ...]:
            return (np.full((5, 10), 10**6),) * 3

        def units_for_attack(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            raise AssertionError("not asked for")

    from dpsynth.core.table import SyntheticTable

    empty = {name: np.zeros(5, dtype=np.int64) for name in policy.domain().names}
    found = json.loads(measuring.exact_text(policy, Coined(), SyntheticTable(policy.domain(), empty)))
    assert found["why_not"] == "the measures failed"
    assert "Traceback" in found["trace"]


def test_where_nothing_is_bought_no_number_leaves_and_the_dossier_says_so(
    rand_csv: Path, tmp_path: Path, form: Form
) -> None:
    source = tmp_path / "few.csv"
    source.write_text("\n".join(rand_csv.read_text().splitlines()[:401]) + "\n")
    platform = state_of(tmp_path / "plain", POLICY.read_text(), source)
    assert not any("utility" in line for line in platform.quote("sam", form()).lines)
    platform.submit("sam", form())
    platform.run_once("worker")
    name = only(platform)
    statement = (platform.bundles_dir.parent / "candidates" / name / "privacy-statement.json").read_text()
    assert "utility_measures" not in statement
    assert "No measure of the quality of these rows was released." in statement
    body = platform.dossier("carol", name).body["utility"]
    assert body["charged"] is None
    assert body["plain"].startswith("None were bought")
    (reserved,) = entries(platform, "reserve")
    assert cost_from_json(reserved["cost"]).rho == platform.request("sam", name).rho_nano
