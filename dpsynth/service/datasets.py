"""Registration: a policy and the file it governs. The data owner sees every fault of the file here."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, Row, select

from dpsynth.accounting.curves import ORDERS
from dpsynth.accounting.statement import Cap, compile_cap, parse_rho_nano
from dpsynth.core.errors import BadInput, Conflict
from dpsynth.ledger.chain import append
from dpsynth.ledger.charges import Scope, open_scope
from dpsynth.ledger.store import Store
from dpsynth.policy.loader import load_policy_text, policy_sha256
from dpsynth.policy.model import Cap as StatedCap
from dpsynth.policy.model import Policy
from dpsynth.publish.rows import assert_exportable
from dpsynth.service.clock import iso_now
from dpsynth.service.people import require_role
from dpsynth.service.plans import audit_plan
from dpsynth.service.tables import datasets
from dpsynth.service.views import DatasetInfo
from dpsynth.vault.sources import fingerprint, parse, read_bytes

__all__ = [
    "cap_of",
    "dataset",
    "dataset_row",
    "lifetime_scope",
    "list_datasets",
    "parsed_policy",
    "register",
    "requester_scope",
]


@lru_cache(maxsize=64)
def parsed_policy(text: str, name: str) -> Policy:
    """A stored policy text, parsed once; policies are frozen values."""
    return load_policy_text(text, name)


def cap_of(spec: StatedCap) -> Cap:
    """A policy's cap as (rho, omega), rounded against the spender."""
    if spec.rho is not None:
        return Cap(parse_rho_nano(spec.rho, up=False), ORDERS[-1])
    return compile_cap(str(spec.epsilon), str(spec.delta))


def lifetime_scope(policy: Policy, sha256: str) -> Scope:
    """The budget of the people in the policy's id space; for life, across all tables that hold them."""
    cap, space = cap_of(policy.budget.lifetime), policy.privacy_unit.id_space
    title = f"Lifetime budget of everyone in {space}"
    return Scope(f"id-space:{space}", "id_space", title, cap.rho_nano, cap.omega, sha256)


def requester_scope(policy: Policy, sha256: str, requester: str) -> Scope:
    """A requester's ceiling inside the lifetime budget; never extra budget."""
    cap, space = cap_of(policy.budget.per_requester), policy.privacy_unit.id_space
    title = f"Ceiling of {requester} inside {space}"
    scope_id = f"requester:{space}:{requester}"
    return Scope(scope_id, "requester", title, cap.rho_nano, cap.omega, sha256)


def register(store: Store, actor: str, policy_path: Path, source_path: Path) -> DatasetInfo:
    """Register a file under a policy. It is checked in full; nothing about its rows is kept but a hash."""
    with store.read() as connection:
        require_role(connection, actor, "data_owner")
    text = _read_policy(policy_path)
    policy = load_policy_text(text, policy_path.name)
    audit_plan(policy)
    assert_exportable(policy.domain())
    data = read_bytes(source_path, policy.source.max_bytes)
    parse(data, policy)
    sha256 = fingerprint(data)
    with store.write() as connection:
        return _record(connection, actor, policy, text, source_path, sha256)


def _read_policy(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The policy file {path.name} cannot be read",
            allowed="a UTF-8 YAML file",
            remedy="check the path and the encoding",
        ) from error


def _record(
    connection: Connection, actor: str, policy: Policy, text: str, source: Path, sha256: str
) -> DatasetInfo:
    digest, name = policy_sha256(policy), policy.source.dataset_id
    row = connection.execute(select(datasets).where(datasets.c.id == name)).first()
    if row is not None:
        if (row.policy_sha256, row.source_sha256) == (digest, sha256):
            return _info(row)
        raise Conflict(
            f"Dataset {name} is registered with another policy or another file",
            allowed="the same policy and the same file, any number of times",
            remedy="give a new dataset_id; the lifetime budget is shared through id_space all the same",
        )
    _refuse_other_people(connection, policy, sha256)
    open_scope(connection, lifetime_scope(policy, digest))
    values = {
        "id": name,
        "policy_text": text,
        "policy_sha256": digest,
        "source_path": str(source.absolute()),
        "source_sha256": sha256,
        "registered": iso_now(),
    }
    connection.execute(datasets.insert().values(**values))
    append(
        connection,
        "dataset",
        dataset=name,
        id_space=policy.privacy_unit.id_space,
        policy_sha256=digest,
        owner=actor,
    )
    return DatasetInfo(name, policy, digest, str(values["registered"]))


def _refuse_other_people(connection: Connection, policy: Policy, sha256: str) -> None:
    """The same file holds the same people: another id space for it would be a second budget for them."""
    same_file = connection.execute(select(datasets).where(datasets.c.source_sha256 == sha256)).all()
    spaces = {parsed_policy(row.policy_text, row.id).privacy_unit.id_space for row in same_file}
    if spaces - {policy.privacy_unit.id_space}:
        raise Conflict(
            "This file is registered with another id_space",
            allowed="one id_space for the same people; their budget is for life",
            remedy="write the id_space of the earlier registration",
        )


def _info(row: Row[tuple[object, ...]]) -> DatasetInfo:
    return DatasetInfo(row.id, parsed_policy(row.policy_text, row.id), row.policy_sha256, row.registered)


def list_datasets(store: Store) -> list[DatasetInfo]:
    """All registered datasets, in order of id."""
    with store.read() as connection:
        return [_info(row) for row in connection.execute(select(datasets).order_by(datasets.c.id))]


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
    return _info(dataset_row(connection, dataset_id))
