"""What a release says when it relies on a library that was given rows: that it does, and its known faults.

Nothing here is softened: the numbers are the library's own word, no structural audit stands behind them, and
the known faults of the pinned version are listed.
"""

from __future__ import annotations

from typing import Any

from dpsynth.core.curator import Entrustment

__all__ = ["ACCOUNTANT", "assumptions", "reliance_json", "sections", "trust_of", "variant"]

ACCOUNTANT = (
    "epsilon and delta are what the library declares of itself, taken at its word; booked whole, before it "
    "was given rows, as approximate Renyi DP: randomized response of that epsilon, and delta as mass beside "
    "it (Kairouz, Oh and Viswanath 2015)"
)


def variant(trust: Entrustment) -> str:
    """The kind of guarantee, in one line that is signed."""
    return f"approximate DP, relies on {trust.library} {trust.version}, not structurally audited"


def assumptions(trust: Entrustment) -> tuple[str, ...]:
    """What must hold: above all that the library keeps its word, against which its known faults speak."""
    word = (
        f"{trust.library} {trust.version} ({trust.method}) keeps the epsilon and delta that it declares: "
        "nobody here has checked that, and no structural audit was possible"
    )
    return (
        word,
        "every row is one protected unit",
        "columns, categories, bins and bounds were fixed without looking at the data",
    )


def reliance_json(trust: Entrustment) -> dict[str, Any]:
    """What the guarantee relies on; every number as a string."""
    return {
        "engine": trust.engine,
        "library": trust.library,
        "version": trust.version,
        "method": trust.method,
        "plain": f"relies on {trust.library} {trust.version}, not structurally audited",
        "known_faults": list(trust.faults),
    }


def trust_of(guarantee: dict[str, Any]) -> Entrustment | None:
    """What a stated guarantee relies on; None for one that rests on this platform alone.

    Raises KeyError or TypeError where it is not stated in full.
    """
    said = guarantee.get("relies_on")
    if said is None:
        return None
    names = ("engine", "library", "version", "method")
    facts = {name: str(said[name]) for name in names}
    faults = tuple(str(fault) for fault in said["known_faults"])
    return Entrustment(
        **facts, epsilon=str(guarantee["epsilon"]), delta=str(guarantee["delta"]), faults=faults
    )


def sections(trust: Entrustment, isolation: str) -> dict[str, Any]:
    """Sections of the privacy statement that differ from those of a release behind the curator."""
    name = f"{trust.library} {trust.version}"
    return {
        "delta_note": f"Delta {trust.delta} is the probability with which {name} may fail outright, by its "
        "own word. It is charged to every budget beside the curve.",
        "trust": f"A central curator holds the rows and is trusted, and so is {name}, which was given them. "
        f"{isolation} Anyone may read the release, with any other knowledge.",
        "side_channels": f"Noise and choices are drawn by {name} with floating-point numbers and generators "
        "that are not made for secrets. Progress is shown as stages only; finer timing of the run is not "
        "covered.",
    }
