"""The root command and the tree under it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth import __version__
from dpsynth.cli import (
    audit_pipeline,
    budgets,
    datasets,
    decisions,
    demo,
    doctor,
    download,
    engines,
    export,
    extension,
    ledger,
    notices,
    people,
    policies,
    rehearse,
    releases,
    requests,
    sample,
    serve,
    tune,
    verify,
    worker,
)
from dpsynth.cli import db as database_commands
from dpsynth.cli.session import Session

__all__ = ["app"]

app = typer.Typer(
    name="dpsynth",
    help="Release synthetic copies of sensitive tables: paid for, attacked, approved and signed.",
    epilog="Exit codes: 0 ok, 1 unexpected, 2 bad input, 3 refused by policy, 4 budget, 5 integrity, "
    "6 conflict, 7 blocked by audit, 8 entrusted engine, 9 audit inconclusive.",
    add_completion=False,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)
app.add_typer(policies.app, name="policy")
app.add_typer(datasets.app, name="dataset")
app.add_typer(requests.app, name="request")
app.add_typer(ledger.app, name="ledger")
app.add_typer(people.app, name="people")
app.add_typer(notices.app, name="notices")
app.add_typer(budgets.app, name="budget")
app.add_typer(database_commands.app, name="db")
app.add_typer(engines.app, name="engine")
app.add_typer(audit_pipeline.app, name="audit")
app.add_typer(export.app, name="export")
app.add_typer(extension.app, name="extension")
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("run")(worker.run)
app.command("serve")(serve.serve)
app.command("approve")(decisions.approve)
app.command("reject")(decisions.reject)
app.command("publish")(decisions.publish)
app.command("revoke")(releases.revoke)
app.command("revocations")(releases.revocations)
app.command("prove")(releases.prove)
app.command("catalogue")(releases.catalogue)
app.command("object")(decisions.object_to)
app.command("withdraw")(decisions.withdraw)
app.command("review")(decisions.review)
app.command("sample")(sample.sample)
app.command("tune")(tune.tune)
app.command("rehearse")(rehearse.rehearse)
app.command("download")(download.download)
app.command("verify")(verify.verify)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    state: Annotated[
        Path, typer.Option("--state", envvar="DPSYNTH_STATE", help="Directory that holds everything.")
    ] = Path(".state"),
    person: Annotated[
        str | None,
        typer.Option(
            "--as",
            envvar="DPSYNTH_USER",
            help="Id of the acting person. Whoever may read the state directory may name anybody.",
        ),
    ] = None,
    database: Annotated[
        str,
        typer.Option(
            envvar="DPSYNTH_DATABASE",
            show_default=False,
            help="PostgreSQL URL for teams; default SQLite in the state directory.",
        ),
    ] = "",
    checkpoints: Annotated[
        str,
        typer.Option(
            envvar="DPSYNTH_CHECKPOINTS",
            show_default=False,
            help="Where signed checkpoints are kept outside: dir:PATH or git:PATH, separated by commas.",
        ),
    ] = "",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Remember where the state lies and who acts; without a command, show the help."""
    context.obj = Session(state, person, database, checkpoints)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
