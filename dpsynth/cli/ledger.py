"""``dpsynth ledger``: the hash chain of everything that changed state, its checkpoints, what things cost."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.output import columns, emit, rho
from dpsynth.cli.session import AsJson, session
from dpsynth.core.errors import BadInput

if TYPE_CHECKING:
    from dpsynth.service import Explanation

__all__ = ["app", "checkpoint", "explain", "export", "show", "sink", "verify"]

app = typer.Typer(help="The ledger: read it, check it, have it witnessed, ask what things cost.")


@app.command()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Print every entry of the chain, oldest first."""
    asked = session(context)
    entries = asked.platform().ledger_entries(asked.actor())
    rows = [
        (str(one.seq), one.time, one.kind, one.hash[:16], json.dumps(one.body, sort_keys=True))
        for one in entries
    ]
    head = ("SEQ", "TIME", "KIND", "HASH", "BODY")
    emit(as_json, {"entries": [asdict(one) for one in entries]}, columns(head, rows))


@app.command()
def verify(
    context: typer.Context,
    against: Annotated[Path | None, typer.Option(help="A signed checkpoint that somebody else kept.")] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the chain, replay it, compare with checkpoints; exit 5 if anything is not what it was."""
    platform = session(context).platform()
    entries = platform.verify_ledger(None if against is None else _read(against))
    lines = [f"The chain is whole: {entries} entries; every balance, charge and record is what it tells."]
    if against is None and not session(context).checkpoints:
        lines.append(
            "No outside checkpoint was compared: an old backup put back would look just as whole. "
            "Set --checkpoints, or compare with --against FILE."
        )
    emit(as_json, {"verified": True, "entries": entries}, lines)


@app.command()
def checkpoint(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="Also write the signed checkpoint to this new file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign the head of the ledger and keep it in every sink. Give it to people who may compare it later."""
    asked = session(context)
    found = asked.platform().checkpoint(asked.actor())
    if out is not None:
        _write(out, found.envelope)
    kept = ", ".join(found.sinks) or "no sink (set --checkpoints)"
    lines = [f"Entry {found.seq} of ledger {found.origin[:16]}, hash {found.hash}", f"kept in {kept}"]
    emit(as_json, asdict(found), lines)


@app.command()
def sink(
    context: typer.Context,
    place: Annotated[str, typer.Argument(help="dir:PATH or git:PATH, outside this state.")],
    as_json: AsJson = False,
) -> None:
    """Have a further sink witness this ledger, also where one is lost. Name it in --checkpoints too."""
    asked = session(context)
    names = asked.platform().add_sink(asked.actor(), place)
    emit(as_json, {"sinks": list(names)}, [f"Witnessed by: {', '.join(names)}."])


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="A new file.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole chain as JSON lines, the signed checkpoint last, for an auditor's own tools."""
    asked = session(context)
    platform = asked.platform()
    taken = platform.checkpoint(asked.actor())
    entries = [one for one in platform.ledger_entries(asked.actor()) if one.seq <= taken.seq]
    lines = [json.dumps(asdict(one), sort_keys=True) for one in entries]
    _write(out, "\n".join([*lines, taken.envelope]) + "\n")
    document = {"file": str(out), "entries": len(entries), "checkpoint_of": taken.seq}
    emit(as_json, document, [f"{len(entries)} entries and the checkpoint of entry {taken.seq} in {out}"])


@app.command()
def explain(
    context: typer.Context,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request.")],
    as_json: AsJson = False,
) -> None:
    """Say what a request costs, event by event, why it was refused, and what would fit."""
    asked = session(context)
    found = asked.platform().explain(asked.actor(), request)
    emit(as_json, asdict(found), _explained(found))


def _explained(found: Explanation) -> list[str]:
    lines = [f"request   {found.request}: {found.state}"]
    if found.reason:
        lines.append(f"why       {found.reason}")
    lines += [f"cost      {line}" for line in found.cost]
    rows = [(str(one.times), one.event, rho(one.rho_nano), one.epsilon) for one in found.events]
    if rows:
        lines += ["", *columns(("TIMES", "EVENT", "RHO IN ALL", "EPSILON ALONE"), rows)]
        lines.append("What was drawn is at most what was reserved; nothing is refunded.")
    if found.recount:
        lines.append(found.recount)
    lines.append("")
    for one in found.scopes:
        lines.append(f"{one.title}: {one.refusal or 'has room for it'}; would fit: {one.would_fit}")
    return [*lines, "", *found.history]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read", remedy="check the path") from error


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written", allowed="a new file in a directory of yours", remedy="name another"
        ) from error
