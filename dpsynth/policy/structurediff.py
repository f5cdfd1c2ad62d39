"""Changes of public structure and of weights between two policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dpsynth.policy.change import Change, change
from dpsynth.policy.structure import Structure

__all__ = ["structure_changes", "weight_changes"]

_NEW = "a new claim about everyone: must be public knowledge, never read off the rows"
_GONE = "no longer claimed"


def structure_changes(old: Structure, new: Structure) -> Iterator[Change]:
    """Rules added (LOOSER: what is claimed may have been learned from people), removed, or changed.

    Impossible combinations are matched by what they say, determined columns by name.
    """
    key = "structure.impossible"
    reasons = {rule.text(): rule.because for rule in old.impossible}
    newer = {rule.text(): rule.because for rule in new.impossible}
    for text in [*reasons, *(text for text in newer if text not in reasons)]:
        if text not in newer:
            yield change(key, text, None, "TIGHTER", _GONE)
        elif text not in reasons:
            yield change(key, None, text, "LOOSER", _NEW)
        elif reasons[text] != newer[text]:
            yield change(f"{key}.because", reasons[text], newer[text], "CHANGED", text)
    yield from _relations(old, new)


def _relations(old: Structure, new: Structure) -> Iterator[Change]:
    before = {rule.column: rule for rule in old.determined}
    after = {rule.column: rule for rule in new.determined}
    for name in [*before, *(name for name in after if name not in before)]:
        key = f"structure.determined[{name}]"
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            was_text, now_text = was and was.text(), now and now.text()
            yield change(key, was_text, now_text, *(("LOOSER", _NEW) if was is None else ("TIGHTER", _GONE)))
        elif was.text() != now.text():
            yield change(key, was.text(), now.text(), "CHANGED", _NEW)
        elif was.because != now.because:
            yield change(f"{key}.because", was.because, now.because, "CHANGED")


def weight_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Weights changed, added or removed: what is kept well changes, not how much is told."""
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name, "1"), new.get(name, "1")
        if before != after:
            yield change(f"synthesis.weights[{name}]", before, after, "CHANGED", "importance of the column")
