"""A digest of what an object holds: equal for equal contents, whatever the identities in memory.

It goes where a pickle would go, by the same protocol, and reads nothing back. What a pickle refuses is taken
by its type alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Set
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

__all__ = ["content"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))


def content(value: object) -> str:
    """Hex SHA-256 of everything that a value holds: numbers, arrays, attributes, what closures captured.

    Order counts in mappings and sequences, not in sets.
    """
    return _Walk().digest(value).hex()


class _Walk:
    """One walk; each object is looked at once, and a way back to an object that is open ends there."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}
        self._kept: list[object] = []  # an identity must not be used again before the walk ends

    def digest(self, value: object) -> bytes:
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            return _hashed(type(value).__name__.encode(), repr(value).encode())
        if id(value) not in self._known:
            self._kept.append(value)
            self._known[id(value)] = b"open"
            self._known[id(value)] = _hashed(_name(type(value)).encode(), *self._parts(value))
        return self._known[id(value)]

    def _parts(self, value: Any) -> Iterator[bytes]:
        if isinstance(value, np.ndarray | np.generic):
            yield from self._array(np.asarray(value))
        elif hasattr(value, "detach") and hasattr(value, "numpy"):  # a tensor, where torch is not needed
            yield from self._array(value.detach().cpu().numpy())
        elif isinstance(value, type | ModuleType | BuiltinFunctionType):
            yield _name(value).encode()
        elif isinstance(value, FunctionType):
            yield _name(value).encode()
            yield self.digest((value.__defaults__, value.__kwdefaults__, _captured(value)))
        elif isinstance(value, MethodType):
            yield self.digest((value.__func__, value.__self__))
        elif isinstance(value, Set):
            yield from sorted(self.digest(one) for one in value)
        elif type(value) in (list, tuple):
            yield from map(self.digest, value)
        elif type(value) is dict:
            yield from (self.digest(one) for pair in value.items() for one in pair)
        else:
            yield from self._reduced(value)

    def _array(self, array: np.ndarray[Any, Any]) -> Iterator[bytes]:
        yield repr((array.dtype, array.shape)).encode()
        yield self.digest(array.tolist()) if array.dtype.hasobject else array.tobytes()

    def _reduced(self, value: Any) -> Iterator[bytes]:
        if hasattr(value, "get_state") and hasattr(value, "initial_seed"):  # torch's generator
            yield from self._array(value.get_state().numpy())
            return
        try:
            parts = value.__reduce_ex__(4)
        except Exception:
            return
        if isinstance(parts, str):
            yield parts.encode()
            return
        for part in parts:
            listed = isinstance(part, Iterator)
            yield self.digest(list(part) if listed else dict(part) if isinstance(part, Mapping) else part)


def _captured(function: FunctionType) -> list[object]:
    return [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]


def _filled(cell: Any) -> bool:
    try:
        return bool(cell.cell_contents) or True
    except ValueError:  # a name that is not bound yet
        return False


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', repr(type(value)))}"


def _hashed(*parts: bytes) -> bytes:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.digest()
