"""The systems that are compared: ours through the door of :mod:`benchmarks.fit`, peers in their own homes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dpsynth.core.errors import BadInput
from dpsynth.synthesizers.auto import AUTO
from dpsynth.synthesizers.registry import available

__all__ = ["HOMES", "OURS", "Job", "build_home", "choose", "command", "home_python", "version_of"]

OURS = "dpsynth"
HOMES: dict[str, tuple[str, ...]] = {
    "dpmm": ("dpmm==0.1.9",),
    "opendp": ("opendp[mbi]==0.16.0", "pandas"),
    # torch in the same command, pinned: snsynth asks for any version of it. It needs packaging, unsaid.
    "smartnoise": ("torch==2.13.0", "smartnoise-synth==1.0.8", "packaging"),
}
"""What is installed into the environment of each peer."""

_METHODS = ("aim", "mst")
_NEURAL = {
    "gan": (
        "dpsynth:gan",
        "dpsynth:gan-marginals",
        "dpsynth:gan-critic",
        "dpsynth:mst",
        "dpsynth:aim",
        "smartnoise:dpctgan",
        "smartnoise:patectgan",
    ),
    "diffusion": ("dpsynth:diffusion", "dpsynth:diffusion-marginals"),
}
"""Neural generators, and what they are compared with."""

_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("accounting", "core", "graphical", "mechanisms", "synthesizers", "vault")


@dataclass(frozen=True)
class Job:
    """One fit: paths of its inputs, the folder for its outputs, and the privacy that is asked for."""

    table: Path
    domain: Path
    out: Path
    epsilon: str
    delta: str
    turn: int


def choose(text: str) -> list[str]:
    """Names such as ``dpsynth:aim`` from a comma list; ``ours``, ``peers``, ``gan``, a project are several.

    ``ours`` and ``peers`` are marginal synthesizers. ``dpsynth:auto`` repeats one of ours, so it is measured
    only where it is named. Raises BadInput for a name that is not there.
    """
    ours = [f"{OURS}:{name}" for name in available() if name not in _NEURAL]
    peers = [f"{home}:{method}" for method in _METHODS for home in HOMES]
    alone = [f"{OURS}:{AUTO}", *(name for names in _NEURAL.values() for name in names)]
    groups: dict[str, Sequence[str]] = {"ours": ours, "peers": peers, **_NEURAL}
    groups |= {name: [name] for name in alone}
    chosen: list[str] = []
    for word in text.split(","):
        found = groups.get(word) or [n for n in ours + peers if word in (n, n.partition(":")[0])]
        if not found:
            raise BadInput(f"There is no system named {word!r}", allowed=", ".join([*groups, *ours, *peers]))
        chosen += [name for name in found if name not in chosen]
    return chosen


def home_python(system: str, homes: Path) -> Path:
    """The interpreter that runs it. Raises BadInput for a peer whose environment is not built."""
    project = system.partition(":")[0]
    if project == OURS:
        return Path(sys.executable)
    python = homes / project / "bin" / "python"
    if not python.exists():
        raise BadInput(
            f"The environment of {project} is not built in {homes}", remedy="run with --build-envs"
        )
    return python


def build_home(project: str, homes: Path, base: str) -> None:
    """Create a peer's environment with the interpreter ``base``, unless its pinned version is there."""
    home, wanted = homes / project, _pinned(project)
    if (home / "bin" / "python").exists() and _installed(home, wanted.partition("==")[0]) == wanted:
        return
    print(f"Installing {' '.join(HOMES[project])} into {home}: some minutes", file=sys.stderr)
    subprocess.run([base, "-m", "venv", "--clear", str(home)], check=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *HOMES[project]], check=True)


def version_of(system: str, homes: Path) -> str:
    """Peers: version of their package. Ours: the synthesizer's, and a digest of the code that it runs on."""
    project, _, method = system.partition(":")
    if project == OURS:
        rooms = (*_CODE, "neural") if method.startswith(("gan", "diffusion")) else _CODE
        return f"{available().get(method, method)}+{_digest(rooms)}"
    home_python(system, homes)
    return _installed(homes / project, _pinned(project).partition("==")[0]).partition("==")[2]


def _pinned(project: str) -> str:
    """The peer's own package as ``name==version``, extras left out."""
    own = next(one for one in HOMES[project] if project in one)
    return re.sub(r"\[.*\]", "", own)


def _installed(home: Path, package: str) -> str:
    """``name==version``, or "" where it is not installed."""
    found = [*home.glob(f"lib/python*/site-packages/{package.replace('-', '_')}-*.dist-info")]
    return f"{package}=={found[0].name.removesuffix('.dist-info').partition('-')[2]}" if found else ""


def command(system: str, job: Job, homes: Path) -> list[str]:
    """The command line of one fit."""
    project, _, method = system.partition(":")
    python = str(home_python(system, homes))
    inputs = ["--table", str(job.table), "--domain", str(job.domain)]
    privacy = ["--epsilon", job.epsilon, "--delta", job.delta]
    if project == OURS:
        outputs = ["--out", str(job.out / "own.csv"), "--report", str(job.out / "report.json")]
        return [python, "-m", "benchmarks.fit", *inputs, "--synthesizer", method, *privacy, *outputs]
    script = str(Path(__file__).with_name("peer.py"))
    return [python, script, system, *inputs, *privacy, "--turn", str(job.turn), "--out", str(job.out)]


def _digest(rooms: Sequence[str]) -> str:
    files = sorted(path for room in rooms for path in (_ROOT / "dpsynth" / room).rglob("*.py"))
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.read_bytes())
    return whole.hexdigest()[:10]
