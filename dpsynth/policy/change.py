"""One change between two policies, and how its direction is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dpsynth.policy.scalars import exact

__all__ = [
    "Change",
    "Effect",
    "Judge",
    "change",
    "changed",
    "less_is_looser",
    "members",
    "more_is_looser",
    "stated",
    "step",
]

Effect = Literal["LOOSER", "TIGHTER", "CHANGED"]
Judge = Callable[[object, object], Effect]
"""Effect of going from an old value to a new, different one."""


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes:
        key: key path, with column and synthesizer names in brackets: ``columns[age].bins``.
        old: what the old policy says, as text; ``-`` if nothing.
        new: what the new policy says, as text; ``-`` if nothing.
        effect: LOOSER, TIGHTER or CHANGED for the people in the data.
        text: one plain line that says all of it.
    """

    key: str
    old: str
    new: str
    effect: Effect
    text: str


def change(key: str, old: object, new: object, effect: Effect, note: str = "") -> Change:
    """A change with its plain line."""
    before, after = _shown(old), _shown(new)
    words = key.replace("_", " ").replace(".", " ").removeprefix("budget ")
    tail = f" ({note})" if note else ""
    return Change(key, before, after, effect, f"{words} {before} to {after}: {effect}{tail}")


def _shown(value: object) -> str:
    if value is None or value in ("", ()):
        return "-"
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def changed(old: object, new: object) -> Effect:
    """No direction can be told."""
    return "CHANGED"


def more_is_looser(old: object, new: object) -> Effect:
    """Larger numbers (whole, or exact decimals as text) protect less."""
    before, after = exact(str(old)), exact(str(new))
    if before == after:
        return "CHANGED"
    return "LOOSER" if after > before else "TIGHTER"


def less_is_looser(old: object, new: object) -> Effect:
    """Smaller numbers protect less."""
    return more_is_looser(new, old)


def members(added: Effect, removed: Effect) -> Judge:
    """Judge of a list: the effect of more members, and of fewer. Both at once is CHANGED."""

    def judge(old: object, new: object) -> Effect:
        before, after = _as_set(old), _as_set(new)
        if before < after:
            return added
        return removed if after < before else "CHANGED"

    return judge


def _as_set(value: object) -> set[object]:
    return set(value) if isinstance(value, Sequence) and not isinstance(value, str) else {value}


def stated(added: Effect, removed: Effect) -> Judge:
    """Judge of an optional value: the effect of stating it, and of stating it no more."""

    def judge(old: object, new: object) -> Effect:
        if old is None:
            return added
        return removed if new is None else "CHANGED"

    return judge


def step(loose: object, tight: object) -> Judge:
    """Judge of a choice in which ``loose`` protects less than ``tight``."""

    def judge(old: object, new: object) -> Effect:
        if (old, new) == (tight, loose):
            return "LOOSER"
        return "TIGHTER" if (old, new) == (loose, tight) else "CHANGED"

    return judge
