"""Tables of the service, in the ledger's database, so that a request and its charge are one transaction."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from dpsynth.ledger.schema import metadata

__all__ = [
    "datasets",
    "decisions",
    "extension_signatures",
    "extensions",
    "notice_settings",
    "notices",
    "pauses",
    "people",
    "policy_changes",
    "policy_texts",
    "requests",
    "revocations",
    "withdrawals",
]

people = Table(
    "person",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("key_id", String, nullable=False),
)

datasets = Table(
    "dataset",
    metadata,
    Column("id", String, primary_key=True),
    Column("policy_text", Text, nullable=False),
    Column("policy_sha256", String, nullable=False),
    Column("source_path", String, nullable=False),
    Column("source_sha256", String, nullable=False),
    Column("registered", String, nullable=False),
    Column("owner", String, nullable=False),
)

policy_changes = Table(
    "policy_change",
    metadata,
    Column("id", String, primary_key=True),
    Column("dataset_id", String, nullable=False),
    Column("policy_text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("policy_sha256", String, nullable=False),
    Column("source_path", String, nullable=False),
    Column("source_sha256", String, nullable=False),
    Column("proposer", String, nullable=False),
    Column("proposed", String, nullable=False),
    Column("state", String, nullable=False),
)

requests = Table(
    "request",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("dataset_id", String, nullable=False),
    Column("requester", String, nullable=False),
    Column("synthesizer", String, nullable=False),
    Column("part", String, nullable=False),
    Column("rho", BigInteger, nullable=False),
    Column("cost", Text, nullable=False),
    Column("epsilon", String, nullable=False),
    Column("delta", String, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("recipients", Text, nullable=False),
    Column("policy_text", Text, nullable=False),
    Column("policy_sha256", String, nullable=False),
    Column("state", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("created", String, nullable=False),
    Column("due", String, nullable=False),
    Column("worker", String, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("verdict", String, nullable=False),
    Column("dossier", Text, nullable=False),
    Column("bundle", String, nullable=False),
    Index("request_state", "state"),
)

decisions = Table(
    "decision",
    metadata,
    Column("request_id", String, nullable=False),
    Column("person", String, nullable=False),
    Column("role", String, nullable=False),
    Column("decision", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", String, nullable=False),
    Column("signature", Text, nullable=False),
    UniqueConstraint("request_id", "person"),
)

revocations = Table(
    "revocation",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("request_id", String, nullable=False, unique=True),
    Column("person", String, nullable=False),
    Column("role", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", String, nullable=False),
)

pauses = Table(
    "pause",
    metadata,
    Column("dataset_id", String, primary_key=True),
    Column("person", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", String, nullable=False),
)
"""Datasets that are paused now; who paused and resumed them when is in the chain."""

extensions = Table(
    "extension",
    metadata,
    Column("id", String, primary_key=True),
    Column("request_id", String, nullable=False),
    Column("proposer", String, nullable=False),
    Column("proposed", String, nullable=False),
    Column("until", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Index("extension_request", "request_id"),
)

extension_signatures = Table(
    "extension_signature",
    metadata,
    Column("extension_id", String, nullable=False),
    Column("person", String, nullable=False),
    Column("role", String, nullable=False),
    Column("time", String, nullable=False),
    Column("signature", Text, nullable=False),
    UniqueConstraint("extension_id", "person"),
)

withdrawals = Table(
    "withdrawal",
    metadata,
    Column("dataset_id", String, primary_key=True),
    Column("person", String, nullable=False),
    Column("time", String, nullable=False),
    Column("reason", Text, nullable=False),
)

policy_texts = Table(
    "policy_text",
    metadata,
    Column("policy_sha256", String, primary_key=True),
    Column("policy_text", Text, nullable=False),
)
"""The text of each policy that was ever in force or proposed; the chain says which digest was when."""

notice_settings = Table(
    "notice_setting",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("webhook", String, nullable=False),
    Column("email", String, nullable=False),
    Column("smtp", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("link", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("time", String, nullable=False),
)
"""At most one row: where notices go. Without it nothing is put into the outbox."""

notices = Table(
    "notice",
    metadata,
    Column("id", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("about", String, nullable=False),
    Column("made", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try", BigInteger, nullable=False),
    Column("sent", String, nullable=False),
    Index("notice_waiting", "sent", "next_try"),
)
"""The outbox: a row for each notice and channel, written with the change that it tells of.

``seq`` is the ledger's newest entry at that time: notices go out in this order.
"""
