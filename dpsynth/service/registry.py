"""What is registered: policies and the files they govern, by the policy's id."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, Row, select

from dpsynth.core.errors import BadInput
from dpsynth.ledger.store import Store
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.service.tables import datasets, withdrawals
from dpsynth.service.views import DatasetInfo

__all__ = ["dataset", "dataset_info", "dataset_row", "list_datasets", "parsed_policy", "policies_of_space"]


@lru_cache(maxsize=64)
def parsed_policy(text: str, name: str) -> Policy:
    """A stored policy text, parsed once; policies are frozen values."""
    return load_policy_text(text, name)


def dataset_info(row: Row[tuple[object, ...]], withdrawn: bool = False) -> DatasetInfo:
    """A registration as it is shown."""
    policy = parsed_policy(row.policy_text, row.id)
    return DatasetInfo(row.id, policy, row.policy_sha256, row.registered, withdrawn=withdrawn)


def list_datasets(store: Store) -> list[DatasetInfo]:
    """All registered datasets, in order of id."""
    with store.read() as connection:
        gone = set(connection.execute(select(withdrawals.c.dataset_id)).scalars())
        rows = connection.execute(select(datasets).order_by(datasets.c.id))
        return [dataset_info(row, row.id in gone) for row in rows]


def dataset_row(connection: Connection, dataset_id: str) -> Row[tuple[object, ...]]:
    """The registration of a dataset. Raises BadInput when it is unknown."""
    row = connection.execute(select(datasets).where(datasets.c.id == dataset_id)).first()
    if row is None:
        raise BadInput(
            "No dataset with this id is registered",
            allowed="a registered dataset id",
            remedy="list them with `dpsynth dataset list`",
        )
    return row


def dataset(connection: Connection, dataset_id: str) -> DatasetInfo:
    """A registered dataset by id."""
    return dataset_info(dataset_row(connection, dataset_id))


def policies_of_space(connection: Connection, id_space: str, but: str) -> list[Policy]:
    """Policies about the same people, other than that of the dataset ``but``."""
    rows = connection.execute(select(datasets).where(datasets.c.id != but)).all()
    found = [parsed_policy(row.policy_text, row.id) for row in rows]
    return [policy for policy in found if policy.privacy_unit.id_space == id_space]
