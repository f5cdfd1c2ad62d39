"""Tables of the ledger. Amounts are whole numbers or canonical JSON of whole numbers, never floats.

No column has a database default: a number that decides whether a charge fits is always written by code.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

__all__ = ["attempts", "balances", "charges", "entries", "head", "leases", "metadata", "scopes"]

metadata = MetaData()

scopes = Table(
    "scope",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("parent", String, nullable=False),
    Column("title", String, nullable=False),
    Column("rho_cap", BigInteger, nullable=False),
    Column("omega", Integer, nullable=False),
    Column("delta_cap", BigInteger, nullable=False),
    Column("mu2_cap", BigInteger),
    Column("policy_sha256", String, nullable=False),
)

balances = Table(
    "balance",
    metadata,
    Column("scope", String, primary_key=True),
    Column("part", String, primary_key=True),
    Column("spent", Text, nullable=False),
    Column("held", Text, nullable=False),
    Column("forfeited", Text, nullable=False),
)

charges = Table(
    "charge",
    metadata,
    Column("key", String, primary_key=True),
    Column("payload_sha256", String, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("part", String, nullable=False),
    Column("attempt", String, nullable=False),
    Column("cost", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
)

leases = Table(
    "lease",
    metadata,
    Column("charge", String, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("seal", String, nullable=False),
    Index("lease_until", "until"),
)
"""Until when a charge is believed to be in living hands; only of charges that have not ended."""

attempts = Table(
    "attempt",
    metadata,
    Column("id", String, primary_key=True),
    Column("used", Integer, nullable=False),
)

entries = Table(
    "entry",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("prev", String, nullable=False),
    Column("hash", String, nullable=False),
)

head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String, nullable=False),
)
"""One row: the newest entry. Every writer locks it first, so there is one writer at a time."""
