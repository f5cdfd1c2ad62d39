"""croissant.json: the release for machine-learning tools, as Croissant 1.1 with the terms of responsible AI.

Everything comes from the policy, the privacy statement and the digests of the data files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dpsynth.core.canonical import sha256_hex
from dpsynth.policy.columns import ColumnSpec
from dpsynth.policy.model import Policy
from dpsynth.publish.rows import rule_text
from dpsynth.publish.wording import release_urn

__all__ = ["CONFORMS_TO", "croissant"]

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")

_TERMS = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject",
    "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "separator", "source", "subField", "transform",
)  # fmt: skip
"""Words of the Croissant vocabulary that are written without a prefix."""

_MEDIA = {"data.csv": "text/csv", "data.parquet": "application/vnd.apache.parquet"}
_TYPES = {"categorical": "sc:Text", "integer": "sc:Integer", "real": "sc:Float"}


def _context() -> dict[str, Any]:
    """The context that the reference implementation writes for version 1.1, and the provenance words."""
    return {name: f"cr:{name}" for name in _TERMS} | {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "prov": "http://www.w3.org/ns/prov#",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "description": {"@container": "@language"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "name": {"@container": "@language"},
    }


def _file(name: str, data: bytes) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{len(data)} B",
        "encodingFormat": _MEDIA[name],
        "sha256": sha256_hex(data),
    }


def _field(column: ColumnSpec, source: str) -> dict[str, Any]:
    size = f"{len(column.domain)} categories" if column.domain else f"{len(column.bins) - 1} bins"
    role = column.role.replace("_", "-")
    return {
        "@type": "cr:Field",
        "@id": f"rows/{quote(column.name, safe='')}",
        "name": column.name,
        "description": f"{role} column, counted in {size} that policy.yaml lists. Source of the domain: "
        f"{column.domain_source}",
        "dataType": _TYPES[column.type],
        "source": {"fileObject": {"@id": source}, "extract": {"column": column.name}},
    }


def _record_set(policy: Policy, names: list[str]) -> dict[str, Any]:
    # Both formats hold the same cells; the first, CSV where there is one, needs the fewest tools.
    fields = [_field(column, names[0]) for column in policy.columns if column.kept]
    return {"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": fields}


def _activity(statement: Mapping[str, Any]) -> dict[str, Any]:
    guarantee, mechanism = statement["guarantee"], statement["mechanism"]
    numbers = [
        {"@type": "PropertyValue", "name": name, "value": guarantee[name]}
        for name in ("variant", "rho", "epsilon", "delta")
    ]
    return {
        "@type": "prov:Activity",
        "prov:label": f"Synthesis by {mechanism['synthesizer']} {mechanism['version']} under differential "
        "privacy",
        "prov:endedAtTime": statement["issued"],
        "additionalProperty": numbers,
    }


def _sensitive(policy: Policy, saw: str) -> list[str]:
    named = {
        role: [column.name for column in policy.columns if column.kept and column.role == role]
        for role in ("sensitive", "quasi_identifier")
    }
    return [
        f"No row stands for a person: rows are drawn from a model. The synthesizer saw {saw}.",
        "Columns that the policy calls sensitive: " + (", ".join(named["sensitive"]) or "none"),
        "Columns that could identify together: " + (", ".join(named["quasi_identifier"]) or "none"),
    ]


def _responsible(policy: Policy, statement: Mapping[str, Any]) -> dict[str, Any]:
    # What was done to rows after the mechanism.
    done = [statement["structure"]["note"], rule_text(policy.domain())]
    return {
        "rai:hasSyntheticData": True,
        "rai:dataCollection": statement["collection"],
        "rai:dataBiases": [statement["bias"]],
        "rai:dataLimitations": [statement["utility"], statement["decision_note"]],
        "rai:dataUseCases": [policy.purpose, "Not for decisions about individuals."],
        "rai:dataManipulationProtocol": " ".join(done),
        "rai:dataPreprocessingProtocol": [statement["preprocessing"], statement["bounding"]],
        "rai:dataReleaseMaintenancePlan": f"Never updated: a correction is a new release. Use is permitted "
        f"until {statement['expires']}; a release may be revoked earlier. Questions: {statement['contact']}.",
        "rai:personalSensitiveInformation": _sensitive(policy, statement["mechanism"]["saw"]),
    }


def croissant(policy: Policy, statement: Mapping[str, Any], data: Mapping[str, bytes]) -> dict[str, Any]:
    """The description as a JSON value.

    Args:
        statement: the privacy statement of the release.
        data: the data files by name.
    """
    title, release = f"{policy.title}: synthetic data", statement["release_id"]
    owner = {"@type": "Organization", "name": policy.owner.team}
    year = statement["issued"][:4]
    source = f"{policy.source.dataset_id}, snapshot {policy.source.snapshot}; not public"
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": title,
        "description": f"{statement['rows']}. {statement['unit']['plain']}",
        "url": release_urn(release),
        "identifier": release,
        "version": "1.0.0",
        "datePublished": statement["issued"],
        "creator": owner,
        "publisher": owner,
        "license": {"@type": "CreativeWork", "name": policy.release.terms, "url": "TERMS.md"},
        "citeAs": f"{policy.owner.team} ({year}). {title}. Release {release}.",
        "isLiveDataset": False,
        "distribution": [_file(name, data[name]) for name in sorted(data)],
        "recordSet": [_record_set(policy, sorted(data))],
        "prov:wasDerivedFrom": {"@type": "prov:Entity", "prov:label": source},
        "prov:wasGeneratedBy": _activity(statement),
    } | _responsible(policy, statement)
