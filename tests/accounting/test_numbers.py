"""Budget numbers as text: plain decimals only, exact, rounded against the spender."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dpsynth.accounting.cost import ATTO
from dpsynth.accounting.curves import NANO
from dpsynth.accounting.numbers import atto_down, parse_decimal, parse_delta, parse_rho_nano
from dpsynth.core.errors import BadInput

NUMBERS = st.decimals(Decimal("1e-30"), 1, places=30).filter(lambda value: value > 0)


@pytest.mark.parametrize(
    ("text", "up", "nano"),
    [("0.1", False, 10**8), ("1e-10", True, 1), ("1e-10", False, 0), ("2", True, 2 * 10**9)],
)
def test_rho_as_text_is_rounded_up_as_a_charge_and_down_as_a_cap(text: str, up: bool, nano: int) -> None:
    assert parse_rho_nano(text, up) == nano


@given(NUMBERS)
@example(Decimal("0.015624999999999999999999999995"))  # 28 digits would round it up
@example(Decimal("0.500000000000000000000000000001"))
def test_a_charge_is_never_below_its_text_and_a_cap_never_above(value: Decimal) -> None:
    exact = Fraction(value) * NANO
    assert exact <= parse_rho_nano(f"{value:f}", up=True) < exact + 1
    assert exact - 1 < parse_rho_nano(f"{value:f}", up=False) <= exact
    if value < 1:
        assert Fraction(value) * ATTO - 1 < atto_down(f"{value:f}") <= Fraction(value) * ATTO


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "-1", "0", "one", "0_1", "\u0661", " 1", "1 ", "+1", "0x1", "1."]
)
def test_only_plain_decimals_are_budgets(text: str) -> None:
    for parse in (
        lambda text: parse_rho_nano(text, True),
        parse_delta,
        lambda text: parse_decimal(text, "epsilon"),
    ):
        with pytest.raises(BadInput):
            parse(text)


@pytest.mark.parametrize("text", ["1e9999", "1e-31", "1000001", "1e7", "9" * 31, "0." + "0" * 30 + "1"])
def test_only_decimals_of_a_sensible_size_are_budgets(text: str) -> None:
    with pytest.raises(BadInput):
        parse_decimal(text, "epsilon")
    assert parse_decimal("1000000", "epsilon") == 10**6
    assert parse_decimal("1e-30", "epsilon") == Decimal("1e-30")


@pytest.mark.parametrize("text", ["1", "1.0", "2", "1e3"])
def test_a_delta_is_below_1(text: str) -> None:
    with pytest.raises(BadInput, match="not a probability"):
        parse_delta(text)
    with pytest.raises(BadInput, match="not a probability"):
        atto_down(text)


@pytest.mark.parametrize("text", ["0", "0.0", "0e5"])
def test_no_entrusted_delta_at_all_may_be_written_as_zero(text: str) -> None:
    assert atto_down(text) == 0
    with pytest.raises(BadInput):
        parse_delta(text)
