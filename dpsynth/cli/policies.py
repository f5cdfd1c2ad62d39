"""``dpsynth policy``: check a policy file, print the schema, say what changes between two versions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson, session

if TYPE_CHECKING:
    from dpsynth.policy.model import Cap, Policy

__all__ = ["app", "approve", "changes", "check", "diff", "schema"]

app = typer.Typer(help="Check and compare policy files.")
_File = Annotated[Path, typer.Argument(help="A policy file (YAML).")]


def _cap(cap: Cap) -> str:
    return f"rho {cap.rho}" if cap.rho is not None else f"epsilon {cap.epsilon} at delta {cap.delta}"


def _summary(policy: Policy, sha256: str) -> list[str]:
    unit, budget = policy.privacy_unit, policy.budget
    kept = [spec.name for spec in policy.columns if spec.action == "keep"]
    return [
        f"{policy.title}",
        f"policy     {policy.id} version {policy.version}, sha256 {sha256}",
        f"protects   each {unit.kind} of {unit.id_space}, at most {unit.max_rows_per_unit} row(s) each",
        f"budget     {_cap(budget.per_release)} a release, {_cap(budget.lifetime)} for life",
        f"columns    {len(kept)} kept ({', '.join(kept)}), {len(policy.columns) - len(kept)} dropped",
        *(f"structure  {rule.text()}" for rule in policy.structure.impossible),
        *(f"structure  {rule.column} follows from {rule.by}" for rule in policy.structure.determined),
        f"approval   {policy.approval.approvers} people: {', '.join(policy.approval.roles)}",
        "The policy is valid.",
    ]


@app.command()
def check(file: _File, as_json: AsJson = False) -> None:
    """Check a policy file; every problem is named with its line and remedy."""
    from dpsynth.policy.loader import load_policy, policy_sha256

    policy = load_policy(file)
    sha256 = policy_sha256(policy)
    document = {"valid": True, "sha256": sha256, "policy": policy.model_dump(mode="json")}
    emit(as_json, document, _summary(policy, sha256))


@app.command()
def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of policy files (always one JSON document)."""
    from dpsynth.policy.schema import json_schema, schema_text

    emit(as_json, json_schema(), schema_text().splitlines())


@app.command()
def diff(old: _File, new: _File, as_json: AsJson = False) -> None:
    """Say in plain words what changes from OLD to NEW, and whether people are protected less."""
    from dpsynth.policy.loader import load_policy
    from dpsynth.service.changes import changes_between

    changes = changes_between(load_policy(old), load_policy(new))
    lines = [change.text for change in changes] or ["The two policies say the same."]
    emit(as_json, {"changes": [asdict(change) for change in changes]}, lines)


@app.command()
def changes(context: typer.Context, as_json: AsJson = False) -> None:
    """List proposed versions of registered policies, with what each changes in plain words."""
    found = session(context).platform().policy_changes()
    lines = []
    for one in found:
        lines.append(
            f"{one.id}  {one.dataset_id}  {one.state}, by {one.proposer} at {one.proposed}: {one.reason}"
        )
        lines += [f"    {line}" for line in one.lines]
    emit(as_json, {"changes": [asdict(one) for one in found]}, lines or ["(none)"])


@app.command()
def approve(
    context: typer.Context,
    change: Annotated[str, typer.Argument(help="Id of a proposed version.")],
    as_json: AsJson = False,
) -> None:
    """Put a proposed version in force. For compliance officers; never by its proposer."""
    here = session(context)
    info = here.platform().approve_change(here.actor(), change)
    document = {"dataset_id": info.dataset_id, "version": info.policy.version, "sha256": info.policy_sha256}
    emit(
        as_json,
        document,
        [f"Policy {info.policy.id} {info.policy.version} is in force. What is spent stays."],
    )
