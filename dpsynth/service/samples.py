"""Further rows from the kept model of a published release: post-processing, free, for those who may."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Row

from dpsynth.core.curator import FittedModel
from dpsynth.core.domain import Domain
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.conditioning import condition
from dpsynth.graphical.margins import MOST_BYTES, Margin, parse_margins
from dpsynth.graphical.model import GraphicalModel
from dpsynth.graphical.reweighting import reweight
from dpsynth.graphical.where import parse, through_parents
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.mechanisms.rng import os_generator
from dpsynth.policy.model import Policy
from dpsynth.publish.further import format_of, written_rows
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import Outside, verify_bundle
from dpsynth.service.decisions import signed_dossier
from dpsynth.service.extending import extension_file
from dpsynth.service.models import open_model
from dpsynth.service.people import require_role
from dpsynth.service.registry import parsed_policy
from dpsynth.service.requests import request_row
from dpsynth.synthesizers.structure import StructuredModel

__all__ = ["MOST_ROWS", "SampleForm", "SampleView", "sample"]

MOST_ROWS = 100_000_000
"""Rows of one file; as many as a policy may have in a bundle."""

_PART = 200_000


@dataclass(frozen=True)
class SampleForm:
    """What is wanted of a kept model.

    Attributes:
        rows: 1 to ``MOST_ROWS``.
        out: a new file; its ending names the format.
        where: a condition that every row meets, in the language of dpsynth.graphical.where; "" for none.
        margins: files of public margins. The model is reweighted to them first, the condition then selects.
    """

    rows: int
    out: Path
    where: str = ""
    margins: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SampleView:
    """Rows that were drawn. ``probability`` is the model's of the condition, in six digits, or ""."""

    request: str
    file: str
    rows: int
    sha256: str
    probability: str
    lines: tuple[str, ...]


def sample(store: Store, home: Path, actor: str, request_id: str, form: SampleForm) -> SampleView:
    """Draw rows into a file. Costs nothing; who drew how many is written to the chain before they appear.

    For the requester, compliance officers and data owners, of a release that is published and verifies now.
    Raises PolicyRefusal, BadInput, Conflict or IntegrityError; no file is left behind then.
    """
    if not 1 <= form.rows <= MOST_ROWS:
        raise BadInput(
            "The number of rows cannot be drawn",
            allowed=f"1 to {MOST_ROWS}",
            remedy="draw them into several files",
        )
    with store.read() as connection:
        row, policy = _published(connection, actor, request_id)
        signed = str(signed_dossier(connection, row).body.get("model", {}).get("sha256", ""))
        outside = Outside(extension=extension_file(connection, home, row))
    kind = format_of(form.out, tuple(policy.release.formats))
    trust = load_public_keys(home / "keys")
    verify_bundle(home / "bundles" / f"release-{row.id}", trust, datetime.now(UTC), outside)
    kept = open_model(home, row.id, signed, policy.domain())
    model, probability = _shaped(kept, policy, form)
    rng = os_generator()
    parts = _parts(model, form.rows, rng)
    with written_rows(form.out, parts, policy.domain(), kind, rng) as sha256, store.write() as connection:
        _published(connection, actor, request_id)
        append(connection, "sample", request=request_id, actor=actor, rows=form.rows, file_sha256=sha256)
    lines = _lines(request_id, form, probability, beyond=bool(kept.beyond))
    return SampleView(request_id, str(form.out), form.rows, sha256, probability, lines)


def _published(connection: Connection, actor: str, request_id: str) -> tuple[Row[tuple[object, ...]], Policy]:
    row = request_row(connection, actor, request_id)
    require_role(connection, actor, "data_scientist", "compliance_officer", "data_owner")
    if row.state != "published":
        raise PolicyRefusal(
            "Further rows are drawn from published releases only",
            allowed="a release that was approved and published",
            remedy="wait for the decision; nothing was drawn",
        )
    return row, parsed_policy(row.policy_text, row.dataset_id)


def _shaped(model: GraphicalModel, policy: Policy, form: SampleForm) -> tuple[FittedModel, str]:
    """The model, reweighted and then conditioned, and the probability of the condition."""
    domain, probability = policy.domain(), ""
    if form.margins:
        targets = [margin for path in form.margins for margin in _margins(path, domain)]
        model = reweight(model, targets, policy.synthesis.max_model_cells)
    shaped: FittedModel = model
    if form.where:
        given = condition(model, through_parents(parse(form.where, domain), domain))
        shaped, probability = given, f"{given.probability:.6g}"
    if domain.determined or domain.impossible:
        shaped = StructuredModel(shaped, domain)
    return shaped, probability


def _margins(path: Path, domain: Domain) -> list[Margin]:
    try:
        # O_NONBLOCK: a named pipe put in place of the file must not hang the reader.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            plain = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            data = stream.read(MOST_BYTES + 1) if plain else b""
    except OSError:
        plain, data = False, b""
    if not plain:
        raise BadInput(
            f"The file of margins {path.name} cannot be read",
            allowed="a plain file, CSV or JSON",
            remedy="check --margins",
        )
    return parse_margins(data, path.name, domain)


def _parts(model: FittedModel, rows: int, rng: np.random.Generator) -> Iterator[SyntheticTable]:
    for start in range(0, rows, _PART):
        yield model.sample(min(_PART, rows - start), rng)


def _lines(request_id: str, form: SampleForm, probability: str, beyond: bool) -> tuple[str, ...]:
    lines = [f"{form.rows:,} rows from the model of {request_id}, in {form.out}. They cost nothing."]
    if form.margins:
        names = ", ".join(path.name for path in form.margins)
        lines.append(f"Reweighted to the margins of {names}: these numbers are yours, not the release's.")
    if form.where:
        lines.append(f"Every row meets the condition, which has probability {probability} in the model.")
    if beyond and (form.where or form.margins):
        lines.append(
            "These rows follow the model alone, not the pairs that were counted beside it: the rows of the "
            "bundle, and further ones without --where and --margins, follow both."
        )
    return tuple(lines)
