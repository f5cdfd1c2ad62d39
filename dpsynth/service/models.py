"""Fitted models that are kept for further rows: noisy answers' post-processing, but not everyone's to have.

A model lies in the state directory, readable by its owner only, from the end of the run. The dossier names
its digest, so whoever approves a release approves what may be drawn from it. It is no part of the bundle: the
policy says which files leave, people sign those files, and the attacks were made on those rows. A model is
opened for a release that is published, and only if it still has the digest that was signed.
"""

from __future__ import annotations

import os
from pathlib import Path

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.curator import FittedModel
from dpsynth.core.domain import Domain
from dpsynth.core.errors import IntegrityError, PolicyRefusal
from dpsynth.graphical.model import GraphicalModel
from dpsynth.graphical.storage import model_bytes, read_model
from dpsynth.synthesizers.structure import StructuredModel, reduced

__all__ = ["keep_model", "open_model"]


def keep_model(home: Path, request_id: str, model: FittedModel) -> str:
    """Keep a graphical model, durably; its SHA-256. Any other model is not kept: an empty text."""
    inner = model.inner if isinstance(model, StructuredModel) else model
    if not isinstance(inner, GraphicalModel):
        return ""
    data, path = model_bytes(inner), _path(home, request_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    return sha256_hex(data)


def open_model(home: Path, request_id: str, sha256: str, domain: Domain) -> GraphicalModel:
    """The kept model of a request, over the columns of ``domain`` that do not follow from others.

    Raises PolicyRefusal where none was kept, IntegrityError where it is not the one with this digest.
    """
    if not sha256:
        raise PolicyRefusal(
            "No model was kept for this release: its synthesizer gives rows and no graphical model",
            allowed="releases of synthesizers that fit a graphical model, such as aim, mst and independent",
            remedy="use the rows of the bundle, or ask for a release by another synthesizer",
        )
    try:
        data = _path(home, request_id).read_bytes()
    except OSError:
        data = b""
    if sha256_hex(data) != sha256:
        raise IntegrityError(
            "The kept model is gone or is not the one that the approvers signed for",
            allowed="the model that the run left",
            remedy="use the rows of the bundle; tell an auditor that the model was changed",
        )
    return read_model(data, reduced(domain))


def _path(home: Path, request_id: str) -> Path:
    return home / "models" / f"{request_id}.npz"
