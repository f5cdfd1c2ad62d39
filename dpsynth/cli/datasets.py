"""``dpsynth dataset``: register a table under a policy, list what is registered, pause and resume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dpsynth.cli.output import columns, emit
from dpsynth.cli.session import AsJson, checked_text, session

if TYPE_CHECKING:
    from dpsynth.service import DatasetInfo

__all__ = ["app", "list_datasets", "pause", "register", "resume", "withdraw"]

app = typer.Typer(help="Register sensitive tables; pause and resume them.")

_DatasetId = Annotated[str, typer.Argument(metavar="DATASET", help="Id of a registered dataset.")]
_Reason = Annotated[str, typer.Option(help="Why, for those who look at it later.")]


def _json(info: DatasetInfo) -> dict[str, Any]:
    policy = info.policy
    return {
        "dataset_id": info.dataset_id,
        "title": policy.title,
        "policy": {"id": policy.id, "version": policy.version, "sha256": info.policy_sha256},
        "registered": info.registered,
        "pending": info.pending,
    }


@app.command()
def register(
    context: typer.Context,
    policy: Annotated[Path, typer.Argument(help="The policy file (YAML).")],
    source: Annotated[Path, typer.Argument(help="The sensitive file (CSV or Parquet, as the policy says).")],
    reason: Annotated[str, typer.Option(help="Why, where a new version loosens the policy.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a sensitive file against its policy and register it, or a new version of it. For data owners.

    Budgets continue. What only tightens is in force at once; what loosens waits for a compliance officer.
    """
    here = session(context)
    info = here.platform().register_dataset(here.actor(), policy, source, checked_text("reason", reason))
    said = f"Registered {info.dataset_id} under policy {info.policy.id} {info.policy.version}."
    if info.pending:
        said = (
            f"Proposed as {info.pending}: it loosens the policy, so a compliance officer must agree with "
            f"`dpsynth policy approve {info.pending}`. Until then version {info.policy.version} is in force."
        )
    emit(as_json, _json(info), [said])


@app.command("list")
def list_datasets(context: typer.Context, as_json: AsJson = False) -> None:
    """List the registered datasets."""
    found = session(context).platform().datasets()
    rows = [(one.dataset_id, one.policy.version, one.registered, one.policy.title) for one in found]
    head = ("DATASET", "POLICY VERSION", "REGISTERED", "TITLE")
    emit(as_json, {"datasets": [_json(one) for one in found]}, columns(head, rows))


@app.command()
def pause(context: typer.Context, dataset: _DatasetId, reason: _Reason, as_json: AsJson = False) -> None:
    """Pause a dataset: no new request, nothing held, what is queued stays closed. For officers and owners."""
    here = session(context)
    here.platform().releases.pause(here.actor(), dataset, checked_text("reason", reason))
    line = f"{dataset} is paused. Releases that are published stay so; budget that was spent stays spent."
    emit(as_json, {"dataset_id": dataset, "paused": True}, [line])


@app.command()
def resume(context: typer.Context, dataset: _DatasetId, reason: _Reason, as_json: AsJson = False) -> None:
    """End a pause: queued requests run again. For compliance officers and data owners."""
    here = session(context)
    here.platform().releases.resume(here.actor(), dataset, checked_text("reason", reason))
    emit(as_json, {"dataset_id": dataset, "paused": False}, [f"{dataset} is open again."])


@app.command()
def withdraw(context: typer.Context, dataset: _DatasetId, reason: _Reason, as_json: AsJson = False) -> None:
    """Close a dataset for good: no request, no run, nothing more signed. For data owners.

    History, spent budget and published releases stay; queued requests end and get their hold back.
    """
    here = session(context)
    ended = here.platform().rulebook.withdraw(here.actor(), dataset, checked_text("reason", reason))
    line = f"{dataset} is withdrawn. Queued requests that ended: {ended}. Published releases stay published."
    emit(as_json, {"dataset_id": dataset, "withdrawn": True, "ended_requests": ended}, [line])
