"""The files of a bundle that follow other people's standards, written from its own facts and checked by them.

They say nothing new. Policy, privacy statement, data files and the list of packages fix every byte of them,
so verification writes them again. A bundle of another version of this program may word them otherwise; then
ids, dates, digests and the numbers of the guarantee must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import yaml

from dpsynth import __version__
from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.policy.model import Policy
from dpsynth.publish.checklist import check_checklist
from dpsynth.publish.croissant import croissant
from dpsynth.publish.datasheet import datasheet_page, terms_page
from dpsynth.publish.files import parse_canonical
from dpsynth.publish.registry_entry import registry_entry, registry_yaml
from dpsynth.publish.sbom import PROGRAM, bill_of_materials, packages_of

__all__ = ["STANDARD_FILES", "check_standards", "standard_files"]

_CROISSANT, _ENTRY, _BILL = "croissant.json", "registry-entry.yaml", "sbom.cdx.json"
_SHEET, _TERMS = "datasheet.md", "TERMS.md"

STANDARD_FILES = (_TERMS, _CROISSANT, _SHEET, _ENTRY, _BILL)

_MOST_BYTES = 2**20


def standard_files(
    policy: Policy, statement: Mapping[str, Any], data: Mapping[str, bytes], packages: Mapping[str, str]
) -> dict[str, bytes]:
    """Every such file by name.

    Args:
        statement: the privacy statement as a JSON value.
        data: the data files by name.
        packages: name to version, as :func:`dpsynth.publish.sbom.bill_of_materials` takes them.
    """
    bill = bill_of_materials(statement["release_id"], statement["issued"], packages)
    return {
        _TERMS: terms_page(policy, statement).encode(),
        _CROISSANT: canonical_bytes(croissant(policy, statement, data)),
        _SHEET: datasheet_page(policy, statement).encode(),
        _ENTRY: registry_yaml(registry_entry(policy, statement)),
        _BILL: canonical_bytes(bill),
    }


def _refuse(name: str, what: str) -> NoReturn:
    raise IntegrityError(
        f"{name}: {what}", remedy="do not use this release; fetch it again or ask its publisher"
    )


def check_standards(policy: Policy, files: Mapping[str, bytes]) -> None:
    """Refuse a bundle whose files for other standards say anything but what its own facts give.

    Also that the privacy statement answers its whole checklist. ``files``: name to bytes, all that the
    manifest names. Raises IntegrityError naming the file.
    """
    statement = parse_canonical(files["privacy-statement.json"], "privacy-statement.json")
    run = parse_canonical(files["run.json"], "run.json")
    check_checklist(statement)
    packages = _packages(files[_BILL], run)
    data = {name: value for name, value in files.items() if name.startswith("data.")}
    try:
        expected = standard_files(policy, statement, data, packages)
    except (KeyError, TypeError, AttributeError):
        _refuse("privacy-statement.json", "a fact that other files repeat is missing")
    for name in STANDARD_FILES:
        if files[name] == expected[name]:
            continue
        if run["versions"].get(PROGRAM) == __version__:
            _refuse(name, "it is not what the policy and the privacy statement of this release give")
        _FACTS[name](files[name], expected[name], name)


def _packages(data: bytes, run: Mapping[str, Any]) -> dict[str, str]:
    """The packages of the bill. Those that run.json names must be among them, in the same versions."""
    versions = run.get("versions")
    if not isinstance(versions, dict) or not all(isinstance(said, str) for said in versions.values()):
        _refuse("run.json", "it does not name the versions of the run")
    try:
        packages = packages_of(parse_canonical(data, _BILL))
    except (KeyError, TypeError, AttributeError):
        packages = {}
    if not packages or not all(isinstance(said, str) for said in packages.values()):
        _refuse(_BILL, "it is not a list of packages as this program writes it")
    for name in sorted(versions):
        if packages.get(name) != versions[name]:
            _refuse(_BILL, "it does not list each package in the version that run.json names")
    return packages


def _at(value: Any, path: str) -> Any:
    for key in path.split("/"):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _same(found: Any, expected: Any, paths: tuple[str, ...], name: str) -> None:
    for path in paths:
        if _at(found, path) != _at(expected, path):
            _refuse(name, f"{path} disagrees with the other files of this release")


def _json_facts(*paths: str) -> Callable[[bytes, bytes, str], None]:
    def check(found: bytes, expected: bytes, name: str) -> None:
        _same(parse_canonical(found, name), parse_canonical(expected, name), paths, name)

    return check


def _yaml_facts(*paths: str) -> Callable[[bytes, bytes, str], None]:
    def check(found: bytes, expected: bytes, name: str) -> None:
        if len(found) > _MOST_BYTES:
            _refuse(name, "it is too large")
        try:
            value = yaml.safe_load(found)
        except (yaml.YAMLError, ValueError, RecursionError):
            _refuse(name, "it is not well-formed YAML")
        # What it means must also be how it is written: no repeated key, alias or second document hides here.
        if not isinstance(value, dict) or registry_yaml(value) != found:
            _refuse(name, "it is not written as this program writes YAML")
        _same(value, yaml.safe_load(expected), paths, name)

    return check


def _page_facts(found: bytes, expected: bytes, name: str) -> None:
    """The headings and the lines that hold a number, an id or a date must be there, word for word."""
    lines = set(found.decode("utf-8", "replace").splitlines())
    for line in expected.decode().splitlines():
        if line.startswith(_FIXED) and line not in lines:
            _refuse(name, "a line with an id, a date or a number of this release is missing or differs")


_FIXED = ("Release ", "Guarantee: ", "- Terms: ", "- For whom: ", "- For what: ", "- Until: ")

_FACTS: dict[str, Callable[[bytes, bytes, str], None]] = {
    _CROISSANT: _json_facts(
        "conformsTo", "url", "identifier", "datePublished", "distribution", "license",
        "prov:wasGeneratedBy/additionalProperty",
    ),
    _ENTRY: _yaml_facts(
        "url_slug", "status", "deployment/basic/publication_date",
        "deployment/privacy_loss/privacy_parameters", "deployment/dp_variant/variant_name",
    ),
    _BILL: _json_facts("serialNumber", "metadata/timestamp", "metadata/properties", "components"),
    _SHEET: _page_facts,
    _TERMS: _page_facts,
}  # fmt: skip
