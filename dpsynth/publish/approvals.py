"""Whose signatures count: enough distinct people in the roles of the policy, and never the requester."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from dpsynth.core.errors import IntegrityError
from dpsynth.policy.model import Policy
from dpsynth.publish.keys import SERVICE_ROLE, PublicKey, TrustRoot

__all__ = ["approvers_of", "check_approvals", "people_text"]


def _refuse(name: str, what: str) -> NoReturn:
    raise IntegrityError(
        f"{name}: {what}", remedy="do not use this release; fetch it again or ask its publisher"
    )


def approvers_of(signers: Sequence[str], trust: TrustRoot, name: str) -> list[PublicKey]:
    """The keys of people that signed. Raises IntegrityError unless the service signed too.

    Args:
        signers: ids of keys whose signatures were verified.
        trust: the keys.
        name: what errors call the document.
    """
    keys = [trust[key_id] for key_id in signers]
    if not any(SERVICE_ROLE in key.roles for key in keys):
        _refuse(name, "the signature of the service is missing")
    return [key for key in keys if SERVICE_ROLE not in key.roles]


def check_approvals(policy: Policy, approvers: Sequence[PublicKey], requester: object, name: str) -> None:
    """Raises IntegrityError unless the policy's people signed, and none of them asked for the release."""
    required = set(policy.approval.roles)
    for key in approvers:
        if key.person == requester:
            _refuse(name, f"{key.person} asked for this release and may not approve it")
        if not required.intersection(key.roles):
            _refuse(name, f"{key.person} signed without a role that the policy asks for")
    people = {key.person for key in approvers}
    if len(people) < policy.approval.approvers:
        _refuse(name, f"{len(people)} distinct approvers of {policy.approval.approvers} signed")
    absent = required - {role for key in approvers for role in key.roles}
    if absent:
        _refuse(name, f"no approver signed as {sorted(absent)[0]}")


def people_text(approvers: Sequence[PublicKey]) -> str:
    """Who signed, with their roles, in words."""
    return ", ".join(f"{key.person} ({', '.join(key.roles)})" for key in approvers)
