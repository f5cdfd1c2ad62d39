"""Exports for those who answer for a dataset. Each is a look that the chain names before it is shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from dpsynth.ledger.chain import append
from dpsynth.ledger.scopes import balances
from dpsynth.ledger.store import Store
from dpsynth.publish.gdpr import Processing, gdpr_page, gdpr_record
from dpsynth.publish.inputs import rho_text
from dpsynth.service.budgets import shared_scopes
from dpsynth.service.clock import iso_now
from dpsynth.service.people import require_role
from dpsynth.service.quotes import scope_view
from dpsynth.service.registry import dataset_info, dataset_row
from dpsynth.service.tables import requests
from dpsynth.service.views import ScopeView

__all__ = ["Exports", "GdprExport"]


@dataclass(frozen=True)
class GdprExport:
    """The record of one dataset, as a JSON value and as Markdown that says the same."""

    dataset_id: str
    record: dict[str, Any]
    page: str


class Exports:
    """Documents that are made on demand from the policy in force and the ledger.

    Args:
        witnessed: the platform's guard around an action that the outside sinks witness.
    """

    def __init__(self, store: Store, witnessed: Callable[[], AbstractContextManager[None]]) -> None:
        self._store = store
        self._witnessed = witnessed

    def gdpr(self, actor: str, dataset_id: str) -> GdprExport:
        """Record of processing and annex to the impact assessment (GDPR Articles 30 and 35).

        For compliance officers and data owners; raises PolicyRefusal for others, BadInput for a dataset that
        is not registered. An export that cannot be written to the chain is not made.
        """
        with self._witnessed(), self._store.write() as connection:
            require_role(connection, actor, "compliance_officer", "data_owner")
            record = gdpr_record(_processing(connection, actor, dataset_id))
            append(connection, "view", actor=actor, dataset=dataset_id, what="gdpr record")
        return GdprExport(dataset_id, record, gdpr_page(record))


def _processing(connection: Connection, actor: str, dataset_id: str) -> Processing:
    info = dataset_info(dataset_row(connection, dataset_id))
    scopes = [scope.id for scope in shared_scopes(info.policy, info.policy_sha256)]
    # A dataset that nobody asked for yet has no balance.
    found = {balance.scope.id: scope_view(balance) for balance in balances(connection, scopes)}
    published = select(requests).where(requests.c.dataset_id == dataset_id, requests.c.bundle != "")
    return Processing(
        policy=info.policy,
        policy_sha256=info.policy_sha256,
        registered=info.registered,
        releases=tuple(_release(row) for row in connection.execute(published.order_by(requests.c.number))),
        budgets=tuple(_budget(found[one]) for one in scopes if one in found),
        made=iso_now(),
        made_for=actor,
    )


def _release(row: Row[tuple[object, ...]]) -> str:
    part = f", part {row.part}" if row.part else ""
    return (
        f"{row.id}{part}: asked {row.created[:10]}, {row.synthesizer}, epsilon {row.epsilon} at delta "
        f"{row.delta}; {row.state}"
    )


def _budget(scope: ScopeView) -> str:
    spent, cap = rho_text(scope.spent_nano), rho_text(scope.rho_cap_nano)
    return f"{scope.title}: rho {spent} of {cap} is spent ({scope.epsilon_cap} at most)"
