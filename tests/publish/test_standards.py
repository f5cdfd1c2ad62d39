"""The files of a bundle are valid by the tools and schemas of the standards that they follow."""

from __future__ import annotations

import csv
import io
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from dpsynth.accounting.events import DiscreteGaussian
from dpsynth.core.curator import Entrustment
from dpsynth.publish.candidate import write_candidate
from dpsynth.publish.croissant import CONFORMS_TO, croissant
from dpsynth.publish.inputs import release_guarantee
from dpsynth.publish.registry_entry import registry_entry, registry_yaml
from dpsynth.publish.sbom import bill_of_materials, installed, packages_of
from dpsynth.publish.standards import STANDARD_FILES
from dpsynth.publish.statement import privacy_statement
from dpsynth.publish.wording import number_up

TRUST = Entrustment("smartnoise", "smartnoise-synth", "1.0.5", "mst", "0.5", "1e-7", ("it rounds",))


@pytest.fixture
def statements(inputs: Any) -> dict[str, dict[str, Any]]:
    """Statements of every kind of guarantee: behind the curator, with a training, by an entrusted library."""
    policy, rho = inputs.policy, inputs.guarantee.rho_nano
    plan = replace(inputs.plan, synthesizer="smartnoise:mst", entrusted=TRUST)
    trusting = {"plan": plan, "guarantee": release_guarantee(policy, rho, None, TRUST), "isolation": "Alone."}
    return {
        "zCDP": privacy_statement(inputs),
        "training": privacy_statement(
            replace(inputs, guarantee=release_guarantee(policy, rho, None, omega=512))
        ),
        "entrusted": privacy_statement(replace(inputs, **trusting)),
    }


# --- Croissant -------------------------------------------------------------------------------------------


def read_croissant(source: Path | dict[str, Any]) -> Any:
    """The reference implementation's reading of a description; raises where it finds an error."""
    with warnings.catch_warnings():
        # rdflib, which it rests on, warns of a class of its own.
        warnings.filterwarnings("ignore", "ConjunctiveGraph is deprecated", DeprecationWarning)
        return mlcroissant.Dataset(jsonld=source)


def test_the_description_is_valid_croissant_without_a_warning(candidate: Path) -> None:
    metadata = read_croissant(candidate / "croissant.json").metadata
    assert metadata.ctx.conforms_to.value == CONFORMS_TO[0]
    assert not metadata.ctx.issues.errors
    assert not metadata.ctx.issues.warnings
    responsible = ("data_biases", "data_collection", "data_limitations", "data_use_cases")
    plans = ("data_preprocessing_protocol", "data_release_maintenance_plan", "personal_sensitive_information")
    assert all(getattr(metadata, name) for name in (*responsible, *plans))


def test_its_record_set_reads_every_row_of_the_release(candidate: Path, inputs: Any) -> None:
    dataset = read_croissant(candidate / "croissant.json")
    rows = list(csv.DictReader(io.StringIO((candidate / "data.csv").read_text(encoding="utf-8"))))
    read = list(dataset.records("rows"))
    assert len(read) == len(rows) == inputs.table.rows
    for found, row in zip(read, rows, strict=True):
        for name, text in row.items():
            value = found[f"rows/{name}"]
            if inputs.table.domain[name].kind == "categorical":
                assert value.decode() == text
            elif text:
                assert float(value) == float(text)
            else:
                assert value is None or np.isnan(value)


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no digest of a file": (lambda value: value["distribution"][0].pop("sha256"), "sha256"),
    "no format of a file": (lambda value: value["distribution"][0].pop("encodingFormat"), "mandatory"),
    "a field of a file that is not there": (
        lambda value: value["recordSet"][0]["field"][0]["source"].update(fileObject={"@id": "data.txt"}),
        "data.txt",
    ),
    "another version of the standard": (lambda value: value.update(conformsTo="croissant"), "error"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_description_with_a_fault_is_not_valid(fault: str, candidate: Path) -> None:
    value = json.loads((candidate / "croissant.json").read_bytes())
    change, complaint = FAULTS[fault]
    change(value)
    with pytest.raises(mlcroissant.ValidationError, match=complaint):
        read_croissant(value)


def test_the_description_says_that_the_rows_are_synthetic_and_where_they_come_from(candidate: Path) -> None:
    value = json.loads((candidate / "croissant.json").read_bytes())
    assert value["rai:hasSyntheticData"] is True
    assert "not public" in value["prov:wasDerivedFrom"]["prov:label"]
    numbers = {one["name"]: one["value"] for one in value["prov:wasGeneratedBy"]["additionalProperty"]}
    assert (numbers["rho"], numbers["delta"]) == ("0.01", "1e-6")
    listed = json.loads((candidate / "manifest.json").read_bytes())["files"]
    assert {one["@id"]: one["sha256"] for one in value["distribution"]} == {
        name: listed[name]["sha256"] for name in ("data.csv", "data.parquet")
    }


def test_a_release_in_parquet_alone_is_described_by_that_file(inputs: Any) -> None:
    value = croissant(inputs.policy, privacy_statement(inputs), {"data.parquet": b"PAR1"})
    fields = value["recordSet"][0]["field"]
    assert {one["source"]["fileObject"]["@id"] for one in fields} == {"data.parquet"}


# --- The registry of deployments -------------------------------------------------------------------------


def schema() -> dict[str, Any] | None:
    """The registry's schema, which this project does not ship; None where it is not at hand."""
    beside = Path(__file__).parents[3] / "shared" / "standards"
    folder = Path(os.environ.get("DPSYNTH_STANDARDS", str(beside)))
    path = folder / "opendp-deployments-schema.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


FIELDS = {
    "basic": {
        "name", "data_curators", "intended_use", "data_product_type", "data_product_region", "description",
        "publication_date",
    },
    "dp_variant": {"variant_name", "data_domain", "unprotected_quantities"},
    "privacy_loss": {
        "privacy_unit", "privacy_unit_details", "privacy_parameters", "privacy_parameters_details",
    },
    "deployment_model": {
        "model_name", "actors", "release_type", "release_type_details", "data_source_type", "access_type",
    },
    "accounting": {"post_processing", "composition"},
    "implementation": {"preprocessing_and_hyperparameter_tuning", "mechanisms", "justification"},
    "administrative": {"notes", "registry_authors"},
}  # fmt: skip
VARIANTS = {"Pure DP", "Approximate DP", "Zero-concentrated DP", "Renyi DP", "Custom"}


def require_entry(entry: dict[str, Any]) -> None:
    """What the registry's schema asks of an entry, written out, and the schema itself where it is at hand."""
    deployment = entry["deployment"]
    assert set(entry) == {"url_slug", "status", "tier", "deployment"}
    assert (entry["status"], entry["tier"]) == ("Draft", 3)
    assert {name: set(part) for name, part in deployment.items()} == FIELDS
    assert deployment["basic"]["data_product_type"] == "Synthetic data"
    assert deployment["basic"]["data_curators"]
    assert deployment["administrative"]["registry_authors"]
    assert deployment["dp_variant"]["variant_name"] in VARIANTS
    parameters = deployment["privacy_loss"]["privacy_parameters"]
    assert set(parameters) <= {"epsilon", "delta", "rho"}
    assert all(type(value) is float for value in parameters.values())
    assert (
        deployment["deployment_model"]["release_type"],
        deployment["deployment_model"]["access_type"],
    ) == (
        "One release",
        "Non-interactive",
    )
    if (found := schema()) is not None:
        Draft202012Validator(found, format_checker=FormatChecker()).validate(entry)


@pytest.mark.parametrize("kind", ["zCDP", "training", "entrusted"])
def test_the_entry_is_valid_for_every_kind_of_guarantee(
    kind: str, statements: dict[str, Any], inputs: Any
) -> None:
    statement = statements[kind]
    entry = yaml.safe_load(registry_yaml(registry_entry(inputs.policy, statement)))
    require_entry(entry)
    loss, guarantee = entry["deployment"]["privacy_loss"], statement["guarantee"]
    parameters = loss["privacy_parameters"]
    assert Decimal(repr(parameters["epsilon"])) == Decimal(guarantee["epsilon"])
    assert Decimal(repr(parameters["delta"])) == Decimal(guarantee["delta"])
    # The rho that a library's budget is booked at is no promise that anybody made.
    assert ("rho" in parameters) == (kind != "entrusted")
    assert ("not structurally audited" in loss["privacy_parameters_details"]) == (kind == "entrusted")
    expected = {"zCDP": "Zero-concentrated DP", "training": "Renyi DP", "entrusted": "Approximate DP"}
    assert entry["deployment"]["dp_variant"]["variant_name"] == expected[kind]


def test_an_entry_with_a_word_for_a_number_or_without_its_author_is_not_valid(
    statements: dict[str, Any], inputs: Any
) -> None:
    for path, change in (
        ("privacy_loss", lambda part: part["privacy_parameters"].update(rho="0.01")),
        ("administrative", lambda part: part.pop("registry_authors")),
        ("dp_variant", lambda part: part.update(variant_name="zCDP")),
    ):
        entry = registry_entry(inputs.policy, statements["zCDP"])
        change(entry["deployment"][path])
        with pytest.raises(AssertionError):
            require_entry(entry)
        assert (found := schema()) is None or not Draft202012Validator(found).is_valid(entry)


def test_the_entry_tells_what_is_not_protected_and_that_nothing_is_reset(candidate: Path) -> None:
    text = " ".join((candidate / "registry-entry.yaml").read_text(encoding="utf-8").split())
    for words in (
        "the number of rows, 60",
        "Column names, public categories",
        "there is no reset",
        "rho 0.03",
    ):
        assert words in text


def test_text_of_people_cannot_become_markup_in_the_registry(inputs: Any) -> None:
    owner = inputs.policy.owner.model_copy(update={"team": "[x](https://example.org) $a$ <b>"})
    policy = inputs.policy.model_copy(update={"owner": owner})
    entry = registry_entry(policy, privacy_statement(inputs))
    assert entry["deployment"]["basic"]["data_curators"] == ["\\[x\\](https://example.org) \\$a\\$ \\<b\\>"]


@given(st.decimals(min_value=0, max_value=10**6, places=9, allow_nan=False))
def test_a_number_of_the_registry_prints_as_the_decimal_itself(value: Decimal) -> None:
    assert Decimal(repr(number_up(f"{value:f}"))) == value


@given(st.from_regex(r"[0-9]{1,8}\.[0-9]{1,40}", fullmatch=True))
def test_a_number_with_more_digits_than_a_float_prints_as_no_less(text: str) -> None:
    printed = Decimal(repr(number_up(text)))
    assert 0 <= printed - Decimal(text) <= Decimal(text) * Decimal("1e-15")


# --- CycloneDX -------------------------------------------------------------------------------------------


def test_the_bill_of_this_environment_is_valid_cyclonedx() -> None:
    packages = installed() | {"smartnoise: opacus": "1.4.0+cpu"}
    assert {"numpy", "opendp", "pyyaml"} <= set(packages)
    bill = bill_of_materials("r-1", "2026-03-01T12:00:00Z", packages)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    assert packages_of(bill) == packages
    assert any(one["bom-ref"] == "smartnoise/pkg:pypi/opacus@1.4.0%2Bcpu" for one in bill["components"])


def test_a_bill_with_a_fault_is_not_valid_cyclonedx() -> None:
    bill = bill_of_materials("r-1", "2026-03-01T12:00:00Z", {"opendp": "1"})
    for change in ({"components": [{"name": "opendp"}]}, {"serialNumber": "r-1"}, {"seed": 1}):
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill | change)) is not None


def test_the_bill_is_that_of_its_release_and_never_random() -> None:
    one, same, other = (bill_of_materials(name, "2026-03-01T12:00:00Z", {}) for name in ("r-1", "r-1", "r-2"))
    assert one == same
    assert one["serialNumber"] != other["serialNumber"]


# --- All of them -----------------------------------------------------------------------------------------


def test_they_are_the_same_for_the_same_inputs_and_hold_no_number_of_the_rows(
    inputs: Any, tmp_path: Path
) -> None:
    """Everything but the digests and sizes of the data files comes from policy and charge."""
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_candidate(tmp_path / name, inputs, np.random.default_rng(seed))
    for name in STANDARD_FILES:
        first, same, other = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert first == same
        assert (first == other) == (name != "croissant.json")
    first, other = (json.loads((tmp_path / folder / "croissant.json").read_bytes()) for folder in "ac")
    assert first.pop("distribution") != other.pop("distribution")
    assert first == other


def test_what_a_step_was_charged_is_not_told_by_the_pages(inputs: Any, tmp_path: Path) -> None:
    """Other events within one charge, which a run chose by its noisy answers, change none of these files."""
    write_candidate(tmp_path / "a", inputs, np.random.default_rng(3))
    fewer = replace(inputs, events=(DiscreteGaussian(10.0),))
    write_candidate(tmp_path / "b", fewer, np.random.default_rng(3))
    for name in STANDARD_FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_terms_and_datasheet_say_for_whom_for_what_and_until_when(candidate: Path, inputs: Any) -> None:
    terms, sheet = ((candidate / name).read_text(encoding="utf-8") for name in ("TERMS.md", "datasheet.md"))
    policy = inputs.policy
    for words in (policy.release.terms, "accredited-researchers", "2027-03-01T12:00:00Z", policy.purpose):
        assert words in terms
    for head in (
        "Motivation",
        "Composition",
        "Collection",
        "Processing",
        "Uses",
        "Distribution",
        "Maintenance",
    ):
        assert f"## {head}\n" in sheet
    assert all(f"- {column.name}: " in sheet for column in policy.columns)
    assert "epsilon 0.6" in sheet


def test_the_bill_names_what_the_program_needs_and_nothing_that_merely_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "hospital_internal-1.0.dist-info"
    private.mkdir()
    (private / "METADATA").write_text("Metadata-Version: 2.1\nName: hospital-internal\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "hospital-internal" in {one.metadata["Name"] for one in distributions()}
    named = installed.__wrapped__()
    assert {"dpsynth-platform", "opendp", "numpy", "sqlalchemy", "llvmlite"} <= set(named)
    assert "hospital-internal" not in named
