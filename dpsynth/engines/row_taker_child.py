"""Runs as a program of its own: loads somebody's row taker and has it fit many times, each in a fork.

It is started by the launcher without network, in a private directory, with an empty environment.
``request.json`` there holds public facts; made-up rows come in on stdin as one array (numpy's own format,
the last column is the row's table). It leaves ``answer.parquet`` (codes and a last column with the fit's
number) and ``answer.json`` (for each fit "", ``columns``, ``values``, ``hang`` or an error's class). It
imports nothing of dpsynth: what it loads may do anything to this process.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

_POLL = 0.01


def load(request: dict[str, Any]) -> Any:
    """The row taker or synthesizer: an instance, or what its class or function makes."""
    sys.path[:] = [*request["path"], *sys.path]
    module, _, name = request["target"].partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found() if isinstance(found, type) or not hasattr(found, "name") else found


def about(request: dict[str, Any]) -> dict[str, Any]:
    """What the target is, from its own words and shape."""
    made = load(request)
    takes_rows = callable(getattr(made, "fit_sample", None))
    asks = callable(getattr(made, "plan", None)) and callable(getattr(made, "fit", None))
    return {
        "kind": "rows" if takes_rows else "curator" if asks else "",
        "name": str(getattr(made, "name", request["target"])),
        "version": str(getattr(made, "version", "unknown")),
        "file": str(getattr(sys.modules[type(made).__module__], "__file__", "") or ""),
    }


def released(found: Any, names: list[str], most: int) -> Any:
    """The release as numbers, shape (rows, columns); a word for what cannot be read so."""
    numpy, pandas = importlib.import_module("numpy"), importlib.import_module("pandas")
    if not isinstance(found, pandas.DataFrame) or sorted(map(str, found.columns)) != sorted(names):
        return "columns"
    try:
        numbers = found.set_axis([str(one) for one in found.columns], axis=1)[names].iloc[:most]
        return numpy.asarray(numbers.to_numpy(dtype="float64", na_value=float("nan")))
    except (TypeError, ValueError):
        return "values"


def one_fit(request: dict[str, Any], rows: Any, count: int | None, into: Path) -> str:
    """Load, fit and release in this process; the release goes to a file. How it ended, as a word.

    Loaded here and not before the fork: generators that a module makes would else be copies of each other,
    and all fits would draw the same noise. For the same reason the global ones are fed anew.
    """
    numpy, pandas = importlib.import_module("numpy"), importlib.import_module("pandas")
    importlib.import_module("random").seed(os.urandom(32))
    numpy.random.seed(list(os.urandom(624)))
    domain = dict(request["domain"])
    try:
        table = pandas.DataFrame(rows, columns=list(domain))
        budget = float(request["epsilon"]), float(request["delta"])
        answer = load(request).fit_sample(table, domain, *budget, count)
        found = released(answer, list(domain), request["most_rows"])
        if isinstance(found, str):
            return found
        numpy.save(into, found, allow_pickle=False)
    except BaseException as error:  # an exit, too, is how a fit ended
        return type(error).__name__
    return ""


def in_a_fork(step: Any, seconds: float) -> str:
    """Run the step in a process of its own, for so long. The word that it returned, or how it ended."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.close(read)
        os.setpgid(0, 0)
        os.write(write, str(step()).encode()[:100])
        os._exit(0)
    os.close(write)
    until = time.monotonic() + seconds
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(read)
            return "hang"
        time.sleep(_POLL)
    with os.fdopen(read, "rb") as said:
        word = said.read(100).decode(errors="replace")
    return word if ended[1] == 0 else "Killed"


def fits(request: dict[str, Any], data: bytes) -> tuple[Any, list[str]]:
    """Every fit that is asked for, until one does not end."""
    numpy, width = importlib.import_module("numpy"), len(request["domain"])
    importlib.import_module("pandas")  # before the forks: they need not import it each
    whole = numpy.load(io.BytesIO(data), allow_pickle=False)
    made, ends = [numpy.zeros((0, width + 1))], []
    for number, (table, count) in enumerate(request["fits"]):
        rows, into = whole[whole[:, -1] == table][:, :-1], Path(f"fit-{number}.npy")
        word = in_a_fork(lambda: one_fit(request, rows, count, into), request["seconds"])  # noqa: B023
        ends.append(word)
        if word == "hang":
            break
        if not word:
            codes = numpy.load(into, allow_pickle=False)
            made.append(numpy.column_stack([codes, numpy.full(len(codes), number)]))
            into.unlink()
    return numpy.concatenate(made), ends


def main() -> None:
    """Read the request, run it, leave the answer."""
    request = json.loads(Path("request.json").read_text())
    if "fits" not in request:
        Path("answer.json").write_text(json.dumps(about(request)))
        Path("answer.parquet").write_bytes(b"")
        return
    found, ends = fits(request, sys.stdin.buffer.read())
    pandas = importlib.import_module("pandas")
    names = [*(f"c{at}" for at in range(found.shape[1] - 1)), "fit"]
    pandas.DataFrame(found, columns=names).to_parquet("answer.parquet", index=False)
    Path("answer.json").write_text(json.dumps({"fits": ends}))


if __name__ == "__main__":
    main()
    os._exit(0)  # the answer is written; Arrow's threads can abort an interpreter on its way out
