"""How a request states its budget: epsilon with delta, or rho; a coarse slider and an exact text box."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dpsynth.policy.model import Policy

__all__ = ["Stated", "budget_inputs"]

# The slider is coarse; an epsilon below it can be typed, down to what the accountant's orders can promise.
_LOW, _STEP = 0.05, 0.05
_RHO_STEPS = 100
_RANGE = "-range"


@dataclass(frozen=True)
class Stated:
    """A budget as typed: epsilon (with delta, or None for the policy's) or rho. Nothing here is checked."""

    epsilon: str | None = None
    delta: str | None = None
    rho: str | None = None


def budget_inputs(policy: Policy, synthesizer: str, cap_nano: int) -> Stated:
    """The inputs. ``cap_nano``: the policy's cap for one release, nano-rho.

    A library that is given rows (``engine:method``) declares epsilon and takes the delta that the policy
    states for it.
    """
    if ":" in synthesizer:
        above, (left, right) = st.container(), st.columns(2)
        epsilon = _epsilon(policy, above, left)
        right.caption("Delta: what the policy lets such a library fail with.")
        return Stated(epsilon=epsilon)
    unit = st.radio(
        "State the budget as",
        ["epsilon", "rho"],
        horizontal=True,
        key="budget-as",
        help="Epsilon at a delta is the promise that people know. Rho (zCDP) is what the ledger counts in.",
    )
    if unit == "rho":
        return Stated(rho=_rho(cap_nano))
    above, (left, right) = st.container(), st.columns(2)
    epsilon = _epsilon(policy, above, left)
    delta = right.text_input(
        "Delta", value=policy.budget.report_delta, help="The chance that the promise may fail; very small."
    )
    return Stated(epsilon=epsilon, delta=delta.strip())


def _epsilon(policy: Policy, above: DeltaGenerator, place: DeltaGenerator) -> str:
    top = max(_STEP, float(policy.budget.per_release.epsilon or "5"))
    low, start = min(_LOW, top / 2), min(0.5, top)
    words = "Epsilon: how much one person may at most change the result (smaller protects more)"
    return _both("epsilon", words, (low, top, start, _STEP), "%.2f", (above, place))


def _rho(cap_nano: int) -> str:
    """In hundredths of the cap, rounded down to whole nano-rho, so that the last step still fits."""
    step = max(1, cap_nano // _RHO_STEPS)
    low, top, start = (part * step / 1e9 for part in (1, min(_RHO_STEPS, cap_nano), _RHO_STEPS // 4))
    words = "Rho: what the ledger counts in (smaller protects more); the right end is the cap for one release"
    numbers = (low, max(low, top), min(start, top), step / 1e9)
    return _both("rho", words, numbers, "%.6f", (st.container(), st.container()))


def _both(
    name: str,
    words: str,
    numbers: tuple[float, float, float, float],
    form: str,
    places: tuple[DeltaGenerator, DeltaGenerator],
) -> str:
    """A slider that writes into the exact text box, which alone counts."""
    slider, exact = f"{name}-slider", f"{name}-exact"
    low, top, start, step = numbers
    st.session_state[name + _RANGE] = (low, top)
    # Set at each run, not only at the first: a run that is cut short may never have told the browser, whose
    # box would then be empty and count.
    st.session_state[exact] = st.session_state.get(exact, _text(start))
    places[0].slider(
        words,
        low,
        top,
        start,
        step,
        format=form,
        key=slider,
        on_change=_from_slider,
        args=(name,),
    )
    typed = places[1].text_input(
        f"{name.capitalize()}, exact",
        key=exact,
        on_change=_from_text,
        args=(name,),
        help="This number counts.",
    )
    return str(typed).strip()


def _from_slider(name: str) -> None:
    st.session_state[f"{name}-exact"] = _text(st.session_state[f"{name}-slider"])


def _from_text(name: str) -> None:
    """Let the slider follow the exact number where it can, so that the two never disagree on screen."""
    try:
        value = float(st.session_state[f"{name}-exact"])
    except ValueError:
        return
    low, high = st.session_state[name + _RANGE]
    if low <= value <= high:
        st.session_state[f"{name}-slider"] = value


def _text(value: float) -> str:
    return format(value, ".9f").rstrip("0").rstrip(".")
