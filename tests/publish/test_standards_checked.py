"""A file of a standard that says anything but what the bundle's own facts give is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.publish.attestation import envelope, statement_of
from dpsynth.publish.candidate import manifest_bytes
from dpsynth.publish.sbom import PROGRAM
from dpsynth.publish.standards import STANDARD_FILES
from dpsynth.publish.verify import verify_bundle

NOW = datetime(2026, 4, 1, tzinfo=UTC)
ATTESTATION, PROOF = "attestation.dsse.json", "ledger-proof.json"


def sealed_again(bundle: Path, office: Any) -> None:
    """Manifest and signatures of everyone over the files as they are now: what colluders could do."""
    apart = {"manifest.json", ATTESTATION, PROOF}
    paths = {path.relative_to(bundle).as_posix(): path for path in bundle.rglob("*") if path.is_file()}
    files = {name: path.read_bytes() for name, path in paths.items() if name not in apart}
    (bundle / "manifest.json").write_bytes(manifest_bytes(files))
    words = canonical_bytes(statement_of(files, "sam", "d" * 64))
    signed = office.sign(words, "carol", "dana", "publisher")
    (bundle / ATTESTATION).write_bytes(envelope(words, signed))
    (bundle / PROOF).write_bytes(office.proof(bundle))


def refused(bundle: Path, office: Any) -> str:
    sealed_again(bundle, office)
    with pytest.raises(IntegrityError) as caught:
        verify_bundle(bundle, office.trust, NOW)
    return str(caught.value)


def of_another_version(bundle: Path) -> None:
    """As if an older version of this program had made the bundle: its wording need not be ours."""
    run = json.loads((bundle / "run.json").read_bytes())
    run["versions"][PROGRAM] = "0.0.9"
    (bundle / "run.json").write_bytes(canonical_bytes(run))
    bill = json.loads((bundle / "sbom.cdx.json").read_bytes())
    bill["metadata"]["component"] |= {"version": "0.0.9"}
    (bundle / "sbom.cdx.json").write_bytes(canonical_bytes(bill))


def of_json(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return canonical_bytes(value)

    return changed


def of_yaml(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        value = yaml.safe_load(data)
        change(value)
        text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
        return text.encode()

    return changed


def of_text(old: str, new: str) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new.encode())

    return changed


def parameters(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = entry["deployment"]["privacy_loss"]["privacy_parameters"]
    return found


FACTS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a smaller rho in the description": (
        "croissant.json",
        of_json(lambda v: v["prov:wasGeneratedBy"]["additionalProperty"][1].update(value="0.001")),
    ),
    "another release's name": ("croissant.json", of_json(lambda v: v.update(identifier="r-2"))),
    "another digest of the data": (
        "croissant.json",
        of_json(lambda v: v["distribution"][0].update(sha256="0" * 64)),
    ),
    "a file more": (
        "croissant.json",
        of_json(lambda v: v["distribution"].append(v["distribution"][0] | {"@id": "extra.csv"})),
    ),
    "another license": ("croissant.json", of_json(lambda v: v["license"].update(name="CC0"))),
    "a smaller epsilon in the entry": (
        "registry-entry.yaml",
        of_yaml(lambda v: parameters(v).update(epsilon=0.1)),
    ),
    "no rho in the entry": ("registry-entry.yaml", of_yaml(lambda v: parameters(v).pop("rho"))),
    "an approved entry": ("registry-entry.yaml", of_yaml(lambda v: v.update(status="Approved"))),
    "pure DP": (
        "registry-entry.yaml",
        of_yaml(lambda v: v["deployment"]["dp_variant"].update(variant_name="Pure DP")),
    ),
    "an epsilon that another reader would take": (
        "registry-entry.yaml",
        of_text("      epsilon: 0.621698", "      epsilon: 0.1\n      epsilon: 0.621698"),
    ),
    "an entry that is no YAML": ("registry-entry.yaml", lambda _: b"a: [b"),
    "an entry that is a text": ("registry-entry.yaml", lambda _: b"Draft\n"),
    "a bill of another release": ("sbom.cdx.json", of_json(lambda v: v.update(serialNumber="urn:uuid:0"))),
    "a bill of another day": (
        "sbom.cdx.json",
        of_json(lambda v: v["metadata"].update(timestamp="2026-03-02T12:00:00Z")),
    ),
    "another version of a package": (
        "sbom.cdx.json",
        of_json(lambda v: v["components"][0].update(version="0.15.0")),
    ),
    "a package less": ("sbom.cdx.json", of_json(lambda v: v["components"].clear())),
    "a bill without packages": ("sbom.cdx.json", of_json(lambda v: v.pop("components"))),
    "a version that is no text": ("sbom.cdx.json", of_json(lambda v: v["components"][0].update(version=1))),
    "a component that is a text": ("sbom.cdx.json", of_json(lambda v: v.update(components=["opendp"]))),
    "a run without versions": ("run.json", of_json(lambda v: v.pop("versions"))),
    "a run with a version that is no text": ("run.json", of_json(lambda v: v["versions"].update(opendp=1))),
    "later terms": ("TERMS.md", of_text("2027-03-01", "2037-03-01")),
    "wider terms": ("TERMS.md", of_text("- Terms: Research and teaching only", "- Terms: Anything")),
    "other recipients": ("TERMS.md", of_text("accredited-researchers", "everyone")),
    "a smaller epsilon in the datasheet": ("datasheet.md", of_text("epsilon 0.621698", "epsilon 0.1")),
    "another release's datasheet": ("datasheet.md", of_text("r-000000000001", "r-000000000002")),
}
"""Changes of a fact: refused whichever version of this program made the bundle."""

WORDS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "no word of bias": ("croissant.json", of_json(lambda v: v.pop("rai:dataBiases"))),
    "praise": ("datasheet.md", of_text("## Uses\n", "## Uses\n\nFit for every use.\n")),
    "a softer end": ("TERMS.md", of_text("Copies cannot be recalled.", "Copies can be kept.")),
    "a promise more": (
        "registry-entry.yaml",
        of_yaml(lambda v: v["deployment"]["dp_variant"].update(unprotected_quantities="None")),
    ),
    "a component of the bill renamed": (
        "sbom.cdx.json",
        of_json(lambda v: v["metadata"]["component"].update(type="library")),
    ),
}
"""Changes of words alone: refused where this very version made the bundle."""


def change(bundle: Path, case: tuple[str, Callable[[bytes], bytes]]) -> str:
    name, alter = case
    before = (bundle / name).read_bytes()
    (bundle / name).write_bytes(alter(before))
    assert (bundle / name).read_bytes() != before
    return name


@pytest.mark.parametrize("lie", [*FACTS, *WORDS])
def test_a_file_that_says_something_else_is_refused_though_everyone_signed_it(
    lie: str, bundle: Path, office: Any
) -> None:
    name = change(bundle, {**FACTS, **WORDS}[lie])
    assert refused(bundle, office).startswith(f"{name}: ")


@pytest.mark.parametrize("lie", FACTS)
def test_a_fact_is_checked_also_in_a_bundle_of_another_version(lie: str, bundle: Path, office: Any) -> None:
    of_another_version(bundle)
    name = change(bundle, FACTS[lie])
    assert refused(bundle, office).startswith(f"{name}: ")


@pytest.mark.parametrize("words", WORDS)
def test_a_bundle_of_another_version_may_be_worded_otherwise(words: str, bundle: Path, office: Any) -> None:
    of_another_version(bundle)
    rehashed(bundle)
    change(bundle, WORDS[words])
    sealed_again(bundle, office)
    verify_bundle(bundle, office.trust, NOW)


def rehashed(bundle: Path) -> None:
    """The bill's own digest of its packages, as the other version would have written it."""
    from dpsynth.core.canonical import digest
    from dpsynth.publish.sbom import packages_of

    bill = json.loads((bundle / "sbom.cdx.json").read_bytes())
    bill["metadata"]["properties"][1]["value"] = digest(packages_of(bill))
    (bundle / "sbom.cdx.json").write_bytes(canonical_bytes(bill))


@pytest.mark.parametrize("name", STANDARD_FILES)
def test_a_bundle_without_one_of_them_is_refused(name: str, bundle: Path, office: Any) -> None:
    (bundle / name).unlink()
    assert f"{name} is missing" in refused(bundle, office)


def test_a_statement_that_lacks_what_they_repeat_is_refused(bundle: Path, office: Any) -> None:
    path = bundle / "privacy-statement.json"
    value = json.loads(path.read_bytes())
    del value["structure"]
    path.write_bytes(canonical_bytes(value))
    assert refused(bundle, office).startswith("privacy-statement.json: ")


def test_a_statement_and_its_page_that_disagree_are_found(bundle: Path, office: Any) -> None:
    """The words of the statement are repeated in other files: a change of one is a change of all or a lie."""
    path = bundle / "privacy-statement.json"
    value = json.loads(path.read_bytes())
    value["utility"] = "Good for everything."
    path.write_bytes(canonical_bytes(value))
    assert "is not what the policy and the privacy statement" in refused(bundle, office)
