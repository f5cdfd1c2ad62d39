"""``dpsynth notices``: messages to people outside, by webhook and e-mail. Off until somebody sets them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson, session

if TYPE_CHECKING:
    from dpsynth.service.outbox import Settings

__all__ = ["app", "off", "set_notices", "show", "try_notices"]

app = typer.Typer(help="Messages to people outside: ids and links, never data. Off until set.")


@app.command("set")
def set_notices(
    context: typer.Context,
    webhook: Annotated[str, typer.Option(help="https address that gets each notice as signed JSON.")] = "",
    email: Annotated[str, typer.Option(help="Address that gets each notice as a message.")] = "",
    smtp: Annotated[str, typer.Option(help="Mail server, HOST or HOST:PORT.")] = "",
    sender: Annotated[str, typer.Option("--from", help="Address that messages come from.")] = "",
    link: Annotated[str, typer.Option(help="Address of the pages, for the links in notices.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say where notices go: your turn, decided, due, budget low, expiring, forfeited, integrity alarm.

    What is left out is switched off. The key of the webhook's signatures lies in the state directory, in
    secrets/notices.key.
    """
    from dpsynth.service.outbox import Settings

    here = session(context)
    wanted = Settings(webhook, email, smtp, sender, link)
    found = here.platform().notices.set(here.actor(), wanted)
    emit(as_json, _document(found), _lines(found))


@app.command()
def off(context: typer.Context, as_json: AsJson = False) -> None:
    """Switch all notices off; what was not delivered yet is dropped."""
    from dpsynth.service.outbox import Settings

    here = session(context)
    found = here.platform().notices.set(here.actor(), Settings())
    emit(as_json, _document(found), _lines(found))


@app.command()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Print where notices go, and whether some could not be delivered yet."""
    here = session(context)
    found, late = here.platform().notices.show(here.actor())
    lines = [*_lines(found), *(f"{name}: the last attempt failed; it is tried again." for name in late)]
    emit(as_json, {**_document(found), "late": list(late)}, lines)


@app.command("test")
def try_notices(context: typer.Context, as_json: AsJson = False) -> None:
    """Send a notice that tells of nothing, and say whether something waits."""
    here = session(context)
    platform = here.platform()
    platform.notices.test(here.actor())
    found, late = platform.notices.show(here.actor())
    done = f"Sent by {', '.join(found.channels)}." if found.channels else "Notices are off; nothing was sent."
    lines = [f"{name}: it could not be delivered; it is tried again." for name in late]
    emit(as_json, {**_document(found), "late": list(late)}, lines or [done])


def _document(found: Settings) -> dict[str, object]:
    return {**asdict(found), "channels": list(found.channels)}


def _lines(found: Settings) -> list[str]:
    if not found.channels:
        return ["Notices are off."]
    lines = [f"webhook   {found.webhook}"] if found.webhook else []
    if found.email:
        lines.append(f"e-mail    {found.email} by {found.smtp}, from {found.sender}")
    return [*lines, f"links     {found.link or 'none; name the address of the pages with --link'}"]
