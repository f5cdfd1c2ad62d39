"""Synthesizers are found by name among the installed entry points."""

from __future__ import annotations

import importlib.metadata as metadata

import pytest

from dpsynth.core.errors import PolicyRefusal
from dpsynth.synthesizers import registry

INSTALLED = {
    name: metadata.EntryPoint(name, f"dpsynth.synthesizers.{name}:{kind}", registry.GROUP)
    for name, kind in {"independent": "Independent", "mst": "MST", "aim": "AIM"}.items()
}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(*, group: str) -> metadata.EntryPoints:
        return metadata.EntryPoints(INSTALLED.values() if group == registry.GROUP else ())

    monkeypatch.setattr(registry, "entry_points", entry_points)


@pytest.mark.parametrize("name", ["independent", "mst", "aim"])
def test_each_name_loads_the_synthesizer_that_bears_it(name: str) -> None:
    assert registry.load_synthesizer(name).name == name


def test_available_lists_names_with_versions() -> None:
    assert registry.available() == {"aim": "0.4.0", "independent": "0.1.0", "mst": "0.3.0"}


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    with pytest.raises(PolicyRefusal, match="aim, independent, mst"):
        registry.load_synthesizer("gan")
