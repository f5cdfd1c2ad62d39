"""sbom.cdx.json: the packages of the environment that made a release, as a CycloneDX 1.6 bill of materials.

A function of the release's id, its time and the packages, so that it has one spelling and can be recomputed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import Distribution, distributions
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from dpsynth.core.canonical import digest
from dpsynth.publish.wording import release_urn

__all__ = ["PROGRAM", "bill_of_materials", "installed", "packages_of"]

PROGRAM = "dpsynth-platform"

_ENVIRONMENT = "dpsynth:environment"
_NAME = re.compile(r"[A-Za-z0-9._-]*")


@cache
def installed() -> Mapping[str, str]:
    """Name to version of this program's packages: itself, what it asks for, and what these ask for.

    Names are as PyPI normalises them. What else lies in the environment had no part in the release, and its
    names may be nobody else's business. Read once: a process runs the packages that it began with.
    """
    found: dict[str, Distribution] = {}
    for one in distributions():
        # The first of two on the path is the one that is imported; a broken one has no name.
        if name := one.metadata["Name"]:
            found.setdefault(_normal(name), one)
    needed, waiting = set[str](), [PROGRAM]
    while waiting:
        name = waiting.pop()
        if name in found and name not in needed:
            needed.add(name)
            waiting += [
                _normal(name) for asked in found[name].requires or () for name in _NAME.findall(asked)[:1]
            ]
    return MappingProxyType({name: found[name].version for name in sorted(needed)})


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _component(name: str, version: str, kind: str = "library") -> dict[str, Any]:
    """A package; ``environment: package`` is one of an entrusted library's own environment."""
    environment, _, package = name.rpartition(": ")
    purl = f"pkg:pypi/{quote(package, safe='')}@{quote(version, safe='')}"
    said = {"type": kind, "name": package, "version": version, "purl": purl}
    if not environment:
        return said | {"bom-ref": purl}
    about = [{"name": _ENVIRONMENT, "value": environment}]
    return said | {"bom-ref": f"{environment}/{purl}", "properties": about}


def bill_of_materials(release_id: str, issued: str, packages: Mapping[str, str]) -> dict[str, Any]:
    """The bill as a JSON value.

    Args:
        issued: time of the release, ISO 8601, UTC.
        packages: name to version, this program's own among them; a package of an entrusted library's
            environment is named ``environment: package``.
    """
    others = sorted(set(packages) - {PROGRAM})
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": release_urn(release_id, "sbom"),
        "version": 1,
        "metadata": {
            "timestamp": issued,
            "component": _component(PROGRAM, packages.get(PROGRAM, "unknown"), "application"),
            "properties": [
                {"name": "dpsynth:release", "value": release_id},
                {"name": "dpsynth:packages-sha256", "value": digest(dict(packages))},
            ],
        },
        "components": [_component(name, packages[name]) for name in others],
    }


def packages_of(bill: Mapping[str, Any]) -> dict[str, str]:
    """The packages that a bill lists, as :func:`bill_of_materials` takes them.

    Raises KeyError or TypeError where it is not a bill of that form.
    """
    found = {}
    for one in (bill["metadata"]["component"], *bill["components"]):
        where = [said["value"] for said in one.get("properties", ()) if said["name"] == _ENVIRONMENT]
        found[": ".join([*where, one["name"]])] = one["version"]
    return found
