"""``dpsynth sample``: further rows from a published release's model, also conditional or reweighted. Free."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson, checked_text, session

__all__ = ["sample"]


def sample(
    context: typer.Context,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Id of a published request.")],
    rows: Annotated[int, typer.Option(help="How many rows.")],
    out: Annotated[Path, typer.Option(help="New file that ends in .csv or .parquet.")],
    where: Annotated[
        str,
        typer.Option(
            help="A condition that every row meets, such as \"income = '>50K' and age >= 30\": =, !=, <, <=, "
            '>, >=, in (...), is missing, and, or, not, parentheses; odd names in "double quotes". Numbers '
            "are compared at the policy's bin edges."
        ),
    ] = "",
    margins: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of public numbers that the rows are to have: CSV with the header column,count or "
            "column,column,count, or JSON with several margins. Repeat it. Margins come first, --where then "
            "selects from the reweighted model."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw further rows from the model of a published release. Post-processing: costs nothing.

    The distribution is the model's own, exactly: conditions are worked into it, no row is thrown away. A run
    of aim may also have counted pairs that its model has no room for: rows follow these too, except under
    --where and --margins, where they follow the model alone.
    """
    from dpsynth.service import SampleForm

    here = session(context)
    form = SampleForm(rows, out, checked_text("condition", where), tuple(margins or ()))
    view = here.platform().sample(here.actor(), request, form)
    emit(as_json, asdict(view), [*view.lines, f"sha256 {view.sha256}"])
