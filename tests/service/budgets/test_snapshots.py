"""What a new snapshot brings: the same budget, or, for people proved to be new, one of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.errors import BudgetExceeded, Conflict, IntegrityError, PolicyRefusal

WHY = "The board agreed to share the table with a second group."
NEW_ONLY = {"budget": {"refresh": "new_units_only"}}
FIRST = [f"p-{number:04d}" for number in range(240)]
SECOND = [f"p-{number:04d}" for number in range(240, 480)]
THIRD = [f"p-{number:04d}" for number in range(480, 700)]


def snapshot(house: Any, number: int, people: list[str], **more: Any) -> Any:
    """A version of the table under new_units_only, with a snapshot of its own."""
    return house.register(
        version=str(number), people=people, source={"snapshot": f"2026-0{number}"}, **{**NEW_ONLY, **more}
    )


def records(house: Any) -> list[Path]:
    home: Path = house.platform.keys_dir.parent / "secrets"
    return sorted(path for path in home.rglob("*") if path.is_file() and "units" in str(path))


def lifetimes(house: Any) -> dict[str, int]:
    return {name: scope.held_nano for name, scope in house.scopes().items() if scope.kind == "id_space"}


def test_without_refresh_a_new_snapshot_goes_on_with_the_same_budget(house: Any) -> None:
    house.register(people=FIRST)
    house.ask("0.02")
    house.register(version="2", people=SECOND, source={"snapshot": "2026-02"})
    house.ask("0.02")
    assert lifetimes(house) == {"id-space:residents": 40_000_000}
    with pytest.raises(BudgetExceeded, match="Ceiling of sam"):
        house.ask("0.02")


def test_a_snapshot_of_new_people_has_a_budget_of_its_own_and_the_old_one_stays_spent(house: Any) -> None:
    snapshot(house, 1, FIRST)
    house.ask("0.02")
    house.ask("0.02")
    assert house.platform.run_once("worker").state == "awaiting_decision"
    assert snapshot(house, 2, SECOND).pending == ""
    house.ask("0.02")
    assert lifetimes(house) == {
        "id-space:residents@2026-01": 20_000_000,
        "id-space:residents@2026-02": 20_000_000,
    }
    assert house.scopes()["id-space:residents@2026-01"].spent_nano == 20_000_000
    assert house.platform.verify_ledger() > 0


def test_one_person_of_an_earlier_snapshot_is_enough_to_refuse_and_the_words_give_nobody_away(
    house: Any,
) -> None:
    snapshot(house, 1, FIRST)
    snapshot(house, 2, SECOND)
    before = house.platform.ledger_entries("ada")
    for mixed in ([*THIRD, FIRST[7]], [FIRST[7]], [*THIRD, *SECOND]):
        with pytest.raises(PolicyRefusal) as refused:
            snapshot(house, 3, mixed)
        assert refused.value.exit_code == 3
        assert not any(character.isdigit() for character in refused.value.text())
        assert "p-" not in refused.value.text()
    assert house.platform.ledger_entries("ada") == before
    assert snapshot(house, 3, THIRD).policy.source.snapshot == "2026-03"


@pytest.mark.parametrize("blanks", ["{} ", " {}", "\t{}\u00a0"])
def test_blanks_around_an_id_make_no_new_person(house: Any, blanks: str) -> None:
    snapshot(house, 1, FIRST)
    with pytest.raises(PolicyRefusal, match="earlier snapshot"):
        snapshot(house, 2, [blanks.format(FIRST[0]), *SECOND])
    snapshot(house, 2, [blanks.format(one) for one in SECOND])


COMPOSED, APART = "zo\u00e9-{}", "zoe\u0301-{}"


@pytest.mark.parametrize(("before", "after"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_another_unicode_form_of_an_id_makes_no_new_person(house: Any, before: str, after: str) -> None:
    snapshot(house, 1, [before.format(one) for one in FIRST])
    with pytest.raises(PolicyRefusal, match="earlier snapshot"):
        snapshot(house, 2, [after.format(FIRST[0]), *SECOND])
    plain = [f"zoe-{one}" for one in FIRST]  # without the accent it is another id
    snapshot(house, 2, [*plain, *(after.format(one) for one in SECOND)])


def two_ids(people: list[str]) -> str:
    """A table with a second column that could pass for an id."""
    rows = [f"{one},a{one},north,{at % 20}" for at, one in enumerate(people)]
    return "\n".join(["person,alias,region,visits", *rows]) + "\n"


def aliased(house: Any, column: str, people: list[str], **more: Any) -> Any:
    """A registration under new_units_only that tells people by this column."""
    names = [{"name": one, "role": "identifier", "type": "string", "action": "drop"} for one in ("alias",)]
    columns = [house.columns()[0], *names, *house.columns()[1:]]
    unit = {"privacy_unit": {"id_column": column, **more.pop("unit", {})}}
    return house.register(text=two_ids(people), columns=columns, **unit, **NEW_ONLY, **more)


def test_the_same_people_told_by_another_column_are_no_new_people(house: Any) -> None:
    aliased(house, "person", FIRST)
    second = {"name": "stays", "source": {"snapshot": "2026-02"}}
    with pytest.raises(Conflict, match="for other people"):
        aliased(house, "person", FIRST, **second)
    for people in (FIRST, FIRST[:-1]):  # the same file, and one with other bytes
        with pytest.raises(Conflict, match="id_column"):
            aliased(house, "alias", people, **second)
    assert list(lifetimes(house)) == ["id-space:residents@2026-01"]
    aliased(house, "person", SECOND, **second)
    aliased(house, "alias", SECOND[:-1], name="beds", unit={"id_space": "patients"})


def test_a_new_version_may_not_tell_people_by_another_column(house: Any) -> None:
    aliased(house, "person", FIRST)
    later = {"version": "2", "source": {"snapshot": "2026-02"}, "reason": WHY}
    with pytest.raises(Conflict, match="id_column"):
        aliased(house, "alias", FIRST[:-1], **later)
    assert aliased(house, "person", SECOND, **later).pending == ""


def test_the_id_column_is_looked_at_again_when_a_proposal_is_approved(house: Any) -> None:
    snapshot(house, 1, FIRST)
    moved = {"version": "2", "source": {"snapshot": "2026-02"}, "unit": {"id_space": "patients"}}
    pending = aliased(house, "alias", SECOND, name="visits", reason=WHY, **moved).pending
    aliased(house, "person", THIRD, name="stays", unit={"id_space": "patients"})
    with pytest.raises(Conflict, match="id_column"):
        house.platform.approve_change("carol", pending)
    assert house.platform.dataset("visits").policy.version == "1"


def test_missing_ids_are_nobody_and_may_be_in_every_snapshot(house: Any) -> None:
    snapshot(house, 1, [*FIRST, "", " "])
    snapshot(house, 2, [*SECOND, "", " "])


def test_tables_of_one_snapshot_share_one_cohort(house: Any) -> None:
    snapshot(house, 1, FIRST)
    other = {"name": "stays", "source": {"snapshot": "2026-01"}, **NEW_ONLY}
    house.register(people=[*FIRST[:100], *SECOND[:50]], **other)
    house.ask("0.02", "sam", "stays")
    assert lifetimes(house) == {"id-space:residents@2026-01": 20_000_000}
    with pytest.raises(PolicyRefusal, match="earlier snapshot"):
        snapshot(house, 2, [*SECOND[49:], *THIRD])
    snapshot(house, 2, [*SECOND[50:], *THIRD])


def test_people_of_another_register_are_not_compared(house: Any) -> None:
    snapshot(house, 1, FIRST)
    others = {"privacy_unit": {"id_space": "patients"}, "source": {"snapshot": "2026-02"}}
    house.register("stays", people=[*FIRST, "x"], **others, **NEW_ONLY)
    assert len(lifetimes(house)) == 2


def test_the_record_is_private_and_holds_no_id_in_clear(house: Any) -> None:
    snapshot(house, 1, FIRST)
    kept = records(house)
    assert len(kept) == 2
    for path in kept:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o077 == 0 or path.parent.parent.stat().st_mode & 0o077 == 0
        assert not any(one.encode() in path.read_bytes() for one in FIRST)
    told = repr(house.platform.ledger_entries("ada"))
    assert not any(one in told for one in FIRST)


def test_two_installations_give_the_same_people_different_hashes(open_house: Callable[..., Any]) -> None:
    kept = []
    for name in ("here", "there"):
        house = open_house(name)
        snapshot(house, 1, FIRST)
        kept.append([path.read_bytes() for path in records(house) if path.suffix == ".bin"])
    assert kept[0] != kept[1]


def test_under_refresh_none_no_record_of_people_is_kept(house: Any) -> None:
    house.register(people=FIRST)
    assert [path.name for path in records(house)] == ["units.key.json"]


def _record(house: Any) -> Path:
    return next(path for path in records(house) if path.suffix == ".bin")


def _key(house: Any) -> Path:
    return next(path for path in records(house) if path.suffix == ".json")


DAMAGE: dict[str, Callable[[Any], object]] = {
    "record lost": lambda house: _record(house).unlink(),
    "record emptied": lambda house: _record(house).write_bytes(b""),
    "one unit cut out": lambda house: _record(house).write_bytes(_record(house).read_bytes()[16:]),
    "all records lost": lambda house: shutil.rmtree(_record(house).parent),
    "key lost": lambda house: _key(house).unlink(),
    "key emptied": lambda house: _key(house).write_text(""),
    "key of another installation": lambda house: _key(house).write_text('{"key": "' + "ab" * 32 + '"}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_with_a_record_or_its_key_lost_or_changed_no_snapshot_is_taken_for_new(
    house: Any, damage: Callable[[Any], object]
) -> None:
    snapshot(house, 1, FIRST)
    damage(house)
    for people in ([*FIRST, ""], SECOND):
        with pytest.raises(IntegrityError, match=r"earlier (units|snapshots)"):
            snapshot(house, 2, people)
    assert list(lifetimes(house)) == ["id-space:residents@2026-01"]


@pytest.fixture
def after_conflicts(house: Any) -> Any:
    """A house in which registrations were refused after their ids had been read."""
    snapshot(house, 1, FIRST)
    for people in (FIRST[:-1], THIRD):
        with pytest.raises(Conflict, match="Version 1"):
            snapshot(house, 1, people)
    return house


def test_a_registration_that_was_refused_leaves_the_record_as_it_was(after_conflicts: Any) -> None:
    house = after_conflicts
    with pytest.raises(PolicyRefusal, match="earlier snapshot"):
        snapshot(house, 2, [FIRST[-1], *SECOND])
    snapshot(house, 2, [*SECOND, *THIRD])


def test_a_registration_that_died_before_its_entry_was_durable_can_be_made_again(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.service import datasets

    snapshot(house, 1, FIRST)
    honest = datasets.append

    def dies(*args: object, **kwargs: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(datasets, "append", dies)
    with pytest.raises(OSError, match="no space"):
        snapshot(house, 2, SECOND)
    monkeypatch.setattr(datasets, "append", honest)
    assert house.platform.dataset("visits").policy.version == "1"
    snapshot(house, 2, [*SECOND, *THIRD])
    with pytest.raises(PolicyRefusal):
        snapshot(house, 3, SECOND)
