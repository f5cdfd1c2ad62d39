"""Exact measures of utility, for the review room: who may look, and that each look is written down first."""

from __future__ import annotations

import json
from typing import Any

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import Conflict, IntegrityError
from dpsynth.ledger.chain import append
from dpsynth.service.decisions import refuse_requester, signed_dossier
from dpsynth.service.desk import Desk
from dpsynth.service.people import require_role
from dpsynth.service.requests import request_row

__all__ = ["UtilityRoom"]


class UtilityRoom(Desk):
    """Looks at exact numbers about how useful a release is."""

    def exact(self, actor: str, request_id: str) -> dict[str, Any]:
        """The exact measures (compliance officers and auditors, never the requester). Each look is logged.

        Raises PolicyRefusal for anybody else, Conflict where a run left none, IntegrityError if the file is
        not the one that the dossier names.
        """
        with self._witnessed(), self._store.write() as connection:
            require_role(connection, actor, "compliance_officer", "auditor")
            row = request_row(connection, actor, request_id)
            refuse_requester(row, actor)
            told = signed_dossier(connection, row).body.get("utility")
            if told is None:
                raise Conflict(
                    "This run made no exact measures of utility",
                    allowed="runs of a program that makes them",
                    remedy="a new run is a new request with its own charge",
                )
            append(connection, "view", actor=actor, request=request_id, what="exact utility")
        text = (self._home / "review" / f"{request_id}.utility.json").read_text(encoding="utf-8")
        if sha256_hex(text.encode()) != told["exact_sha256"]:
            raise IntegrityError(
                "The exact measures are not those that the dossier names",
                allowed="the file that the worker wrote",
                remedy="stop all work on this state and run `dpsynth ledger verify`",
            )
        found: dict[str, Any] = json.loads(text)
        return found
