"""Texts of policies that were ever proposed or in force, by digest, so that versions can be compared."""

from __future__ import annotations

from sqlalchemy import Connection, select

from dpsynth.core.errors import IntegrityError
from dpsynth.policy.loader import policy_sha256
from dpsynth.policy.model import Policy
from dpsynth.service.registry import parsed_policy
from dpsynth.service.tables import policy_texts

__all__ = ["keep_text", "kept_policy"]


def keep_text(connection: Connection, sha256: str, text: str) -> None:
    """Keep the text of a policy with this digest, in the caller's transaction; once."""
    known = select(policy_texts.c.policy_sha256).where(policy_texts.c.policy_sha256 == sha256)
    if connection.execute(known).first() is None:
        connection.execute(policy_texts.insert().values(policy_sha256=sha256, policy_text=text))


def kept_policy(connection: Connection, sha256: str) -> Policy | None:
    """The policy with this digest; None where an older program did not keep its text.

    Raises IntegrityError where the text was changed.
    """
    query = select(policy_texts.c.policy_text).where(policy_texts.c.policy_sha256 == sha256)
    text = connection.execute(query).scalar_one_or_none()
    if text is None:
        return None
    policy = parsed_policy(text, sha256[:12])
    if policy_sha256(policy) != sha256:
        raise IntegrityError(
            "A kept text of a policy is not the one that the ledger names",
            remedy="stop all work on this state and run `dpsynth ledger verify`",
        )
    return policy
