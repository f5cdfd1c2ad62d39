"""The complete candidate release, written before people decide: they sign these very bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.core.canonical import canonical_bytes
from dpsynth.mechanisms.rng import os_generator
from dpsynth.publish.datapackage import data_package
from dpsynth.publish.files import MANIFEST, describe, whole_directory, write_file
from dpsynth.publish.inputs import ReleaseInputs
from dpsynth.publish.rows import decode
from dpsynth.publish.standards import STANDARD_FILES, standard_files
from dpsynth.publish.statement import privacy_statement
from dpsynth.publish.statement_page import readme_page, statement_page, verify_page
from dpsynth.publish.tables import table_files

__all__ = ["candidate_names", "manifest_bytes", "write_candidate"]

_PAGES = (
    "README.md",
    "VERIFY.md",
    "audits/audit.json",
    "datapackage.json",
    "policy.yaml",
    "privacy-statement.json",
    "privacy-statement.md",
    "run.json",
)


def candidate_names(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Every file that a manifest names, sorted, for the data formats of a policy."""
    return tuple(sorted((*_PAGES, *STANDARD_FILES, *(f"data.{name}" for name in formats))))


def _audit_json(inputs: ReleaseInputs) -> dict[str, Any]:
    # Named one by one: an audit check may grow fields that are not for the public.
    shown = ("id", "name", "question", "outcome", "plain", "could_have_found")
    checks = [{name: getattr(check, name) for name in shown} for check in inputs.audit.checks]
    return {
        "result": inputs.audit.result,
        "plan_sha256": inputs.audit.plan_sha256,
        "report_sha256": inputs.audit.report_sha256,
        "checks": checks,
        "note": "Class A evidence only: computed on public and surrogate data. Results of attacks on the "
        "release itself read the sensitive table and stay in the review room.",
    }


def _run_json(inputs: ReleaseInputs) -> dict[str, Any]:
    return {
        "synthesizer": inputs.plan.synthesizer,
        "version": inputs.plan.version,
        "parameters": {name: str(value) for name, value in inputs.plan.options.items()},
        "versions": dict(inputs.versions),
        "seed": "none is kept: noise and rows come from the operating system's entropy",
    }


def _files(inputs: ReleaseInputs, rng: np.random.Generator) -> dict[str, bytes]:
    domain, formats = inputs.policy.domain(), tuple(inputs.policy.release.formats)
    data = table_files(decode(inputs.table, rng), domain, formats)
    statement = privacy_statement(inputs)
    package = data_package(inputs.policy, inputs.release_id, data)
    packages = {**inputs.environment, **inputs.versions}
    return (
        data
        | standard_files(inputs.policy, statement, data, packages)
        | {
            "README.md": readme_page(statement, candidate_names(formats)).encode(),
            "VERIFY.md": verify_page(inputs.release_id).encode(),
            "audits/audit.json": canonical_bytes(_audit_json(inputs)),
            "datapackage.json": canonical_bytes(package),
            "policy.yaml": inputs.policy_text.encode(),
            "privacy-statement.json": canonical_bytes(statement),
            "privacy-statement.md": statement_page(statement).encode(),
            "run.json": canonical_bytes(_run_json(inputs)),
        }
    )


def manifest_bytes(files: dict[str, bytes]) -> bytes:
    """manifest.json: SHA-256 and size of each file, canonical."""
    return canonical_bytes({"files": describe(files)})


def write_candidate(
    directory: Path, inputs: ReleaseInputs, rng: np.random.Generator | None = None
) -> dict[str, dict[str, Any]]:
    """Write the candidate release to a new directory, whole or not at all.

    ``rng`` places numbers inside their bins (post-processing); by default it is fed by the operating system.
    Returns name to ``{"sha256": hex, "bytes": int}`` of every file but manifest.json, which is written too.
    Raises Conflict if the directory exists; IntegrityError if inputs disagree or a cell is unsafe.
    """
    inputs.require_consistent()
    files = _files(inputs, os_generator() if rng is None else rng)
    with whole_directory(directory) as work:
        for name, data in files.items():
            write_file(work / name, data)
        write_file(work / MANIFEST, manifest_bytes(files))
    return describe(files)
