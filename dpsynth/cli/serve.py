"""``dpsynth serve``: the pages and the workers of a small team, together."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import tomllib
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Annotated

import typer

from dpsynth.cli.loglines import LogFormat
from dpsynth.cli.session import AsJson, Session, session
from dpsynth.cli.supervisor import Child, supervise
from dpsynth.core.errors import BadInput, IntegrityError

__all__ = ["serve"]

_LOCAL = ("localhost", "127.0.0.1", "::1")
_APP = Path(__file__).parents[1] / "ui" / "app.py"
_FLAGS = {
    "server.headless": "true",
    "server.enableXsrfProtection": "true",
    "server.xsrfCookieSameSite": "strict",
    "server.maxUploadSize": "1",
    "server.runOnSave": "false",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
    "client.disableDataExport": "true",
    "logger.level": "error",
}
"""What the pages always run with, whatever a configuration file says."""


def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the pages.")] = 8501,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many workers.")] = 1,
    address: Annotated[
        str, typer.Option(help="Address of the pages; another than localhost only with sign-in set up.")
    ] = "localhost",
    poll: Annotated[float, typer.Option(min=0.05, max=3600, help="Seconds between looks.")] = 2.0,
    log_format: LogFormat = None,
    as_json: AsJson = False,
) -> None:
    """Run the pages and the workers together, until Ctrl-C or SIGTERM; a process that dies is started again.

    Exit 0 after SIGTERM, 130 after Ctrl-C, else what kept a process from starting. What the pages' server
    says itself stands in the state directory, in review/pages.log.
    """
    if as_json:
        raise BadInput(
            "A server prints no JSON document", allowed="--log-format json", remedy="leave --json out"
        )
    _check(address, port)
    if find_spec("streamlit") is None:
        raise BadInput("The pages are not installed", remedy='pip install "dpsynth-platform[ui]"')
    here = session(context)
    _open_once(here)
    from dpsynth.service.logs import log_lines_to_stderr, tell

    log_lines_to_stderr(log_format or "text")
    with _page_log(here.state) as log:
        children = [_pages(here, address, port, log)]
        children += [_worker(here, number + 1, poll, log_format or "text") for number in range(workers)]
        typer.echo(f"pages at http://{address}:{port}; end with Ctrl-C", err=log_format != "json")
        raise typer.Exit(supervise(children, tell))


def _check(address: str, port: int) -> None:
    """Raises BadInput for an address that nobody may have, and for a port that somebody has."""
    if address not in _LOCAL:
        if os.environ.get("DPSYNTH_DEMO") == "1":
            raise BadInput(
                "The demo sign-in is for this machine alone",
                allowed="localhost where DPSYNTH_DEMO is 1",
                remedy="leave --address out, or unset DPSYNTH_DEMO",
            )
        if not _sign_in_is_set_up():
            raise BadInput(
                "Nobody could sign in at that address",
                allowed="localhost, or another address where .streamlit/secrets.toml has an [auth] section",
                remedy="set up sign-in with an OIDC provider, or leave --address out",
            )
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        raise BadInput(
            f"The pages cannot have port {port} at this address",
            allowed="an address of this machine and a port that is free",
            remedy="name another one with --port",
        ) from error


def _sign_in_is_set_up() -> bool:
    for folder in (Path.cwd(), Path.home()):
        try:
            said = tomllib.loads((folder / ".streamlit" / "secrets.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if said.get("auth"):
            return True
    return False


def _open_once(here: Session) -> None:
    """Make the state, or see at once why it cannot be used. Raises IntegrityError where it is read-only."""
    platform = here.platform()
    if platform.alarm:
        platform.notices.deliver()
        raise IntegrityError(
            f"The ledger is read-only: {platform.alarm}",
            allowed="serving a ledger that fits what witnesses it",
            remedy="find out with an auditor what happened; `dpsynth doctor` says more",
        )


def _page_log(state: Path) -> IO[bytes]:
    """What Streamlit says may quote what somebody typed: it goes to the review room, for the owner alone."""
    handle = os.open(state / "review" / "pages.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(handle, "wb")


def _environment(here: Session) -> dict[str, str]:
    named = {name: value for name, value in here.environment.items() if value}
    return {**os.environ, **named, "DPSYNTH_STATE": str(here.state)}


def _pages(here: Session, address: str, port: int, log: IO[bytes]) -> Child:
    flags = {**_FLAGS, "server.address": address, "server.port": str(port)}
    options = [word for name, value in flags.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "streamlit", "run", str(_APP), *options]
    return Child("pages", command, _environment(here), partial(_answers, address, port), log)


def _answers(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=1)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _worker(here: Session, number: int, poll: float, log_format: str) -> Child:
    name = f"{socket.gethostname()}-{os.getpid()}-{number}"
    words = ["run", "--worker", name, "--poll", str(poll), "--log-format", log_format]
    return Child(f"worker {number}", [sys.executable, "-m", "dpsynth.cli", *words], _environment(here))
