"""``dpsynth audit pipeline``: anybody's synthesizer, audited on made-up rows; no table, nothing charged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from dpsynth.cli.decisions import audit
from dpsynth.cli.output import emit, plain
from dpsynth.cli.session import AsJson, session
from dpsynth.core.errors import AuditBlocked, AuditInconclusive, BadInput

if TYPE_CHECKING:
    from dpsynth.service.pipeline_audit import Answered

__all__ = ["app", "pipeline"]

_CODES = {"pass": 0, "warn": 0, "inconclusive": AuditInconclusive.exit_code}
_WORDS = {
    "pass": "No violation was found.",
    "warn": "No violation was found; read the warnings.",
    "inconclusive": "Nothing was refuted, and not everything could be tested: this is no pass.",
    "block": "The claim is refuted, or a test of the mechanism failed: do not release with this.",
}


class _RequestOrCommand(TyperGroup):
    """``audit REQUEST`` shows a request's audit; ``audit pipeline`` is a command of its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Anything but a command's name or a bare call for help is about a request."""
        if not args or (args[0] not in self.commands and args != ["--help"]):
            args = ["request", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_RequestOrCommand, help="Show a request's audit, or audit a synthesizer: pipeline.")
app.command("request")(audit)


@app.command("pipeline")
def pipeline(
    context: typer.Context,
    synthesizer: Annotated[
        str, typer.Option(help="A registered name, engine:method, or package.module:Name.")
    ],
    out: Annotated[Path, typer.Option(help="New or empty folder for the report.")],
    plan: Annotated[str, typer.Option(help="quick, standard, deep, or a plan file.")] = "quick",
    epsilon: Annotated[str, typer.Option(help="The claim.")] = "1",
    delta: Annotated[str, typer.Option(help="The claim.")] = "1e-6",
    adjacency: Annotated[str, typer.Option(help="add_remove or replace_one, of one row.")] = "add_remove",
    domain: Annotated[
        Path | None, typer.Option(help='JSON file, as {"age": 16}; by default six columns of mixed sizes.')
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy; only its public facts are used.")] = None,
    rows: Annotated[int | None, typer.Option(help="Made-up rows of a fit behind the curator.")] = None,
    fits: Annotated[int | None, typer.Option(help="Fits on each side of the game from outside.")] = None,
    game_rows: Annotated[
        int | None, typer.Option(help="Rows of the game's table, where a library needs many.")
    ] = None,
    replay_fits: Annotated[int | None, typer.Option(help="Fits that are looked through for copies.")] = None,
    jobs: Annotated[int, typer.Option(help="Fits from outside at the same time.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Audit anybody's synthesizer on made-up rows: no table is read, nothing is charged.

    Exit code 0: pass or warn; 7: block; 9: inconclusive. A library that takes rows cannot do better than
    inconclusive: what cannot be tested from outside is listed.
    """
    from dpsynth.service.pipeline_audit import Wanted, audit_pipeline

    wanted = Wanted(
        synthesizer=synthesizer,
        plan=plan,
        epsilon=epsilon,
        delta=delta,
        adjacency=_adjacency(adjacency),
        domain=domain,
        policy=policy,
        rows=rows,
        fits=fits,
        game_rows=game_rows,
        replay_fits=replay_fits,
        jobs=jobs,
        home=session(context).state,
    )
    found = audit_pipeline(wanted, out, lambda words: typer.echo(plain(words), err=True))
    emit(as_json, _document(found), _lines(found))
    raise typer.Exit(_CODES.get(found.outcome, AuditBlocked.exit_code))


_RELATIONS: dict[str, Literal["add_remove", "replace_one"]] = {
    "add_remove": "add_remove",
    "replace_one": "replace_one",
}


def _adjacency(word: str) -> Literal["add_remove", "replace_one"]:
    if word not in _RELATIONS:
        raise BadInput(f"{word!r} is no neighbouring relation", allowed=" or ".join(_RELATIONS))
    return _RELATIONS[word]


def _document(found: Answered) -> dict[str, Any]:
    return {
        "verdict": found.outcome,
        "why": list(found.why),
        "could_have_found": found.could_have_found,
        "tests": [{"id": test, "outcome": outcome, "plain": words} for test, outcome, words in found.tests],
        "report": str(found.folder / "report.json"),
        "statement": str(found.folder / "statement.json"),
    }


def _lines(found: Answered) -> list[str]:
    return [
        *(f"  {outcome:<14} {test:<3} {words}" for test, outcome, words in found.tests),
        f"verdict: {found.outcome}. {_WORDS.get(found.outcome, _WORDS['block'])}",
        f"{found.could_have_found[:1].upper()}{found.could_have_found[1:]}.",
        f"Report: {found.folder / 'report.json'}; statement for others: {found.folder / 'statement.json'}",
    ]
