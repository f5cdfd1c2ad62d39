"""Tables of access, in the ledger's database: sign-ins, accounts, proposals, objections, reviews."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import (
    Column,
    Connection,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    or_,
    select,
)

from dpsynth.ledger.chain import Entry
from dpsynth.ledger.schema import entries, metadata

__all__ = ["accounts", "entries_of", "objections", "proposals", "reviews", "sign_ins"]

sign_ins = Table(
    "sign_in",
    metadata,
    Column("id_sha256", String, primary_key=True),
    Column("person", String, nullable=False),
    Column("method", String, nullable=False),
    Column("begun", String, nullable=False),
    Column("authenticated", String, nullable=False),
    Column("expires", String, nullable=False),
    Column("ended", String, nullable=False),
)
"""``authenticated`` is empty where nothing proves when the person was last asked who they are."""

accounts = Table(
    "account",
    metadata,
    Column("issuer", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("person", String, nullable=False),
    PrimaryKeyConstraint("issuer", "kind", "name"),
)
"""``kind`` is ``subject``, or ``email`` until the first sign-in with that verified address."""

proposals = Table(
    "access_proposal",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("person", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("proposer", String, nullable=False),
    Column("proposed", String, nullable=False),
    Column("state", String, nullable=False),
    Column("decider", String, nullable=False),
)

objections = Table(
    "objection",
    metadata,
    Column("id", String, primary_key=True),
    Column("request_id", String, nullable=False),
    Column("person", String, nullable=False),
    Column("dossier_sha256", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", String, nullable=False),
    Column("state", String, nullable=False),
)

reviews = Table(
    "review",
    metadata,
    Column("request_id", String, nullable=False),
    Column("person", String, nullable=False),
    Column("dossier_sha256", String, nullable=False),
    Column("time", String, nullable=False),
    Column("signature", Text, nullable=False),
    UniqueConstraint("request_id", "person"),
)


def entries_of(connection: Connection, *kinds: str) -> Iterator[Entry]:
    """Entries of these kinds, oldest first."""
    # Bodies are canonical JSON: inside a text a quotation mark is never bare, so none can pass for a kind.
    mentions = (entries.c.body.contains(f'"kind":"{kind}"', autoescape=True) for kind in kinds)
    for row in connection.execute(select(entries).where(or_(*mentions)).order_by(entries.c.seq)).all():
        body = json.loads(row.body)
        told = Entry(body.pop("seq"), body.pop("time"), body.pop("kind"), body, row.hash)
        if told.kind in kinds:
            yield told
