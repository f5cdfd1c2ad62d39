"""The ledger's own tables, and the rule that its entries are only ever added to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SQLITE_RULES = [
    f"CREATE TRIGGER entry_no_{verb.lower()} BEFORE {verb} ON entry "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for verb in ("UPDATE", "DELETE")
]
_POSTGRESQL_RULES = [
    """CREATE FUNCTION entry_append_only() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$""",
    """CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
       FOR EACH STATEMENT EXECUTE FUNCTION entry_append_only()""",
]


def upgrade() -> None:
    """Make the tables of the ledger."""
    _scopes()
    _charges()
    op.create_table(
        "entry",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("prev", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
    )
    head = op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": "0" * 64}])
    for rule in _SQLITE_RULES if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL_RULES:
        op.execute(rule)


def _scopes() -> None:
    op.create_table(
        "scope",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("parent", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("rho_cap", sa.BigInteger, nullable=False),
        sa.Column("omega", sa.Integer, nullable=False),
        sa.Column("delta_cap", sa.BigInteger, nullable=False),
        sa.Column("mu2_cap", sa.BigInteger),
        sa.Column("policy_sha256", sa.String, nullable=False),
    )
    op.create_table(
        "balance",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("part", sa.String, primary_key=True),
        sa.Column("spent", sa.Text, nullable=False),
        sa.Column("held", sa.Text, nullable=False),
        sa.Column("forfeited", sa.Text, nullable=False),
    )


def _charges() -> None:
    op.create_table(
        "charge",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("payload_sha256", sa.String, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("part", sa.String, nullable=False),
        sa.Column("attempt", sa.String, nullable=False),
        sa.Column("cost", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.create_table(
        "lease",
        sa.Column("charge", sa.String, primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("seal", sa.String, nullable=False),
    )
    op.create_index("lease_until", "lease", ["until"])
    op.create_table(
        "attempt",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("used", sa.Integer, nullable=False),
    )
