"""Changes of columns between two policies: what is kept, and how finely it is counted."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from dpsynth.policy.change import Change, Effect, Judge, change, changed, members, more_is_looser
from dpsynth.policy.columns import ColumnSpec
from dpsynth.policy.scalars import exact

__all__ = ["column_changes"]

Columns = tuple[ColumnSpec, ...]


def _bounds(old: object, new: object) -> Effect:
    """Wider bounds let more extreme values through."""
    before, after = _numbers(old), _numbers(new)
    if before == after or len(before) != len(after) or not before:
        return "CHANGED"
    if after[0] <= before[0] and after[1] >= before[1]:
        return "LOOSER"
    return "TIGHTER" if after[0] >= before[0] and after[1] <= before[1] else "CHANGED"


def _bins(old: object, new: object) -> Effect:
    """More edges tell values apart more finely. Judged only if one set of edges holds the other."""
    return members("LOOSER", "TIGHTER")(_numbers(old), _numbers(new))


def _numbers(edges: object) -> tuple[Decimal, ...]:
    return tuple(exact(str(edge)) for edge in edges) if isinstance(edges, tuple) else ()


def _role(old: object, new: object) -> Effect:
    """Columns marked sensitive get the closest audit."""
    if old == "sensitive":
        return "LOOSER"
    return "TIGHTER" if new == "sensitive" else "CHANGED"


_JUDGES: dict[str, tuple[Judge, str]] = {
    "role": (_role, ""),
    "domain": (members("LOOSER", "TIGHTER"), "values told apart"),
    "bounds": (_bounds, "range let through"),
    "bins": (_bins, "how finely values are told apart"),
    "decimals": (more_is_looser, "digits released"),
    "within_bin": (changed, "where in its bin a number lies"),
}


def column_changes(old: Columns, new: Columns) -> Iterator[Change]:
    """Columns added, dropped, changed or put in another order, matched by name."""
    before = {spec.name: spec for spec in old}
    after = {spec.name: spec for spec in new}
    for name in [*before, *(name for name in after if name not in before)]:
        yield from _column(f"columns[{name}]", before.get(name), after.get(name))
    common = [name for name in before if name in after]
    order = [name for name in after if name in before]
    if common != order:
        yield change("columns", tuple(common), tuple(order), "CHANGED", "order")


def _column(key: str, old: ColumnSpec | None, new: ColumnSpec | None) -> Iterator[Change]:
    was, now = old is not None and old.kept, new is not None and new.kept
    if was != now:
        effect: Effect = "LOOSER" if now else "TIGHTER"
        note = "is now in the synthetic table" if now else "is no longer in the synthetic table"
        yield change(key, _state(old), _state(new), effect, note)
    elif old is None or new is None:
        yield change(key, _state(old), _state(new), "CHANGED", "not in the synthetic table")
    else:
        for name in type(old).model_fields:
            before, after = getattr(old, name), getattr(new, name)
            if before != after:
                judge, note = _JUDGES.get(name, (changed, ""))
                same_terms = old.type == new.type and before is not None and after is not None
                effect = judge(before, after) if same_terms else "CHANGED"
                yield change(f"{key}.{name}", before, after, effect, note)


def _state(spec: ColumnSpec | None) -> str | None:
    return None if spec is None else spec.action
