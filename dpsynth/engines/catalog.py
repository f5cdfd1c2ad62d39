"""What may be entrusted with rows: engines, their pinned library, their methods and known faults.

Public facts only. The faults were read in the source of the pinned version; they stand in every guarantee
that relies on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dpsynth.core.errors import PolicyRefusal

__all__ = ["ENGINES", "EngineKind", "Method", "entrusted", "kind_of", "method_of"]


@dataclass(frozen=True)
class Method:
    """One synthesizer of a library.

    Attributes:
        title: its name for people.
        needs_delta: whether it takes a delta; otherwise it declares pure epsilon.
        faults: what is known to be wrong with its claim, one sentence each.
    """

    title: str
    needs_delta: bool
    faults: tuple[str, ...]


@dataclass(frozen=True)
class EngineKind:
    """A library with an environment of its own.

    Attributes:
        name: what a policy writes before the colon.
        library, version: the package and the version that is pinned.
        pins: file with every pinned package of its environment.
        program: the file that is run inside it.
        size: of its environment, in words.
        methods: what a policy writes after the colon.
    """

    name: str
    library: str
    version: str
    pins: Path
    program: Path
    size: str
    methods: Mapping[str, Method]


_GLOBAL = (
    "Its private choices are drawn from numpy's global generator, which is no generator for secrets (fed "
    "from the operating system here)."
)
_GLOBALS = (
    "Its private choices are drawn from the global generators of Python and numpy, which are none for "
    "secrets (fed from the operating system here)."
)
_FLOATS = "Its noise is floating-point noise: attacks on the last bits of floats are not excluded."
_SAMPLER = (
    "The default sampler of mbi 1.1 correlates columns that the model holds independent; row-by-row sampling "
    "is used here instead."
)
_FREQUENCIES = (
    "The exact frequency of every category steers its training and its samples, without noise and unpaid."
)
_FIXED_SEED = "It sets torch's seed to 0; that is overridden here by entropy of the operating system."

_MST = (
    "It uses the exact number of rows as the total of its model, without noise and unpaid.",
    _GLOBAL,
    _FLOATS,
    _SAMPLER,
)
_AIM = (_GLOBAL, _FLOATS, _SAMPLER)
_MWEM = (
    "It reads the smallest and largest code of each column from the rows, without noise and unpaid.",
    "The exact number of rows sets its total, its rounds and the width of its marginals, unpaid.",
    _GLOBALS,
    _FLOATS,
)
_PACSYNTH = (
    "Its mechanism is a compiled library that nobody here has read.",
    "It may leave values and rows out; they are drawn here from what it released.",
)
_DPCTGAN = (
    _FREQUENCIES,
    "Its batches are drawn by category, while its accountant believes in independent sampling.",
    "The exact number of rows sets its sampling rate and the length of its training, unpaid.",
    "It looks at its epsilon only after an epoch has spent it, so the declared epsilon is overrun.",
    _FIXED_SEED,
)
_PATECTGAN = (
    _FREQUENCIES,
    "Its teachers and its student are one and the same network, which is trained on the rows without noise.",
    "It stops by an epsilon that depends on the rows, and only after it has spent it.",
    _FIXED_SEED,
)

_HERE = Path(__file__).parent

ENGINES: Mapping[str, EngineKind] = {
    "smartnoise": EngineKind(
        name="smartnoise",
        library="smartnoise-synth",
        version="1.0.8",
        pins=_HERE / "smartnoise.txt",
        program=_HERE / "smartnoise_child.py",
        size="about 2 GB",
        methods={
            "mst": Method("MST", True, _MST),
            "aim": Method("AIM", True, _AIM),
            "mwem": Method("MWEM", False, _MWEM),
            "pacsynth": Method("PAC-Synth", True, _PACSYNTH),
            "patectgan": Method("PATECTGAN", True, _PATECTGAN),
            "dpctgan": Method("DPCTGAN", True, _DPCTGAN),
        },
    )
}
"""Every engine that ``dpsynth engine add`` can build."""


def entrusted(synthesizer: str) -> bool:
    """Whether a synthesizer's name is ``engine:method``, a library that is given rows."""
    return ":" in synthesizer


def kind_of(engine: str) -> EngineKind:
    """The engine of that name. Raises PolicyRefusal for an unknown one."""
    if engine not in ENGINES:
        raise PolicyRefusal(
            f"There is no engine named {engine!r}",
            allowed=", ".join(sorted(ENGINES)),
            remedy="name one of these",
        )
    return ENGINES[engine]


def method_of(synthesizer: str) -> tuple[EngineKind, str, Method]:
    """Engine, method name and method of ``engine:method``. Raises PolicyRefusal for an unknown one."""
    engine, _, name = synthesizer.partition(":")
    kind = kind_of(engine)
    if name not in kind.methods:
        raise PolicyRefusal(
            f"The engine {engine} has no synthesizer named {name!r}",
            allowed=", ".join(f"{engine}:{each}" for each in kind.methods),
            remedy="choose one of these",
        )
    return kind, name, kind.methods[name]
