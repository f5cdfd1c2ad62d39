"""``auto`` chooses from public facts alone, among what the policy allows, and says why."""

from __future__ import annotations

import pytest

from dpsynth.core.domain import Column, Determined, Domain
from dpsynth.core.errors import PolicyRefusal
from dpsynth.synthesizers.auto import choose

ALL = ("independent", "mst", "aim", "privbayes", "wide")


def domain_of(columns: int, size: int = 5) -> Domain:
    values = tuple(str(code) for code in range(size))
    return Domain(tuple(Column(f"c{place}", "categorical", values=values) for place in range(columns)))


@pytest.mark.parametrize(
    ("columns", "rho_nano", "room", "chosen"),
    [
        (15, 15_000_000, 10**6, "aim"),
        (25, 15_000_000, 10**6, "aim"),
        (26, 15_000_000, 10**6, "wide"),
        (100, 15_000_000, 10**6, "wide"),
        (15, 150_000, 10**6, "privbayes"),
        (15, 15_000, 10**6, "independent"),
        (100, 15_000, 10**6, "independent"),
        (1, 15_000_000, 10**6, "independent"),
        (15, 15_000_000, 80, "independent"),
    ],
)
def test_the_choice_follows_from_columns_budget_and_room(
    columns: int, rho_nano: int, room: int, chosen: str
) -> None:
    choice = choose(ALL, domain_of(columns), rho_nano, room)
    assert choice.name == chosen
    assert choice == choose(tuple(reversed(ALL)), domain_of(columns), rho_nano, room)


def test_the_reason_names_the_facts() -> None:
    assert "15 columns" in choose(ALL, domain_of(15), 15_000_000, 10**6).words()
    assert "60 columns" in choose(ALL, domain_of(60), 15_000_000, 10**6).words()
    assert "rho 0.000015" in choose(ALL, domain_of(15), 15_000, 10**6).words()
    assert "80 model cells" in choose(ALL, domain_of(15), 15_000_000, 80).words()


@pytest.mark.parametrize(
    ("allowed", "chosen"),
    [
        (("independent", "mst"), "mst"),
        (("independent",), "independent"),
        (("mst", "privbayes"), "privbayes"),
        (("wide", "independent"), "wide"),
        (("gan", "mst"), "mst"),
    ],
)
def test_only_what_the_policy_allows_is_chosen(allowed: tuple[str, ...], chosen: str) -> None:
    assert choose(allowed, domain_of(15), 15_000_000, 10**6).name == chosen


def test_a_policy_without_any_of_them_is_refused() -> None:
    with pytest.raises(PolicyRefusal, match="auto chooses from"):
        choose(("smartnoise:mst",), domain_of(15), 15_000_000, 10**6)


def test_columns_that_follow_from_others_or_never_vary_do_not_count() -> None:
    wide = domain_of(27)
    follows = tuple(Determined(f"c{place}", "c0", (0, 1, 2, 3, 4)) for place in (1, 2))
    assert choose(ALL, wide, 15_000_000, 10**6).name == "wide"
    assert choose(ALL, Domain(wide.columns, determined=follows), 15_000_000, 10**6).name == "aim"
    flat = tuple(Column(f"k{place}", "categorical", values=("x",)) for place in range(40))
    assert choose(ALL, Domain((*domain_of(15).columns, *flat)), 15_000_000, 10**6).name == "aim"
