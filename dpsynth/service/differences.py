"""What a dossier asks for that the last published release of the same dataset did not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, select

from dpsynth.core.canonical import digest
from dpsynth.service.tables import requests

__all__ = ["differences", "last_published"]

_NANO = Decimal(10) ** 9


def last_published(connection: Connection, row: Row[tuple[object, ...]]) -> dict[str, Any] | None:
    """The dossier of the newest published release of the request's dataset; None if there is none."""
    asked = (
        select(requests.c.dossier)
        .where(requests.c.dataset_id == row.dataset_id, requests.c.state == "published")
        .where(requests.c.number < row.number)
        .order_by(requests.c.number.desc())
        .limit(1)
    )
    found = connection.execute(asked).scalar()
    return None if found is None else dict(json.loads(found)["body"])


def differences(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What differs, in plain words: ``{"since": release id or "", "lines": [{"what", "before", "now"}]}``.

    Requesters' words are compared, never repeated: a line says only that they differ.

    Args:
        now: body of the dossier that is being written, without this part.
        before: body of the last published one, or None.
    """
    if before is None:
        return {"since": "", "lines": []}
    old, new = _facts(before), _facts(now)
    lines = [{"what": what, "before": old[what], "now": new[what]} for what in new if old[what] != new[what]]
    words = ("purpose", "recipients")
    lines += [
        {"what": f"{word}, in the requester's words", "before": "other words", "now": "see above"}
        for word in words
        if digest({"text": before["request"][word]}) != digest({"text": now["request"][word]})
    ]
    return {"since": before["release_id"], "lines": lines}


def _facts(body: Mapping[str, Any]) -> dict[str, str]:
    release, guarantee, request = body["release"], body["guarantee"], body["request"]
    return {
        "policy": f"{body['policy']['id']} version {body['policy']['version']}",
        "requester": request["requester"],
        "synthesizer": request["synthesizer"],
        "part of the table": request["partition"] or "all of it",
        "rho": format((Decimal(guarantee["rho_nano"]) / _NANO).normalize(), "f"),
        "epsilon": f"{guarantee['epsilon']} at delta {guarantee['delta']}",
        "who is protected": f"{guarantee['unit']}, {guarantee['adjacency']}",
        "rows": f"{release['rows']:,}",
        "columns": ", ".join(release["columns"]),
        "recipients that the policy allows": ", ".join(release["recipients"]),
        "terms": release["terms"],
        "days until it expires": str(release["expires_after_days"]),
        "verdict of the audit": body["audit"]["verdict"],
    }
