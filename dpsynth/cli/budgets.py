"""``dpsynth budget``: what is left, and how many releases of which size fit in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dpsynth.cli.output import columns, emit, rho
from dpsynth.cli.session import AsJson, session

__all__ = ["app", "plan", "show"]

app = typer.Typer(help="Budgets: what is left, and what fits in it.")


@app.command()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Print every budget that you may see."""
    here = session(context)
    found = here.platform().budget(here.actor())
    rows = [
        (
            one.title,
            rho(one.rho_cap_nano),
            rho(one.spent_nano),
            rho(one.held_nano),
            rho(one.left_nano),
            one.epsilon_cap,
        )
        for one in found
    ]
    head = ("BUDGET", "CAP (RHO)", "SPENT", "HELD", "LEFT", "PROMISE")
    emit(as_json, {"scopes": [asdict(one) for one in found]}, columns(head, rows))


@app.command()
def plan(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Id of a registered dataset.")],
    synthesizer: Annotated[str, typer.Option(help="A synthesizer that the policy allows.")] = "",
    epsilon: Annotated[list[str] | None, typer.Option(help="A size to plan with; may be repeated.")] = None,
    partition: Annotated[str, typer.Option(help="One value of the policy's partition column.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say how many releases of which size fit in what is left. Free; holds nothing."""
    here = session(context)
    found = here.platform().plan_budget(here.actor(), dataset, synthesizer, tuple(epsilon or ()), partition)
    rows = [(one.epsilon, one.delta, rho(one.rho_nano), str(one.room), one.tightest) for one in found.lines]
    head = ("EPSILON EACH", "DELTA", "RHO EACH", "HOW MANY FIT", "LIMITED BY")
    lines = [f"Releases of {found.dataset_id} by {found.synthesizer}:", *columns(head, rows)]
    lines.append("One row or another, not all together; budgets are for life and never refilled.")
    emit(as_json, asdict(found), lines)
