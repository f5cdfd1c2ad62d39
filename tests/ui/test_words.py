from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from dpsynth.accounting import statement
from dpsynth.ui.budget import scope_bar
from dpsynth.ui.ledger_words import meaning
from dpsynth.ui.places import BUDGET, INBOX, NEW_REQUEST, home_of
from dpsynth.ui.words import (
    SPENT_NOTE,
    age_text,
    due_text,
    escaped,
    odds_text,
    plain_text,
    rho_text,
    verify_command,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nano", "text"), [(0, "0"), (1, "0.000000001"), (24_355_957, "0.024355957"), (2_000_000_000, "2")]
)
def test_rho_is_shown_to_its_last_digit(nano: int, text: str) -> None:
    assert rho_text(nano) == text


def test_the_worked_example_is_rounded_against_the_promise() -> None:
    assert "at most 90 in 100" in odds_text("2.146", "1e-6")  # 0.8953
    assert "at most 50 in 100" in odds_text("0", "1e-6")
    assert "at most 100 in 100" in odds_text("800", "1e-6")
    assert "about 1e-6" in odds_text("1", "1e-6")


def test_hidden_characters_become_visible_and_line_breaks_stay() -> None:
    assert plain_text("a\u202eb\u200bc\x07\nd\te") == "a�b�c�\nd\te"
    assert plain_text("Zoë, 東京") == "Zoë, 東京"


def test_no_sign_of_a_title_can_start_markup() -> None:
    assert escaped("<b>[x](y) `z` $w$ :red[v]") == "\\<b\\>\\[x\\]\\(y\\) \\`z\\` \\$w\\$ \\:red\\[v\\]"


@pytest.mark.parametrize(
    ("created", "age"),
    [
        ("2026-11-23T11:59:30+00:00", "less than a minute"),
        ("2026-11-23T11:15:00+00:00", "45 min"),
        ("2026-11-23T07:59:00+00:00", "4 h"),
        ("2026-11-20T12:00:00+00:00", "3 d"),
    ],
)
def test_the_age_is_in_the_largest_whole_unit(created: str, age: str) -> None:
    assert age_text(created, NOW) == age


@pytest.mark.parametrize(
    ("due", "words"),
    [
        ("2026-12-07T12:00:00+00:00", "2026-12-07, in 14 days"),
        ("2026-11-24T11:00:00+00:00", "2026-11-24, within a day"),
        ("2026-11-22T12:00:00+00:00", "2026-11-22, OVERDUE"),
    ],
)
def test_a_due_day_that_has_passed_is_said_in_words(due: str, words: str) -> None:
    assert due_text(due, NOW) == words


def test_the_verify_command_survives_a_blank_in_a_path() -> None:
    assert verify_command("/a b/r", "/k") == "dpsynth verify '/a b/r' --keys /k"


def test_the_note_beside_a_running_sum_is_the_accountants_own() -> None:
    assert SPENT_NOTE == statement.SPENT_NOTE


def test_everybody_starts_on_the_page_of_their_work() -> None:
    assert home_of(("data_scientist",)) == NEW_REQUEST
    assert home_of(("compliance_officer",)) == INBOX
    assert home_of(("data_owner", "data_scientist")) == INBOX
    assert home_of(()) == BUDGET


def test_a_bar_counts_forfeited_budget_once() -> None:
    scope = SimpleNamespace(
        title="t", spent_nano=70, forfeited_nano=30, held_nano=10, left_nano=20, rho_cap_nano=100
    )
    bar = scope_bar(scope)  # type: ignore[arg-type]
    assert dict(bar.parts) == {"spent": 40, "forfeited": 30, "held": 10, "left": 20}
    assert sum(nano for _, nano in bar.parts) == bar.cap_nano


def test_addresses_are_parted_so_that_none_becomes_a_link() -> None:
    joiner = "\N{WORD JOINER}"
    assert escaped("see https://a.example") == f"see https\\:{joiner}//a\\.example"
    assert escaped("www.example") == f"www{joiner}\\.example"
    assert escaped("dana@example") == f"dana{joiner}\\@example"
    assert joiner not in escaped("epsilon: 1, rho 0.02, a/b, 3 @ 4")


def test_every_kind_of_ledger_entry_that_the_program_writes_has_words() -> None:
    program = Path(__file__).parents[2] / "dpsynth"
    written = re.compile(r'append\(\s*connection,\s*"([a-z ]+)"')
    kinds = {kind for path in program.rglob("*.py") for kind in written.findall(path.read_text())}
    assert len(kinds) > 20
    assert [kind for kind in sorted(kinds) if not meaning(kind)] == []
