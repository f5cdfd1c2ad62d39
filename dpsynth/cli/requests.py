"""``dpsynth request``: ask for a release, follow it, take it back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.output import columns, emit, rho
from dpsynth.cli.session import AsJson, checked_text, session

if TYPE_CHECKING:
    from dpsynth.service import Quote, RequestView

__all__ = ["app", "cancel", "list_requests", "request_lines", "show", "submit"]

app = typer.Typer(help="Ask for a synthetic release and follow it.")
_RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request.")]
_Number = Annotated[str | None, typer.Option(help="Exact decimal.")]


def request_lines(view: RequestView) -> list[str]:
    """A request in plain words, one fact a line."""
    lines = [
        f"request    {view.id}: {view.state}, {view.message}",
        f"dataset    {view.dataset_id}, synthesizer {view.synthesizer}, asked by {view.requester}",
        f"costs      rho {rho(view.rho_nano)}: epsilon {view.epsilon} at delta {view.delta}",
        f"purpose    {view.purpose}",
        f"recipients {view.recipients}",
        f"times      asked {view.created}, due {view.due}",
    ]
    lines += [f"decision   {one.person} ({one.role}): {one.decision}, {one.reason}" for one in view.decisions]
    optional = {
        "partition ": view.partition,
        "waits for ": ", ".join(view.waiting_for),
        "audit     ": view.verdict,
        "dossier   ": view.dossier_sha256,
        "bundle    ": view.bundle,
    }
    lines += [f"{name} {value}" for name, value in optional.items() if value]
    return lines + [f"utility    {words}" for words in view.utility]


def _quote_lines(quote: Quote) -> list[str]:
    scopes = [
        f"{one.title}: rho {rho(one.left_nano)} of {rho(one.rho_cap_nano)} is free" for one in quote.scopes
    ]
    verdict = "It fits. Nothing was held." if quote.fits else f"It would be refused. {quote.refusal}"
    cost = f"costs rho {rho(quote.rho_nano)}: epsilon {quote.epsilon} at delta {quote.delta}"
    return [cost, *quote.lines, *scopes, verdict]


@app.command()
def submit(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Id of a registered dataset.")],
    synthesizer: Annotated[str, typer.Option(help="A synthesizer that the policy allows.")],
    purpose: Annotated[str, typer.Option(help="What the release is for, so that an officer can judge it.")],
    recipients: Annotated[str, typer.Option(help="Who will get it.")],
    epsilon: _Number = None,
    delta: _Number = None,
    rho: _Number = None,
    key: Annotated[str, typer.Option(help="Same key and same request: same answer, one charge.")] = "",
    partition: Annotated[str, typer.Option(help="One value of the policy's partition column.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say the price; hold nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a release: the budget is held and the job is queued. State epsilon or rho."""
    from dpsynth.service import RequestForm

    form = RequestForm(
        dataset_id=dataset,
        synthesizer=synthesizer,
        purpose=checked_text("purpose", purpose),
        recipients=checked_text("list of recipients", recipients),
        epsilon=epsilon,
        delta=delta,
        rho=rho,
        key=checked_text("key", key),
        partition=checked_text("partition", partition),
    )
    here = session(context)
    actor, platform = here.actor(), here.platform()
    if dry_run:
        quote = platform.quote(actor, form)
        emit(as_json, asdict(quote), _quote_lines(quote))
        return
    view = platform.submit(actor, form)
    emit(as_json, asdict(view), request_lines(view))


@app.command()
def show(context: typer.Context, request: _RequestId, as_json: AsJson = False) -> None:
    """Show one request."""
    here = session(context)
    view = here.platform().request(here.actor(), request)
    emit(as_json, asdict(view), request_lines(view))


@app.command("list")
def list_requests(context: typer.Context, as_json: AsJson = False) -> None:
    """List the requests that you may see, newest first."""
    here = session(context)
    found = here.platform().requests(here.actor())
    rows = [(one.id, one.state, one.stage, one.requester, one.dataset_id, one.synthesizer) for one in found]
    head = ("REQUEST", "STATE", "STAGE", "REQUESTER", "DATASET", "SYNTHESIZER")
    emit(as_json, {"requests": [asdict(one) for one in found]}, columns(head, rows))


@app.command()
def cancel(context: typer.Context, request: _RequestId, as_json: AsJson = False) -> None:
    """Take back a queued request; its hold is released."""
    here = session(context)
    view = here.platform().cancel(here.actor(), request)
    emit(as_json, asdict(view), request_lines(view))
