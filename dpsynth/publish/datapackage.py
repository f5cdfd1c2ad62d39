"""datapackage.json: the Frictionless Data Package and Table Schema of a release."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.domain import Column, Domain
from dpsynth.policy.model import Policy
from dpsynth.publish.rows import WITHIN

__all__ = ["data_package", "table_schema"]

_MEDIA = {
    "data.csv": ("csv", "text/csv"),
    "data.parquet": ("parquet", "application/vnd.apache.parquet"),
}


def _numeric_constraints(column: Column) -> dict[str, Any]:
    low, high = Decimal(column.edges[0]), Decimal(column.edges[-1])
    if column.kind == "integer":
        return {
            "minimum": int(low.to_integral_value(ROUND_CEILING)),
            "maximum": int(high.to_integral_value(ROUND_FLOOR)),
        }
    return {"minimum": float(low), "maximum": float(high)}


def _numeric_rule(column: Column) -> str:
    counted = f"Counted in {len(column.edges) - 1} bins; policy.yaml gives their edges."
    return f"{counted} A value is {WITHIN[column.within_bin]}."


def _field(column: Column) -> dict[str, Any]:
    if column.kind == "categorical":
        required = "" not in column.values
        return {
            "name": column.name,
            "type": "string",
            "constraints": {"enum": list(column.values), "required": required},
        }
    constraints = _numeric_constraints(column) | {"required": not column.has_missing}
    kind = "integer" if column.kind == "integer" else "number"
    return {
        "name": column.name,
        "type": kind,
        "description": _numeric_rule(column),
        "constraints": constraints,
    }


def table_schema(domain: Domain) -> dict[str, Any]:
    """Table Schema of the public domain, with the rule that placed each number; an empty cell is missing."""
    return {"fields": [_field(column) for column in domain.columns], "missingValues": [""]}


def _structure(policy: Policy) -> dict[str, Any]:
    """What the policy states of combinations, where it states anything: true of every row."""
    structure = policy.structure
    rules = [rule.text() for rule in structure.impossible] + [rule.text() for rule in structure.determined]
    return {"description": "True of every row: " + ". ".join(rules) + "."} if rules else {}


def data_package(policy: Policy, release_id: str, data: Mapping[str, bytes]) -> dict[str, Any]:
    """The package: one resource for each data file, with size, hash and schema."""
    resources = []
    for name in sorted(data):
        kind, media = _MEDIA[name]
        resource = {
            "name": f"data-{kind}",
            "path": name,
            "format": kind,
            "mediatype": media,
            "bytes": len(data[name]),
            "hash": f"sha256:{sha256_hex(data[name])}",
            "schema": table_schema(policy.domain()),
        }
        resources.append(resource | ({"encoding": "utf-8"} if kind == "csv" else {}))
    return {
        "name": release_id,
        "title": f"{policy.title}: synthetic data",
        **_structure(policy),
        "version": policy.version,
        "licenses": [{"name": "other-restricted", "title": policy.release.terms}],
        "sources": [{"title": f"{policy.source.dataset_id}, not public; these rows are synthetic"}],
        "resources": resources,
    }
