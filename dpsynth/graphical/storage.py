"""A fitted model as bytes, and back: an npz archive of plain arrays, never a pickle.

It holds the calibrated junction tree and the estimated total; of a model that was told counts beyond its tree
these too, with its potentials: rows follow both. That is all that post-processing needs, and nothing that the
noisy answers did not already say. Columns go by name, so that a later version may number them otherwise;
hidden ones, which a tree may have beside those of the domain, come after them. The same model gives the same
bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any, NoReturn

import numpy as np

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.domain import Domain
from dpsynth.core.errors import IntegrityError
from dpsynth.graphical.conditioning import column_sizes
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.inference import BeliefTree
from dpsynth.graphical.junction_tree import JunctionTree
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.measurements import Target
from dpsynth.graphical.model import GraphicalModel

__all__ = ["model_bytes", "read_model"]

_FORMAT = "dpsynth-graphical-model"
_VERSION = 1
_SUMS_DIFFER = 1e-6


def model_bytes(model: GraphicalModel) -> bytes:
    """The model in format ``dpsynth-graphical-model``, version 1."""
    layout, tree = model.layout, model.beliefs.tree
    potentials = dict(model.potentials) if model.beyond else {}  # without it, beliefs say all
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "columns": [[name, layout.domain[name].size] for name in layout.names],
        "hidden": list(column_sizes(model.beliefs)[len(layout.names) :]),
        "cliques": [list(clique) for clique in tree.cliques],
        "parent": list(tree.parent),
        "total": float(model.total).hex(),
        "potentials": [list(ids) for ids in potentials],
        "beyond": [[list(target.ids), float(target.variance).hex()] for target in model.beyond],
    }
    arrays = {"head": np.frombuffer(canonical_bytes(head), dtype=np.uint8)}
    parts = {
        "belief": model.beliefs.beliefs,
        "potential": list(potentials.values()),
        "beyond": [target.values for target in model.beyond],
    }
    for kind, tables in parts.items():
        for place, table in enumerate(tables):
            arrays[f"{kind}_{place}"] = np.asarray(table, dtype=np.float64, order="C")
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def read_model(data: bytes, domain: Domain) -> GraphicalModel:
    """The model that :func:`model_bytes` wrote, for sampling, conditioning and reweighting.

    Args:
        data: whole content of the file.
        domain: the public domain it was fitted over.

    Raises IntegrityError on bytes that are no such model, of another version, or of another domain.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            head = json.loads(archive["head"].tobytes())
            if (head["format"], head["version"]) != (_FORMAT, _VERSION):
                _refuse(f"is not of format {_FORMAT}, version {_VERSION}")
            lengths = {"belief": "cliques", "potential": "potentials", "beyond": "beyond"}
            parts = {
                kind: [archive[f"{kind}_{place}"] for place in range(len(head[listed]))]
                for kind, listed in lengths.items()
            }
        return _rebuilt(head, parts, domain)
    except (ValueError, KeyError, TypeError, IndexError, OSError, EOFError, zipfile.BadZipFile):
        _refuse("cannot be read")


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(
        f"The stored model {what}",
        allowed="a model that this program wrote, for the domain of its policy",
        remedy="use the rows of the bundle, which stand by themselves",
    )


def _rebuilt(head: dict[str, Any], parts: dict[str, list[Array]], domain: Domain) -> GraphicalModel:
    layout = Layout(domain)
    if sorted((name, int(size)) for name, size in head["columns"]) != sorted(
        zip(domain.names, domain.shape, strict=True)
    ):
        _refuse("is of another domain")
    number = {name: place for place, name in enumerate(layout.names)}
    hidden = [int(size) for size in head["hidden"]]
    ours = [number[name] for name, _ in head["columns"]]  # from the file's numbering to ours
    ours += range(len(ours), len(ours) + len(hidden))
    sizes = (*layout.sizes, *hidden)

    def tables(kind: str, cliques: list[list[int]]) -> list[tuple[Ids, Array]]:
        return [_turned(ours, *each) for each in zip(cliques, parts[kind], strict=True)]

    beliefs = tables("belief", head["cliques"])
    tree = JunctionTree(tuple(ids for ids, _ in beliefs), tuple(int(up) for up in head["parent"]))
    calibrated = BeliefTree(tree, [table for _, table in beliefs])
    _require_sound(tree, list(calibrated.beliefs), sizes)
    potentials = dict(tables("potential", head["potentials"]))
    told = tables("beyond", [ids for ids, _ in head["beyond"]])
    _require_shapes([*potentials.items(), *told], sizes)
    variances = [float.fromhex(variance) for _, variance in head["beyond"]]
    if not all(0.0 < variance < np.inf for variance in variances):
        _refuse("holds counts without a variance")
    beyond = tuple(Target(*one, variance) for one, variance in zip(told, variances, strict=True))
    total = float.fromhex(head["total"])
    return GraphicalModel(layout, potentials, calibrated, total, 0.0, beyond=beyond)


def _turned(ours: list[int], clique: list[int], values: Array) -> tuple[Ids, Array]:
    """A table of the file in our numbering: ascending ids, axes in that order."""
    ids = [ours[column] for column in clique]
    order = np.argsort(ids)
    return tuple(ids[axis] for axis in order), np.ascontiguousarray(values.transpose(order), dtype=np.float64)


def _require_sound(tree: JunctionTree, tables: list[Array], sizes: tuple[int, ...]) -> None:
    """Shapes, probabilities, and a tree: each parent before its child."""
    covered = {column for clique in tree.cliques for column in clique}
    ordered = len(tree.parent) == len(tree.cliques) and tree.parent[:1] == (-1,)
    if covered != set(range(len(sizes))) or not ordered:
        _refuse("is no tree over its columns")
    if any(not 0 <= up < place for place, up in enumerate(tree.parent) if place):
        _refuse("is no tree over its columns")
    _require_shapes(list(zip(tree.cliques, tables, strict=True)), sizes)
    for table in tables:
        if (table < 0).any() or abs(float(table.sum()) - 1.0) > _SUMS_DIFFER:
            _refuse("holds a table that is no probability")


def _require_shapes(tables: list[tuple[Ids, Array]], sizes: tuple[int, ...]) -> None:
    for ids, table in tables:
        shape = tuple(sizes[column] for column in ids)
        if table.shape != shape or not np.isfinite(table).all():
            _refuse("holds a table of the wrong shape or without numbers")
