"""Synthesizers by name: those installed under the entry point group ``dpsynth.synthesizers``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from dpsynth.core.curator import Synthesizer
from dpsynth.core.errors import PolicyRefusal
from dpsynth.engines.catalog import entrusted
from dpsynth.synthesizers.entrusted import EntrustedSynthesizer
from dpsynth.synthesizers.structure import StructuredSynthesizer

__all__ = ["GROUP", "available", "load_synthesizer"]

GROUP = "dpsynth.synthesizers"


def load_synthesizer(name: str) -> Synthesizer:
    """A fresh synthesizer of that name, spared what public structure already says.

    ``engine:method`` is a library that is given rows. Raises PolicyRefusal for a name that is not installed.
    """
    if entrusted(name):
        return EntrustedSynthesizer(name)
    points = _points()
    if name not in points:
        raise PolicyRefusal(
            f"There is no synthesizer named {name!r}",
            allowed=", ".join(sorted(points)) or "none is installed",
            remedy="choose one of these, or install the package that provides it",
        )
    return StructuredSynthesizer(_make(points[name]))


def available() -> dict[str, str]:
    """Installed synthesizers: name -> version, in alphabetical order."""
    points = _points()
    return {name: _make(points[name]).version for name in sorted(points)}


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _make(point: EntryPoint) -> Synthesizer:
    made: Synthesizer = point.load()()
    return made
