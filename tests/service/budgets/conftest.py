"""A small register of made-up people: its policies, its tables, and five people who act."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dpsynth.service import DatasetInfo, Platform, RequestForm, RequestView, ScopeView

ROOT = Path(__file__).parents[3]
PURPOSE = "Teaching a course on visits with synthetic rows; no decision about any individual is ever made."
REGIONS = ("north", "south", "west")
ROLES = {
    "sam": ("data_scientist",),
    "sue": ("data_scientist",),
    "carol": ("compliance_officer",),
    "dana": ("data_owner",),
    "olga": ("data_owner", "compliance_officer"),
    "ada": ("auditor",),
}
COLUMNS: list[dict[str, Any]] = [
    {"name": "person", "role": "identifier", "type": "string", "action": "drop"},
    {
        "name": "region",
        "role": "quasi_identifier",
        "type": "categorical",
        "domain": [*REGIONS, "unknown"],
        "domain_source": "made up for the tests",
        "out_of_domain": "unknown",
        "missing": "unknown",
    },
    {
        "name": "visits",
        "role": "sensitive",
        "type": "integer",
        "bounds": ["0", "20"],
        "bins": ["0", "5", "10", "20"],
        "domain_source": "made up for the tests",
        "out_of_domain": "clamp",
        "missing": "0",
    },
]
BUDGET: dict[str, Any] = {
    "per_release": {"rho": "0.02"},
    "per_requester": {"rho": "0.05"},
    "lifetime": {"rho": "0.08"},
    "max_attempts_per_purpose": 100,
}


def policy(name: str = "visits", version: str = "1", **sections: Any) -> dict[str, Any]:
    """A valid policy as data; each section given is merged into the one of the same name."""
    text = (ROOT / "policies" / "rand-health.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    data |= {"id": name, "version": version, "columns": copy.deepcopy(COLUMNS)}
    data["source"] |= {"dataset_id": "register", "snapshot": "2026-01"}
    data["privacy_unit"] |= {"kind": "person", "id_column": "person", "id_space": "residents"}
    data["budget"] |= BUDGET
    data["synthesis"]["output_rows_value"] = 300
    data["audits"]["on_inconclusive"] = "officer_reason"
    for section, values in sections.items():
        if isinstance(values, dict):
            data[section] |= values
        else:
            data[section] = values
    return data


def rows_of(people: Iterable[object]) -> str:
    """A table with one row for each person, spread over the regions."""
    rows = [f"{one},{REGIONS[at % 3]},{(7 * at) % 20}" for at, one in enumerate(people)]
    return "\n".join(["person,region,visits", *rows]) + "\n"


@dataclass(frozen=True)
class House:
    """A platform with people, and short words for what the tests do with it."""

    files: Path
    platform: Platform

    def write(self, name: str, text: str) -> Path:
        path = self.files / name
        path.write_text(text, encoding="utf-8")
        return path

    def register(
        self,
        name: str = "visits",
        version: str = "1",
        people: Iterable[object] = range(240),
        who: str = "dana",
        reason: str = "",
        text: str = "",
        **sections: Any,
    ) -> DatasetInfo:
        """Register a version of a policy with a table that holds these people (or with this text)."""
        words = json.dumps(policy(name, version, **sections), indent=1)
        stated = self.write(f"{name}-{version}.yaml", words)
        body = text or rows_of(people)
        table = self.write(f"{name}-{version}.csv", body)
        return self.platform.register_dataset(who, stated, table, reason)

    def columns(self, **changes: dict[str, Any]) -> list[dict[str, Any]]:
        """The columns, some of them changed by name."""
        return [{**one, **changes.get(one["name"], {})} for one in COLUMNS]

    def form(self, rho: str | None = "0.01", dataset: str = "visits", **more: str) -> RequestForm:
        values = {"purpose": PURPOSE, "recipients": "students", "rho": rho, **more}
        return RequestForm(dataset_id=dataset, synthesizer="independent", **values)

    def ask(self, rho: str = "0.01", who: str = "sam", dataset: str = "visits", **more: str) -> RequestView:
        return self.platform.submit(who, self.form(rho, dataset, **more))

    def scopes(self) -> dict[str, ScopeView]:
        """All budgets by id."""
        return {scope.id: scope for scope in self.platform.budget("carol")}

    def held(self) -> dict[str, int]:
        return {name: scope.held_nano for name, scope in self.scopes().items() if scope.held_nano}

    def kinds(self, after: int = 0) -> list[str]:
        return [entry.kind for entry in self.platform.ledger_entries("ada", after)]


@pytest.fixture
def open_house(tmp_path: Path) -> Callable[..., House]:
    def build(name: str = "state", **options: Any) -> House:
        platform = Platform.open(tmp_path / name, **options)
        for person, roles in ROLES.items():
            platform.add_person(person, person.title(), roles)
        files = tmp_path / f"{name}-files"
        files.mkdir()
        return House(files, platform)

    return build


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()
