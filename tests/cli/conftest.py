"""A small sensitive table with a planted canary, its policy, and a state that has walked up to decisions."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from dpsynth.cli import main

ROOT = Path(__file__).parents[2]
CANARY = "918273645"
PURPOSE = (
    "Teaching a course on outpatient visits with synthetic rows; no decision about any individual is made."
)
HEADER = "mdvis,idp,hlthg"


@dataclass(frozen=True)
class Answer:
    """What one command gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document of stdout; fails if there is more, less or anything else."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, in a state of one's choice, as a person of one's choice."""

    def call(*words: object, state: Path | None = None, person: str = "") -> Answer:
        capsys.readouterr()
        before = ["--state", str(state)] if state else []
        code = main([*before, *(["--as", person] if person else []), *map(str, words)])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


def policy_text(**source: object) -> str:
    """The RAND HIE policy cut to three columns; ``id_`` names policy, dataset and people anew."""
    data = yaml.safe_load((ROOT / "policies" / "rand-health.yaml").read_text(encoding="utf-8"))
    data["columns"] = [one for one in data["columns"] if one["name"] in HEADER.split(",")]
    name = str(source.pop("id_", "tiny"))
    data["id"] = data["source"]["dataset_id"] = name
    data["privacy_unit"]["id_space"] = f"{name}-people"
    data["audits"]["on_inconclusive"] = source.pop("on_inconclusive", "officer_reason")
    data["synthesis"]["output_rows_value"] = 500
    data["source"].update(source)
    return json.dumps(data, indent=1)  # JSON is YAML in which every text is quoted


def table_lines() -> list[str]:
    """A header and 400 rows; one of them holds the canary."""
    rng = np.random.default_rng(3)
    rows = [f"{a},{b},{c}" for a, b, c in zip(*rng.integers(0, (12, 2, 2), (400, 3)).T, strict=True)]
    return [HEADER, *rows[:200], f"{CANARY},1,0", *rows[200:]]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with policy.yaml and table.csv."""
    home = tmp_path / "files"
    home.mkdir()
    (home / "policy.yaml").write_text(policy_text(), encoding="utf-8")
    (home / "table.csv").write_text("\n".join(table_lines()) + "\n", encoding="utf-8")
    return home


PEOPLE = {
    "sam": ["data_scientist"],
    "carol": ["compliance_officer"],
    "dana": ["data_owner"],
    "ada": ["auditor"],
    "erin": ["data_scientist", "data_owner"],
}


def add_people(state: Path) -> None:
    for person, roles in PEOPLE.items():
        options = [word for role in roles for word in ("--role", role)]
        assert main(["--state", str(state), "people", "add", person, person.title(), *options]) == 0


@pytest.fixture(scope="session")
def fresh_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("fresh") / "state"
    add_people(state)
    return state


@pytest.fixture
def fresh(fresh_once: Path, tmp_path: Path) -> Path:
    """A state with the people and nothing else, as a copy that a test may change."""
    return shutil.copytree(fresh_once, tmp_path / "state")


def submit_words(dataset: str = "tiny", rho: str = "0.01", **more: str) -> list[str]:
    options = {"synthesizer": "independent", "purpose": PURPOSE, "recipients": "students", "rho": rho, **more}
    return [
        "request",
        "submit",
        dataset,
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


@dataclass(frozen=True)
class Walked:
    """A state in which two releases await decisions and one is blocked."""

    state: Path
    sams: str
    erins: str
    blocked: str

    def dossier(self, run: Run, request: str) -> str:
        return str(run("audit", request, "--json", state=self.state, person="carol").json["dossier_sha256"])


@pytest.fixture(scope="session")
def walked_once(fresh_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    home = tmp_path_factory.mktemp("walked")
    state = shutil.copytree(fresh_once, home / "state")
    for name, word in (("tiny", "officer_reason"), ("strict", "block")):
        # Other people, another table: one file cannot stand for two groups of people.
        lines = table_lines() if name == "tiny" else table_lines()[:-1]
        (home / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (home / f"{name}.yaml").write_text(policy_text(id_=name, on_inconclusive=word), encoding="utf-8")
        words = ["dataset", "register", str(home / f"{name}.yaml"), str(home / f"{name}.csv")]
        assert main(["--state", str(state), "--as", "dana", *words]) == 0
    made = []
    for person, dataset in (("sam", "tiny"), ("erin", "tiny"), ("sam", "strict")):
        key = f"{person}-{dataset}"
        assert main(["--state", str(state), "--as", person, *submit_words(dataset, key=key)]) == 0
        assert main(["--state", str(state), "run", "--once"]) == 0
        made.append(key)
    ids = _ids(state)
    return Walked(state, *(ids[key] for key in made))


def _ids(state: Path) -> dict[str, str]:
    from dpsynth.service import Platform

    return {f"{one.requester}-{one.dataset_id}": one.id for one in Platform.open(state).requests("carol")}


@pytest.fixture
def walked(walked_once: Walked, tmp_path: Path) -> Walked:
    """A copy that a test may change."""
    state = shutil.copytree(walked_once.state, tmp_path / "walked")
    return Walked(state, walked_once.sams, walked_once.erins, walked_once.blocked)


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """What the tests share: this directory has no package to import it from."""
    return SimpleNamespace(
        canary=CANARY,
        header=HEADER,
        purpose=PURPOSE,
        root=ROOT,
        policy_text=policy_text,
        table_lines=table_lines,
        submit_words=submit_words,
        unsafe=unsafe,
    )


def unsafe(text: str) -> list[str]:
    """Characters that move the cursor, start an escape sequence or reorder a line."""
    return re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text)
