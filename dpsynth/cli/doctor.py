"""``dpsynth doctor``: is this installation well, and what is to be done."""

from __future__ import annotations

from dataclasses import asdict

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson, session
from dpsynth.core.errors import IntegrityError

__all__ = ["doctor"]


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check configuration, permissions, keys, checkpoints, clock, disk and versions. Changes nothing.

    Exit 0 where there is no fault, with or without warnings; 5 where there is one.
    """
    from dpsynth.service.doctor import examine

    here = session(context)
    checks = examine(here.state, here.database, here.checkpoints)
    faults = [check for check in checks if check.state == "fault"]
    document: dict[str, object] = {"healthy": not faults, "checks": [asdict(check) for check in checks]}
    if faults:
        names = ", ".join(dict.fromkeys(check.checked for check in faults))
        error = {"kind": IntegrityError.kind, "exit_code": IntegrityError.exit_code, "allowed": "no fault"}
        document["error"] = {**error, "what": f"Faults: {names}", "remedy": faults[0].remedy}
    lines = []
    for check in checks:
        lines.append(f"{check.state:<8} {check.checked}: {check.found}")
        if check.remedy:
            lines.append(f"         To do: {check.remedy}")
    emit(as_json, document, lines)
    if faults:
        raise typer.Exit(IntegrityError.exit_code)
