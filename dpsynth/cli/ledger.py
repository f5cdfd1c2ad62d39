"""``dpsynth ledger``: the hash chain of everything that changed state, and the budgets."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from dpsynth.cli.output import columns, emit
from dpsynth.cli.session import AsJson, session

__all__ = ["app", "show", "verify"]

app = typer.Typer(help="The ledger: read it, check its hash chain.")


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
def verify(context: typer.Context, as_json: AsJson = False) -> None:
    """Recompute the chain from its first entry; exit 5 if any entry is not what it was."""
    entries = session(context).platform().verify_ledger()
    emit(as_json, {"verified": True, "entries": entries}, [f"The chain is whole: {entries} entries."])
