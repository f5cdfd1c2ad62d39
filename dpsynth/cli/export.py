"""``dpsynth export``: documents for those who answer for a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.session import AsJson, session
from dpsynth.core.errors import BadInput

__all__ = ["app", "gdpr"]

app = typer.Typer(help="Documents for compliance officers and data owners; each export is logged.")


@app.callback()
def _group() -> None:
    """Keep the name of the document a word of its own, also while there is one."""


@app.command()
def gdpr(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Id of the dataset.")],
    out: Annotated[
        Path | None, typer.Option(help="Write OUT.md and OUT.json, both new, in place of printing.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Record of processing (Article 30) and annex to an impact assessment (Article 35) of a dataset."""
    here = session(context)
    paths = [] if out is None else [Path(f"{out}.{kind}") for kind in ("md", "json")]
    with ExitStack() as stack:
        # Before the look is logged: a place that cannot be written to costs nobody an entry.
        streams = [stack.enter_context(_new_file(path)) for path in paths]
        made = here.platform().exports.gdpr(here.actor(), dataset)
        texts = (made.page, json.dumps(made.record, indent=2, ensure_ascii=False) + "\n")
        for stream, text in zip(streams, texts, strict=False):
            stream.write(text)
    if paths:
        names = [str(path) for path in paths]
        emit(as_json, {"dataset": dataset, "files": names}, [f"Written: {name}" for name in names])
    else:
        emit(as_json, made.record, made.page.splitlines())


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """A new file that is gone again if the block fails. Raises BadInput if it cannot be made."""
    try:
        stream = path.open("x", encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written", allowed="a new file in a directory of yours", remedy="name another"
        ) from error
    try:
        with stream:
            yield stream
    except BaseException:
        path.unlink()
        raise
