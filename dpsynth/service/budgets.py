"""Which budgets a request touches: id space (people) > dataset > table, and its requester's ceiling."""

from __future__ import annotations

from dpsynth.accounting.stated import cap_of
from dpsynth.core.canonical import digest
from dpsynth.core.errors import BadInput
from dpsynth.ledger.scopes import WHOLE, Scope, part_of
from dpsynth.policy.model import Policy

__all__ = ["check_caps", "part_for", "people_of", "requester_scope", "shared_scopes", "touched_scopes"]


def check_caps(policy: Policy) -> None:
    """Raises BadInput where a stated cap leaves no room for anything."""
    cap_of(policy.budget.per_release)
    touched_scopes(policy, "", "anyone")


def people_of(policy: Policy) -> str:
    """Name of the people whose budget it is.

    Under ``new_units_only`` each snapshot holds people that no other holds (intake proves it), so they have
    a budget of their own; otherwise every snapshot draws on the same one.
    """
    space = policy.privacy_unit.id_space
    return f"{space}@{policy.source.snapshot}" if policy.budget.refresh == "new_units_only" else space


def shared_scopes(policy: Policy, sha256: str) -> list[Scope]:
    """The lifetime budget of the people, and inside it those of the dataset and of the table."""
    people, budget = people_of(policy), policy.budget
    dataset, table = policy.source.dataset_id, policy.id
    top, middle = f"id-space:{people}", f"dataset:{people}:{dataset}"
    of_dataset = budget.per_dataset or budget.lifetime
    of_table = budget.per_table or of_dataset
    lifetime = cap_of(budget.lifetime)
    return [
        Scope(top, "id_space", "", f"Lifetime budget of everyone in {people}", lifetime, sha256),
        Scope(middle, "dataset", top, f"Dataset {dataset} of {people}", cap_of(of_dataset), sha256),
        Scope(
            f"table:{people}:{table}", "table", middle, f"Table {table} of {people}", cap_of(of_table), sha256
        ),
    ]


def requester_scope(policy: Policy, sha256: str, requester: str) -> Scope:
    """A requester's ceiling inside the dataset's budget; never extra budget."""
    people, dataset = people_of(policy), policy.source.dataset_id
    title = f"Ceiling of {requester} inside dataset {dataset} of {people}"
    cap = cap_of(policy.budget.per_requester)
    scope_id = f"requester:{people}:{dataset}:{requester}"
    return Scope(scope_id, "requester", f"dataset:{people}:{dataset}", title, cap, sha256)


def touched_scopes(policy: Policy, sha256: str, requester: str) -> list[Scope]:
    """Every scope that a request touches."""
    return [*shared_scopes(policy, sha256), requester_scope(policy, sha256, requester)]


def part_for(policy: Policy, value: str) -> str:
    """The part of its scopes that a request for one partition touches; WHOLE for an empty value.

    Raises BadInput unless the policy declares partitions and this is one of their public values.
    """
    if not value:
        return WHOLE
    column = policy.privacy_unit.partition_column
    values = () if column is None else policy.domain()[column].values
    if value not in values:
        raise BadInput(
            "The request names a partition that the policy does not declare",
            allowed=", ".join(values) or "requests for the whole table: the policy declares no partitions",
            remedy="leave --partition out, or name one of these",
        )
    return part_of(_group(policy), value)


def _group(policy: Policy) -> str:
    """Partitions that share no person: those of one table, one snapshot and one way to tell who lies where.

    People may lie elsewhere in another snapshot, or once the column, its values, their order, or where
    strange values go has changed: then the maxima of both groups add up.
    """
    unit, source = policy.privacy_unit, policy.source
    column = next(spec for spec in policy.columns if spec.name == unit.partition_column)
    rule = {
        "column": column.model_dump(mode="json"),
        "id_column": unit.id_column,
        "parsing": [source.format, source.delimiter],
        "snapshot": source.snapshot,
    }
    return f"{policy.id}@{digest(rule)[:16]}"
