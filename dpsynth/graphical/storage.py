"""A fitted model as bytes, and back: an npz archive of plain arrays, never a pickle.

It holds the calibrated junction tree and the estimated total, which is all that post-processing needs, and
nothing that the noisy answers did not already say. Columns go by name, so that a later version may number
them otherwise; hidden ones, which a tree may have beside those of the domain, come after them. The same model
gives the same bytes.
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
from dpsynth.graphical.factor import Array
from dpsynth.graphical.inference import BeliefTree
from dpsynth.graphical.junction_tree import JunctionTree
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.model import GraphicalModel

__all__ = ["model_bytes", "read_model"]

_FORMAT = "dpsynth-graphical-model"
_VERSION = 1
_SUMS_DIFFER = 1e-6


def model_bytes(model: GraphicalModel) -> bytes:
    """The model in format ``dpsynth-graphical-model``, version 1."""
    layout, tree = model.layout, model.beliefs.tree
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "columns": [[name, layout.domain[name].size] for name in layout.names],
        "hidden": list(column_sizes(model.beliefs)[len(layout.names) :]),
        "cliques": [list(clique) for clique in tree.cliques],
        "parent": list(tree.parent),
        "total": float(model.total).hex(),
    }
    arrays = {"head": np.frombuffer(canonical_bytes(head), dtype=np.uint8)}
    for place, belief in enumerate(model.beliefs.beliefs):
        arrays[f"belief_{place}"] = np.asarray(belief, dtype=np.float64, order="C")
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
            beliefs = [archive[f"belief_{place}"] for place in range(len(head["cliques"]))]
        return _rebuilt(head, beliefs, domain)
    except (ValueError, KeyError, TypeError, IndexError, OSError, EOFError, zipfile.BadZipFile):
        _refuse("cannot be read")


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(
        f"The stored model {what}",
        allowed="a model that this program wrote, for the domain of its policy",
        remedy="use the rows of the bundle, which stand by themselves",
    )


def _rebuilt(head: dict[str, Any], beliefs: list[Array], domain: Domain) -> GraphicalModel:
    layout = Layout(domain)
    if sorted((name, int(size)) for name, size in head["columns"]) != sorted(
        zip(domain.names, domain.shape, strict=True)
    ):
        _refuse("is of another domain")
    number = {name: place for place, name in enumerate(layout.names)}
    hidden = [int(size) for size in head["hidden"]]
    ids = [number[name] for name, _ in head["columns"]]  # from the file's numbering to ours
    ids += range(len(ids), len(ids) + len(hidden))
    cliques, tables = [], []
    for clique, belief in zip(head["cliques"], beliefs, strict=True):
        ours = [ids[column] for column in clique]
        order = np.argsort(ours)
        cliques.append(tuple(ours[axis] for axis in order))
        tables.append(np.ascontiguousarray(belief.transpose(order), dtype=np.float64))
    tree = JunctionTree(tuple(cliques), tuple(int(up) for up in head["parent"]))
    _require_sound(tree, tables, (*layout.sizes, *hidden))
    return GraphicalModel(layout, {}, BeliefTree(tree, tables), float.fromhex(head["total"]), 0.0)


def _require_sound(tree: JunctionTree, tables: list[Array], sizes: tuple[int, ...]) -> None:
    """Shapes, probabilities, and a tree: each parent before its child."""
    covered = {column for clique in tree.cliques for column in clique}
    ordered = len(tree.parent) == len(tree.cliques) and tree.parent[:1] == (-1,)
    if covered != set(range(len(sizes))) or not ordered:
        _refuse("is no tree over its columns")
    if any(not 0 <= up < place for place, up in enumerate(tree.parent) if place):
        _refuse("is no tree over its columns")
    for clique, table in zip(tree.cliques, tables, strict=True):
        shape = tuple(sizes[column] for column in clique)
        if table.shape != shape or not np.isfinite(table).all():
            _refuse("holds a table of the wrong shape or without numbers")
        if (table < 0).any() or abs(float(table.sum()) - 1.0) > _SUMS_DIFFER:
            _refuse("holds a table that is no probability")
