"""A platform with a small generated table, and stand-ins for an engine's interpreter that behave as told."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dpsynth.engines.build import add_engine
from dpsynth.engines.sandbox import Limits
from dpsynth.service import Platform, RequestForm, RequestView

ROOT = Path(__file__).parents[2]
PURPOSE = "Teaching a course on outpatient visits; no decision about any individual is made from these rows."

STAND_IN = """\
#!{python}
import io, json, os, socket, subprocess, sys, time
import pyarrow as pa
import pyarrow.parquet as pq

request = json.load(open("request.json"))
rows = pq.read_table(io.BytesIO(sys.stdin.buffer.read()))


def leave(table):
    pq.write_table(table, "answer.parquet")
    with open("answer.json", "w") as file:
        json.dump({{"versions": {{"smartnoise-synth": "1.0.8"}}}}, file)


def codes(rows=request["rows"], sizes=tuple(request["sizes"])):
    return {{f"c{{i}}": [j % size for j in range(rows)] for i, size in enumerate(sizes)}}


if request["method"] == "selftest":
    leave(pa.table(codes()))
    os._exit(0)  # Arrow's threads can abort an interpreter on its way out
{behaviour}
os._exit(0)
"""

WELL = "leave(pa.table(codes()))"


def make_stand_in(home: Path, behaviour: str = WELL) -> Path:
    """An interpreter that passes the self-test and then does as it is told, whatever program it is given."""
    place = home / "stand-in" / "bin"
    place.mkdir(parents=True, exist_ok=True)
    path = place / "python"
    path.write_text(STAND_IN.format(python=sys.executable, behaviour=textwrap.dedent(behaviour)))
    path.chmod(0o755)
    return path


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., Path]:
    return lambda behaviour=WELL: make_stand_in(tmp_path, behaviour)


def policy_text(**changes: Any) -> str:
    """The shipped RAND policy cut to three small columns, with room for entrusted libraries."""
    data = yaml.safe_load((ROOT / "policies" / "rand-health.yaml").read_text(encoding="utf-8"))
    data["columns"] = [one for one in data["columns"] if one["name"] in ("idp", "fmde", "hlthg")]
    cap = {"rho": "2", "entrusted_delta": "5e-7"}
    data["budget"] |= {"lifetime": cap, "per_requester": cap}
    data["budget"] |= {"per_release": {"rho": "0.5", "entrusted_delta": "1e-7"}}
    data["budget"]["max_attempts_per_purpose"] = 50
    data["audits"]["on_inconclusive"] = "officer_reason"
    names = ("mst", "aim", "mwem", "pacsynth", "patectgan", "dpctgan")
    allowed = [{"name": f"smartnoise:{name}", "min_version": "1.0.8"} for name in names]
    data["synthesis"] |= {"allowed": [*data["synthesis"]["allowed"], *allowed], "output_rows_value": 500}
    for section, values in changes.items():
        data[section] |= values
    return json.dumps(data, indent=1)  # JSON is YAML in which every text is quoted


def table_text(rows: int = 2000) -> str:
    rng = np.random.default_rng(5)
    idp, hlthg = rng.integers(0, 2, rows), rng.integers(0, 2, rows)
    fmde = np.where(rng.random(rows) < 0.7, idp * 6, rng.integers(0, 9, rows))
    lines = [f"{a},{b},{c}" for a, b, c in zip(idp, fmde, hlthg, strict=True)]
    return "\n".join(["idp,fmde,hlthg", *lines]) + "\n"


PEOPLE = {"sam": "data_scientist", "carol": "compliance_officer", "dana": "data_owner", "ada": "auditor"}


def open_platform(home: Path, **changes: Any) -> Platform:
    """A platform on which the table is registered."""
    platform = Platform.open(home / "state")
    for person, role in PEOPLE.items():
        platform.add_person(person, person.title(), (role,))
    (home / "policy.yaml").write_text(policy_text(**changes), encoding="utf-8")
    (home / "table.csv").write_text(table_text(), encoding="utf-8")
    platform.register_dataset("dana", home / "policy.yaml", home / "table.csv")
    return platform


@pytest.fixture(scope="session")
def make_policy() -> Callable[..., str]:
    return policy_text


@pytest.fixture(scope="module")
def make_platform() -> Callable[..., Platform]:
    return open_platform


def trusting_platform(
    home: Path, behaviour: str = WELL, seconds: int = 60, python: Path | None = None, **changes: Any
) -> Platform:
    """A platform whose engine behaves as told, or is the given one."""
    platform = open_platform(home, **changes)
    given = python or make_stand_in(home, behaviour)
    add_engine(home / "state", "smartnoise", lambda _: None, given, Limits(seconds))
    return platform


@pytest.fixture(scope="session")
def trust_in() -> Callable[..., Platform]:
    """As ``trusting``, in a directory of one's choice."""
    return trusting_platform


@pytest.fixture
def trusting(tmp_path: Path) -> Callable[..., Platform]:
    return lambda *words, **more: trusting_platform(tmp_path, *words, **more)


def approve_all(platform: Platform, request: RequestView) -> Path:
    """Both approvals, with a reason, and the published bundle."""
    dossier = platform.dossier("carol", request.id)
    for person in ("carol", "dana"):
        reason = "The audit could not look into the library; the purpose is teaching, with a small table."
        platform.approve(person, request.id, dossier.sha256, reason, tuple(dossier.body["must_tick"]))
    return platform.publish("carol", request.id)


@pytest.fixture(scope="session")
def approved() -> Callable[[Platform, RequestView], Path]:
    return approve_all


@pytest.fixture(scope="session")
def ask() -> Callable[..., RequestForm]:
    def build(synthesizer: str = "smartnoise:mst", **more: str) -> RequestForm:
        values = {"epsilon": "1", "purpose": PURPOSE, "recipients": "students", **more}
        if "rho" in more:
            values.pop("epsilon")
        return RequestForm("rand-health", synthesizer, **values)

    return build
