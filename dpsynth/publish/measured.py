"""Paid measures of utility in a bundle: how they are written for people, and how a verifier checks them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from dpsynth.accounting.curves import NANO
from dpsynth.core.errors import IntegrityError
from dpsynth.policy.model import Policy
from dpsynth.publish.inputs import rho_text
from dpsynth.publish.wording import plain
from dpsynth.utility.measures import measure_text, share_of

__all__ = ["check_measures", "measure_lines", "query_lines"]

_STATEMENT = "privacy-statement.json"


def measure_lines(statement: Mapping[str, Any]) -> list[str]:
    """Each paid measure as a Markdown item; none where none were bought."""
    paid = statement.get("utility_measures")
    return [] if paid is None else [f"- {plain(_text(one, paid))}" for one in paid["measures"]]


def query_lines(statement: Mapping[str, Any]) -> list[str]:
    """Each noisy query behind the measures as a Markdown item: its price, sensitivity and noise."""
    paid = statement.get("utility_measures")
    return [] if paid is None else [f"- Query: {plain(one)}." for one in paid["queries"]]


def _text(measure: Mapping[str, Any], paid: Mapping[str, Any]) -> str:
    return measure_text(measure, paid["confidence"])


def check_measures(policy: Policy, statement: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for the verifier where measures were bought: that they cost what the policy sets aside.

    Raises IntegrityError where the policy and the statement tell two stories, or a number is no share.
    """
    paid, guarantee = statement.get("utility_measures"), statement["guarantee"]
    share = "0" if "relies_on" in guarantee else policy.utility.share
    price = share_of(int(Decimal(guarantee["rho"]) * NANO), share)
    if paid is None:
        if price:
            _refuse("the policy sets a part of rho aside for measures of utility, and none are stated")
        return ()
    try:
        right = price > 0 and paid["charged"] is True and paid["rho"] == rho_text(price)
        right = right and bool(paid["measures"]) and all(_is_share(one) for one in paid["measures"])
        [_text(one, paid) for one in paid["measures"]]
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        right = False
    if not right:
        _refuse("the measures of utility are not those that the policy's share pays for")
    return (f"utility: {len(paid['measures'])} measures with noise, paid from this: rho {paid['rho']}",)


def _is_share(measure: Mapping[str, str]) -> bool:
    """Whether its numbers are shares in order, or there is a reason why there are none."""
    numbers = [measure["low"], measure["estimate"], measure["high"]]
    if measure["why_not"]:
        return numbers == [""] * 3
    try:
        low, estimate, high = map(Decimal, numbers)
    except InvalidOperation:
        return False
    return 0 <= low <= estimate <= high <= 1


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(
        f"{_STATEMENT}: {what}",
        allowed="measures whose rho is the policy's share of the release's",
        remedy="do not use this release; tell its publisher",
    )
