"""datasheet.md and TERMS.md: what a recipient should know of the rows, and under which terms they are used.

The datasheet follows the questions of Gebru and others, Datasheets for Datasets, 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpsynth.policy.columns import ColumnSpec
from dpsynth.policy.model import Policy
from dpsynth.publish.measured import measure_lines
from dpsynth.publish.wording import plain

__all__ = ["ENDS", "datasheet_page", "terms_page"]

ENDS = (
    "Copies cannot be recalled. Expiry ends the permission and makes verification fail; a release may also "
    "be revoked earlier, with a reason. The privacy budget that it cost does not come back."
)


def _column(column: ColumnSpec) -> str:
    size = f"{len(column.domain)} categories" if column.domain else f"{len(column.bins) - 1} bins"
    role, source = column.role.replace("_", " "), plain(str(column.domain_source))
    return f"- {plain(column.name)}: {column.type}, {role}, {size}. {source}"


def _under(policy: Policy) -> str:
    return f"policy {policy.id} version {plain(policy.version)}"


def _composition(policy: Policy, statement: Mapping[str, Any]) -> list[str]:
    dropped = sum(not column.kept for column in policy.columns)
    return [
        "## Composition",
        "",
        f"{statement['rows']}.",
        "No row stands for a person. Categories, bounds and bins are public and lie in policy.yaml, with the",
        f"reason for each. Columns of the source that are left out: {dropped}.",
        "",
        *(_column(column) for column in policy.columns if column.kept),
        "",
        plain(statement["structure"]["note"]),
    ]


def _making(policy: Policy, statement: Mapping[str, Any]) -> list[str]:
    guarantee, mechanism, source = statement["guarantee"], statement["mechanism"], policy.source
    numbers = f"rho {guarantee['rho']}, epsilon {guarantee['epsilon']} at delta {guarantee['delta']}"
    promise = f"{numbers}, for one {statement['unit']['kind']}"
    return [
        "## Collection",
        "",
        f"Source: {source.dataset_id}, snapshot {plain(source.snapshot)}; not public.",
        plain(statement["collection"]),
        "",
        "## Processing",
        "",
        plain(statement["preprocessing"]),
        plain(statement["bounding"]),
        f"Made by {plain(mechanism['synthesizer'])} {plain(mechanism['version'])}.",
        f"It saw {mechanism['saw']}.",
        f"Guarantee: {plain(guarantee['variant'])}, {promise}. Read privacy-statement.md.",
    ]


def _use(policy: Policy, statement: Mapping[str, Any]) -> list[str]:
    recipients = ", ".join(policy.release.recipients)
    return [
        "## Uses",
        "",
        plain(policy.purpose),
        plain(statement["utility"]),
        plain(statement["bias"]),
        *_measures(statement),
        "Do not use these data for decisions about individuals.",
        "",
        "## Distribution",
        "",
        f"To: {plain(recipients)}. Formats: {', '.join(policy.release.formats)}. Terms: TERMS.md.",
        "",
        "## Maintenance",
        "",
        f"Never updated: a correction is a new release. Use is permitted until {statement['expires']}.",
        ENDS,
        f"Questions: {plain(statement['contact'])}.",
    ]


def _measures(statement: Mapping[str, Any]) -> list[str]:
    lines = measure_lines(statement)
    return ["", plain(statement["utility_measures"]["note"]), "", *lines, ""] if lines else []


def datasheet_page(policy: Policy, statement: Mapping[str, Any]) -> str:
    """datasheet.md: motivation, composition, collection, processing, uses, distribution, maintenance."""
    lines = [
        f"# Datasheet: {plain(policy.title)}, synthetic data",
        "",
        f"Release {statement['release_id']}, {_under(policy)}, issued {statement['issued']}.",
        "",
        "## Motivation",
        "",
        f"Made by {plain(policy.owner.team)}, so that the table can be used where its rows may not be seen.",
        f"Purpose in the policy: {plain(policy.purpose)}",
        "",
        *_composition(policy, statement),
        "",
        *_making(policy, statement),
        "",
        *_use(policy, statement),
    ]
    return "\n".join(lines) + "\n"


def terms_page(policy: Policy, statement: Mapping[str, Any]) -> str:
    """TERMS.md: the terms of the policy, for whom and for what, and how the permission ends."""
    recipients = ", ".join(policy.release.recipients)
    lines = [
        f"# Terms of use: {plain(policy.title)}, synthetic data",
        "",
        f"Release {statement['release_id']}, {_under(policy)}.",
        "The terms are those of policy.yaml, which the approvers signed.",
        "",
        f"- Terms: {plain(policy.release.terms)}",
        f"- For whom: {plain(recipients)}",
        f"- For what: {plain(policy.purpose)}",
        f"- Until: {statement['expires']}",
        "",
        ENDS,
        "",
        f"Questions: {plain(statement['contact'])}.",
    ]
    return "\n".join(lines) + "\n"
