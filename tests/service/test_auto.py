"""A request for ``auto`` is stored, charged and planned under the name that public facts choose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpsynth.core.errors import BudgetExceeded, Conflict
from dpsynth.service import Platform, RequestForm

Form = Callable[..., RequestForm]


def test_the_quote_says_which_and_why_and_the_request_bears_its_name(platform: Platform, form: Form) -> None:
    quote = platform.quote("sam", form("auto"))
    chosen = platform.submit("sam", form("auto", key="one"))
    assert chosen.synthesizer == "aim"
    assert quote.lines[-1].startswith("Public facts speak for aim, because 1")
    assert quote.lines[-1] in chosen.message
    named = platform.quote("sam", form("aim"))
    assert (named.rho_nano, named.lines) == (quote.rho_nano, quote.lines)


def test_what_public_facts_speak_against_says_nothing(platform: Platform, form: Form) -> None:
    assert not any("Public facts" in line for line in platform.quote("sam", form("mst")).lines)
    request = platform.submit("sam", form("mst", key="two"))
    assert "Public facts" not in request.message


def test_the_same_key_gives_the_same_request_and_another_synthesizer_a_conflict(
    platform: Platform, form: Form
) -> None:
    first = platform.submit("sam", form("auto", key="same"))
    assert platform.submit("sam", form("auto", key="same")).id == first.id
    with pytest.raises(Conflict):
        platform.submit("sam", form("mst", key="same"))


def test_a_tiny_budget_goes_to_single_columns(platform: Platform, form: Form) -> None:
    request = platform.submit("sam", form("auto", epsilon=None, rho="0.00001", key="tiny"))
    assert request.synthesizer == "independent"


def test_a_refused_request_answers_again_in_the_same_words(platform: Platform, form: Form) -> None:
    for key in ("a", "b", "c"):
        try:
            platform.submit(
                "sam", form("auto", key=key, purpose=f"Purpose number {key}, told at length." * 3)
            )
        except BudgetExceeded:
            with pytest.raises(BudgetExceeded, match="new key"):
                platform.submit(
                    "sam", form("auto", key=key, purpose=f"Purpose number {key}, told at length." * 3)
                )
            return
    pytest.fail("the budget of the policy holds more than three such releases")
