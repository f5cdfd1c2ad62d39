"""Pictures of an audit for the shells, as SVG text: class A beside the dossier, class B on a logged look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from dpsynth.accounting.curves import NANO
from dpsynth.audit.export import part_of
from dpsynth.audit.gallery import Beside, figures
from dpsynth.audit.pictures.figure import Figure
from dpsynth.core.canonical import digest
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.charges import charge
from dpsynth.ledger.store import Store
from dpsynth.service.decisions import dossier
from dpsynth.service.group_risk import group_risk
from dpsynth.service.requests import request_row
from dpsynth.service.tables import requests
from dpsynth.service.views import PictureView

__all__ = ["mechanism_pictures", "review_pictures"]


def mechanism_pictures(store: Store, home: Path, actor: str, request_id: str) -> tuple[PictureView, ...]:
    """The ruler and the budget's waterfall. Reads a file in which there is no class B result.

    Raises what the dossier raises, and IntegrityError if the file is not the one that the dossier names;
    no pictures where the dossier is older than the file.
    """
    told = dossier(store, actor, request_id).body["audit"].get("mechanism_sha256")
    if told is None:
        return ()
    report = json.loads((home / "review" / f"{request_id}.mechanism.json").read_text())
    if digest(report) != told:
        raise IntegrityError(
            "The mechanism's evidence is not the one that the dossier names",
            allowed="the file that the worker wrote",
            remedy="stop all work on this state and run `dpsynth ledger verify`",
        )
    with store.read() as connection:
        failed = _failed(connection, request_row(connection, actor, request_id))
    drawn = figures(part_of(report, "A"), Beside(failed=failed))
    return tuple(_view(drawn[name]) for name in ("ruler", "waterfall"))


def review_pictures(report: Mapping[str, Any]) -> tuple[PictureView, ...]:
    """Every picture of class B, from a report that ``Platform.audit_report`` gave (and logged)."""
    part = part_of(report, "B")
    drawn = [*figures(part).values(), group_risk(part.results, part.plan["confidence"])]
    return tuple(_view(figure) for figure in drawn)


def _view(figure: Figure) -> PictureView:
    return PictureView(figure.title, figure.svg, figure.caption, figure.head, figure.rows, figure.absent)


def _failed(connection: Connection, row: Row[tuple[object, ...]]) -> list[dict[str, Any]]:
    """Earlier attempts on the same dataset that ended after their charge: they stay spent."""
    asked = select(requests.c.id, requests.c.rho).where(
        requests.c.dataset_id == row.dataset_id,
        requests.c.state == "failed",
        requests.c.created <= row.created,
    )
    ended = connection.execute(asked).all()
    lost = [one.rho for one in ended if charge(connection, one.id).state == "FORFEITED"]
    if not lost:
        return []
    step = "earlier attempts on this dataset that failed"
    return [{"step": step, "times": len(lost), "rho": sum(lost) / NANO}]
