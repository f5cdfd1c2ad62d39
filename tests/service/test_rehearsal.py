"""A rehearsal says what to expect at which budget, opens no table of people, and costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.core.structure import violating
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.service import Limits, Platform, RehearsalForm, RequestForm, rehearsal, rehearsals
from dpsynth.service.rehearsal import budgets_of, rehearse
from dpsynth.service.standin import Published, errors_of, made_up, of_release, resampled, unrelated

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
OPENED: list[str] = []
WATCHED = [False]


def _saw(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHED[0] and event == "open":
        OPENED.append(str(arguments[0]))


sys.addaudithook(_saw)  # of this interpreter, for good: it listens only inside ``opened``


@contextmanager
def opened() -> Iterator[list[str]]:
    """Every file that Python opens inside the block."""
    OPENED.clear()
    WATCHED[0] = True
    try:
        yield OPENED
    finally:
        WATCHED[0] = False


def policy(*more: str) -> Policy:
    words = POLICY.read_text().replace("output_rows_value: 25000", "output_rows_value: 2000")
    known = '- {name: aim, min_version: "0.1.0"}'
    names = "".join(f'\n    - {{name: {name}, min_version: "0.1.0"}}' for name in more)
    return load_policy_text(words.replace(known, known + names), "policy.yaml")


def form(synthesizer: str = "independent", **more: Any) -> RehearsalForm:
    values = {"rows": 500, "limits": Limits(fits=1), **more}
    return RehearsalForm("rand-health", synthesizer, **values)


def test_no_table_is_opened_and_the_ledger_says_nothing_of_it(platform: Platform, rand_csv: Path) -> None:
    home = platform.keys_dir.parent
    source = home / "there.csv"
    source.write_bytes(rand_csv.read_bytes())
    before = [one.hash for one in platform.ledger_entries("ada")]
    room = platform.budget("carol")
    with platform._store.write() as connection:
        connection.execute(text("UPDATE dataset SET source_path = :path"), {"path": str(source)})
    source.unlink()  # a rehearsal that wanted the table could not have it
    with opened() as files:
        found = platform.rehearsals.run("sam", form("mst", rho="0.01"))
    assert all(one.errors for one in found.points)
    assert not [one for one in files if one.endswith((".csv", ".parquet"))]
    assert [one.hash for one in platform.ledger_entries("ada")] == before
    assert platform.budget("carol") == room
    with opened() as files, pytest.raises(FileNotFoundError):
        source.open()
    assert files == [str(source)]  # the watch would have seen it


def test_more_budget_and_a_better_model_come_nearer_and_the_spread_is_of_several_fits() -> None:
    rand = policy()
    stand_in = made_up(rand.domain(), 3_000)
    low, high = budgets_of(rand)[0], budgets_of(rand)[-1]
    plain = rehearse(rand, "independent", [high], stand_in, Limits(1))
    found = rehearse(rand, "mst", [high, low], stand_in, Limits(2))
    assert [one.rho_nano for one in found.points] == [low, high]
    assert [one.epsilon for one in found.points] == ["0.173509", "1"]
    assert all(len(one.errors) == 2 for one in found.points)
    small, large = found.points
    assert large.spread(2)[1] < 0.75 * small.spread(2)[1]
    assert large.spread(2)[1] < 0.9 * plain.points[0].spread(2)[1]
    lowest, mean, highest = small.spread(3)
    assert 0 < lowest < mean < highest < 1
    # What is shown for comparison brackets what a synthesizer can do with relations.
    assert found.by_chance[1] < large.spread(2)[1] < found.unrelated[1] + 0.02
    assert abs(plain.points[0].spread(2)[1] - plain.unrelated[1]) < 0.02


def test_the_stand_in_is_not_trivially_unrelated_and_has_a_public_number_of_rows() -> None:
    rand = policy()
    table = made_up(rand.domain(), 4_000).table
    assert table.rows == 4_000
    lost = errors_of(table, unrelated(table, 4_000))
    chance = errors_of(table, resampled(table, 4_000))
    assert lost[1] > 3 * chance[1]
    assert lost[0] < 0.05


def test_an_adult_stand_in_keeps_the_public_structure() -> None:
    adult = load_policy_text((POLICY.parent / "adult.yaml").read_text(), "adult.yaml")
    table = made_up(adult.domain(), 500).table
    assert 0 < table.rows <= 500
    assert not violating(adult.domain(), table.codes).any()


def test_when_the_time_is_up_what_was_measured_is_told_and_nothing_else_begun() -> None:
    rand = policy()
    told: list[str] = []
    found = rehearse(
        rand,
        "mst",
        budgets_of(rand)[:2],
        made_up(rand.domain(), 200),
        Limits(2, 1e-9),
        lambda w, s: told.append(w),
    )
    assert [one.errors for one in found.points] == [(), ()]
    assert {one.note for one in found.points} == {"0 of 2 fits in 1e-09 seconds"}
    assert len(set(told)) == 1


def test_progress_only_goes_up_and_ends_at_one() -> None:
    rand = policy()
    shares: list[float] = []
    rehearse(
        rand,
        "independent",
        budgets_of(rand)[2:],
        made_up(rand.domain(), 200),
        Limits(2),
        lambda w, s: shares.append(s),
    )
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_a_budget_that_cannot_be_planned_says_why_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rand, real = policy(), rehearsal.run_plan

    def planned(asked: Policy, name: str, rho: Any) -> Any:
        if rho < 2_000_000:
            raise PolicyRefusal("Too little to plan with", remedy="ask for more")
        return real(asked, name, rho)

    monkeypatch.setattr(rehearsal, "run_plan", planned)
    small, large = rehearse(
        rand, "independent", [1_000_000, 9_000_000], made_up(rand.domain(), 200), Limits(1)
    ).points
    assert (small.epsilon, small.errors) == ("", ())
    assert "ask for more" in small.note
    assert len(large.errors) == 1


@pytest.mark.parametrize(
    ("name", "budgets", "limits", "what"),
    [
        ("smartnoise:mst", [10**7], Limits(), "takes whole rows"),
        ("independent", [], Limits(), "that many budgets"),
        ("independent", range(1, 99), Limits(), "that many budgets"),
        ("independent", [10**7], Limits(fits=0), "fits"),
        ("independent", [10**7], Limits(seconds=0), "little time"),
        ("wide", [10**7], Limits(), "does not allow"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_before_anything_is_fitted(
    name: str, budgets: Any, limits: Limits, what: str
) -> None:
    rand = policy("smartnoise:mst")
    with pytest.raises((BadInput, PolicyRefusal), match=what):
        rehearse(rand, name, budgets, made_up(rand.domain(), 200), limits)


@pytest.mark.parametrize("rows", [99, 100_001])
def test_a_stand_in_of_any_other_size_is_refused(platform: Platform, rows: int) -> None:
    with pytest.raises(BadInput, match="that many rows"):
        platform.rehearsals.run("sam", form(rows=rows))


def test_what_was_measured_once_is_not_measured_again_for_the_next_person(platform: Platform) -> None:
    begun: list[str] = []

    def tell(words: str, share: float) -> None:
        begun.append(words)

    first = platform.rehearsals.run("sam", form(rows=700), tell)
    assert len({one for one in begun if one != "done"}) == 4
    begun.clear()
    second = platform.rehearsals.run("carol", form(rows=700, rho="0.02"), tell)
    assert {one for one in begun if one != "done"} == {"rho 0.020000, fit 1 of 1"}
    assert [one.errors for one in first.points] == [
        one.errors for one in second.points if one.rho_nano != 20_000_000
    ]


def test_a_budget_may_be_stated_as_epsilon_and_stands_beside_four_parts_of_the_cap(
    platform: Platform,
) -> None:
    found = platform.rehearsals.run("dana", form(epsilon="0.5", delta="1e-6", rows=700))
    asked = RequestForm("rand-health", "independent", "." * 80, ".", epsilon="0.5", delta="1e-6")
    assert platform.quote("dana", asked).rho_nano in [one.rho_nano for one in found.points]
    assert len(found.points) == 5
    assert max(one.rho_nano for one in found.points) == platform.rehearsals.cap_of_release(policy())


def test_only_a_few_rehearsals_run_at_a_time(platform: Platform) -> None:
    def another(words: str, share: float) -> None:
        with pytest.raises(Conflict, match="Other rehearsals are running"):
            platform.rehearsals.run("carol", form())
        raise KeyboardInterrupt

    with rehearsals._AT_ONCE, pytest.raises(KeyboardInterrupt):
        platform.rehearsals.run("sam", form(rows=800), another)
    assert platform.rehearsals.run("sam", form()).points  # the place was given back


def test_a_folder_that_is_no_release_of_this_domain_cannot_stand_in(tmp_path: Path) -> None:
    domain = policy().domain()
    for cells in ("", "a,b\n1,2\n", ",".join(domain.names) + "\n" + "x," * 9 + "x\n"):
        (tmp_path / "data.csv").write_text(cells)
        with pytest.raises(BadInput, match="can stand in"):
            of_release(Published("here", tmp_path), domain, 100)


def test_people_without_a_role_rehearse_nothing(platform: Platform) -> None:
    ask: list[Callable[[], object]] = [
        lambda: platform.rehearsals.run("nobody", form()),
        lambda: platform.rehearsals.stand_ins("nobody", "rand-health"),
    ]
    for one in ask:
        with pytest.raises(PolicyRefusal):
            one()


def test_what_a_policy_sets_aside_for_paid_measures_is_not_the_synthesizers_to_spend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = POLICY.read_text() + '\nutility: {share: "0.2", task: hlthg, by: idp}\n'
    paying = load_policy_text(
        words.replace("output_rows_value: 25000", "output_rows_value: 200"), "policy.yaml"
    )
    seen: list[tuple[int, int]] = []
    real = rehearsal.run_plan

    class Watched:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def fit(self, plan: Any, curator: Any) -> Any:
            seen.append((plan.rho_nano, curator.remaining))
            return self.inner.fit(plan, curator)

    def planned(asked: Policy, name: str, rho: Any) -> Any:
        synthesizer, plan = real(asked, name, rho)
        return Watched(synthesizer), plan

    monkeypatch.setattr(rehearsal, "run_plan", planned)
    made = rehearse(paying, "independent", [20_000_000], made_up(paying.domain(), 200), Limits(1))
    assert seen == [(16_000_000, 16_000_000)]
    assert [one.rho_nano for one in made.points] == [20_000_000]
    assert len(made.points[0].errors) == 1
