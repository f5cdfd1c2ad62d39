"""Changes of caps between two budgets, judged number by number, or by what the caps compile to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from dpsynth.policy.change import Change, Effect, change, more_is_looser
from dpsynth.policy.model import Budget, Cap
from dpsynth.policy.scalars import exact

__all__ = ["CAPS", "Compiled", "cap_changes"]

CAPS = ("per_release", "lifetime", "per_requester", "per_dataset", "per_table")
"""The keys of a budget that hold a cap."""

Compiled = Callable[[Cap], tuple[int, int]]
"""What a cap compiles to: (rho in units of 1e-9, omega). Less rho is tighter, and so is a larger omega."""

_Looseness = tuple[Decimal | int, ...]
"""Numbers of a cap of which more is looser, in an order that both caps share."""

_MASS = "entrusted_delta"
_MASS_NOTE = "chance that entrusted libraries may fail"


def cap_changes(name: str, old: Budget, new: Budget, compiled: Compiled | None) -> Iterator[Change]:
    """Changes of the cap under key ``name``: each number, or the whole cap where numbers cannot be paired."""
    key = f"budget.{name}"
    before: Cap | None = getattr(old, name)
    after: Cap | None = getattr(new, name)
    if before is None or after is None:
        effect, note = _whole(before or old.lifetime, after or new.lifetime, compiled)
        yield change(key, _shown(before, old.lifetime), _shown(after, new.lifetime), effect, note)
        return
    if _names(before) == _names(after):
        for part in _names(before):
            yield from _number(f"{key}.{part}", getattr(before, part), getattr(after, part))
    else:
        sides, note = _shared_terms(before, after, compiled)
        yield change(key, _terms(before), _terms(after), _judged(*sides), note)
    yield from _number(f"{key}.{_MASS}", before.entrusted_delta, after.entrusted_delta, _MASS_NOTE)


def _number(key: str, old: str, new: str, note: str = "") -> Iterator[Change]:
    if old != new:
        yield change(key, old, new, more_is_looser(old, new), note)


def _whole(old: Cap, new: Cap, compiled: Compiled | None) -> tuple[Effect, str]:
    """Effect of one cap in place of another, entrusted mass included, and a note on the terms."""
    (before, after), note = _shared_terms(old, new, compiled)
    mass = exact(old.entrusted_delta), exact(new.entrusted_delta)
    if not before:
        return "CHANGED", note
    return _judged((*before, mass[0]), (*after, mass[1])), note


def _shared_terms(old: Cap, new: Cap, compiled: Compiled | None) -> tuple[tuple[_Looseness, _Looseness], str]:
    """Both caps in terms that they share (empty if there are none), and a note on these."""
    if _names(old) == _names(new):
        return (_as_written(old), _as_written(new)), ""
    if compiled is None:
        return ((), ()), "stated in other terms; compare what it compiles to"
    (rho, omega), (new_rho, new_omega) = compiled(old), compiled(new)
    note = f"compiles to rho {_decimal(rho)} and {_decimal(new_rho)}"
    return ((rho, -omega), (new_rho, -new_omega)), note


def _judged(old: _Looseness, new: _Looseness) -> Effect:
    """LOOSER if nothing is less and something more, TIGHTER the other way round, else CHANGED."""
    pairs = list(zip(old, new, strict=True))
    if old == new:
        return "CHANGED"
    if all(before <= after for before, after in pairs):
        return "LOOSER"
    return "TIGHTER" if all(before >= after for before, after in pairs) else "CHANGED"


def _names(cap: Cap) -> tuple[str, ...]:
    """The terms in which a cap is stated."""
    return ("rho",) if cap.rho is not None else ("epsilon", "delta")


def _as_written(cap: Cap) -> _Looseness:
    return tuple(exact(getattr(cap, name)) for name in _names(cap))


def _terms(cap: Cap) -> str:
    return f"rho {cap.rho}" if cap.rho is not None else f"epsilon {cap.epsilon} at delta {cap.delta}"


def _shown(cap: Cap | None, lifetime: Cap) -> str:
    """A cap in full; a null one as what it stands for."""
    if cap is None:
        return f"as lifetime ({_shown(lifetime, lifetime)})"
    mass = f" with entrusted delta {cap.entrusted_delta}" if exact(cap.entrusted_delta) else ""
    return _terms(cap) + mass


def _decimal(nano: int) -> str:
    """A whole number of units of 1e-9 as an exact decimal without trailing zeros."""
    return f"{Decimal(nano).scaleb(-9).normalize():f}"
