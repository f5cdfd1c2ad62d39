"""Runs inside the engine's own environment, as a program: one smartnoise-synth synthesizer, once.

It is started by the launcher without network, in a private directory. ``request.json`` there holds public
facts alone; the encoded rows come in on stdin as Parquet. It leaves ``answer.parquet`` (integer codes, one
column for each asked) and ``answer.json``. It imports nothing of dpsynth, which is not installed here.

An audit on made-up rows asks for many fits at once (``fits`` in the request: table and rows of each; a column
``table`` beside the codes). They run one after another, each with a synthesizer of its own; the answer has a
column ``fit`` beside the codes, and for each fit the class of the error that ended it, or "".
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

_FORBIDDEN = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}


def guard(event: str, _: object) -> None:
    """Audit hook: no conversation with anybody, also where the kernel gave no namespace."""
    if event in _FORBIDDEN:
        raise PermissionError("the network is not for this process")


def seed_from_the_system() -> None:
    """Feed every global generator from the operating system, and keep a fixed seed from coming back.

    DPCTGAN and PATECTGAN call ``torch.manual_seed(0)``, which would make their draws repeatable.
    """
    random, numpy = importlib.import_module("random"), importlib.import_module("numpy")
    torch: Any = importlib.import_module("torch")
    random.seed(os.urandom(32))
    numpy.random.seed(list(os.urandom(624)))

    def seed(_: object = None) -> Any:
        return torch.random.manual_seed(int.from_bytes(os.urandom(8), "big", signed=True))

    seed()
    torch.manual_seed = seed
    torch.cuda.manual_seed = lambda _=None: None
    torch.set_num_threads(1)


def sample_independently() -> None:
    """Use the sampler of mbi 1.1 that draws row by row: its default correlates what the model does not."""
    model = importlib.import_module("mbi").MarkovRandomField
    draw = model.synthetic_data
    model.synthetic_data = lambda self, rows=None, method="sample": draw(self, rows, "sample")


def public_transformer(sizes: list[int], one_hot: bool, nullable: bool) -> Any:
    """A transformer that knows the public codes 0 .. size-1 of each column and learns nothing from rows."""
    kinds = importlib.import_module("snsynth.transform")
    columns = []
    for _ in sizes:
        label = kinds.LabelTransformer(nullable=nullable)
        columns.append(kinds.ChainTransformer([label, kinds.OneHotEncoder()]) if one_hot else label)
    whole = kinds.TableTransformer(columns)
    whole.fit([tuple(row % size for size in sizes) for row in range(max(sizes))])
    return whole


def make(method: str, epsilon: float, delta: float) -> Any:
    """The synthesizer of that name, for the whole budget."""
    load = importlib.import_module
    match method:
        case "mst":
            return load("snsynth.mst").MSTSynthesizer(epsilon, delta)
        case "aim":
            return load("snsynth.aim").AIMSynthesizer(epsilon, delta)
        case "mwem":
            return load("snsynth.mwem").MWEMSynthesizer(epsilon)
        case "pacsynth":
            made = load("snsynth.aggregate_seeded").AggregateSeededSynthesizer
            return made(epsilon=epsilon, delta=delta)
        case "patectgan":
            return load("snsynth.pytorch.nn").PATECTGAN(epsilon=epsilon, delta=delta, cuda=False)
        case "dpctgan":
            return load("snsynth.pytorch.nn").DPCTGAN(epsilon=epsilon, delta=delta, cuda=False)
    raise ValueError("no such method")


def completed(columns: Any, sizes: list[int], rows: int) -> Any:
    """As many whole rows as asked: what PAC-Synth leaves out is drawn from what it released.

    A missing value is drawn from the other released values of its column (uniformly from the public codes
    if there is none); missing rows are released rows again. Both are post-processing.
    """
    numpy = importlib.import_module("numpy")
    if len(columns) == 0:
        return numpy.column_stack([numpy.random.randint(0, size, rows) for size in sizes])
    found = columns.to_numpy(dtype=float, copy=True)[:rows]
    for index, size in enumerate(sizes):
        missing = ~numpy.isfinite(found[:, index])
        known = found[~missing, index]
        pool = known if len(known) else numpy.arange(size)
        found[missing, index] = numpy.random.choice(pool, int(missing.sum()))
    again = numpy.random.randint(0, len(found), rows - len(found))
    return numpy.concatenate([found, found[again]])


def self_test(sizes: list[int], rows: int) -> Any:
    """Made-up rows, after making every synthesizer once: what cannot be imported is missed now."""
    for method in ("mst", "aim", "mwem", "pacsynth", "patectgan", "dpctgan"):
        make(method, 1.0, 1e-6)
    sample_independently()
    numpy = importlib.import_module("numpy")
    return numpy.column_stack([numpy.random.randint(0, size, rows) for size in sizes])


def synthesize(request: dict[str, Any], rows: Any) -> Any:
    """Codes of the released rows, shape (rows, columns); constant columns are never shown to the library."""
    pandas, numpy = importlib.import_module("pandas"), importlib.import_module("numpy")
    sizes, method = request["sizes"], request["method"]
    used = [index for index, size in enumerate(sizes) if size > 1]
    used_sizes = [sizes[index] for index in used]
    fitted = make(method, float(request["epsilon"]), float(request["delta"]))
    transformer = public_transformer(used_sizes, method in ("patectgan", "dpctgan"), method == "pacsynth")
    table = rows.iloc[:, used].astype("int64")
    fitted.fit(table, transformer=transformer, preprocessor_eps=0.0)
    # Only an audit leaves the number of rows to the library, to see what it takes by itself.
    released = pandas.DataFrame(fitted.sample(*([] if request["rows"] is None else [request["rows"]])))
    count = len(released) if request["rows"] is None else request["rows"]
    found = numpy.zeros((count, len(sizes)), dtype="int64")
    found[:, used] = completed(released, used_sizes, count).astype("int64")
    return found


def many(request: dict[str, Any], rows: Any) -> tuple[Any, list[str]]:
    """Each fit that is asked for, one after another: codes and the fit's number, and how each one ended."""
    numpy = importlib.import_module("numpy")
    width, made, ends = len(request["sizes"]), [], []
    for number, (table, count) in enumerate(request["fits"]):
        own = rows[rows["table"] == table].drop(columns="table")
        try:
            found = synthesize({**request, "rows": count}, own)
        except Exception as error:
            ends.append(type(error).__name__)
            continue
        ends.append("")
        made.append(numpy.column_stack([found, numpy.full(len(found), number)]))
    return numpy.concatenate([numpy.zeros((0, width + 1), dtype="int64"), *made]), ends


def main() -> None:
    """Read the request, run it, leave the answer."""
    sys.addaudithook(guard)
    request = json.loads(Path("request.json").read_text())
    pandas = importlib.import_module("pandas")
    seed_from_the_system()
    rows = pandas.read_parquet(io.BytesIO(sys.stdin.buffer.read()))
    names, ends = [f"c{index}" for index in range(len(request["sizes"]))], [""]
    if request["method"] == "selftest":
        found = self_test(request["sizes"], request["rows"])
    else:
        if request["method"] in ("mst", "aim"):
            sample_independently()
        if "fits" in request:
            found, ends = many(request, rows)
            names.append("fit")
        else:
            found = synthesize(request, rows)
    pandas.DataFrame(found, columns=names).to_parquet("answer.parquet", index=False)
    packages = ("smartnoise-synth", "torch", "mbi", "opacus", "opendp", "pac-synth", "numpy")
    versions = {name: version(name) for name in packages}
    Path("answer.json").write_text(json.dumps({"versions": versions, "fits": ends}))


if __name__ == "__main__":
    main()
    os._exit(0)  # the answer is written; Arrow's threads can abort an interpreter on its way out
