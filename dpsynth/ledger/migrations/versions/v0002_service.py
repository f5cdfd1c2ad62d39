"""The service's tables: people, datasets, proposed policies, requests, decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _strings(*names: str, of: type[sa.types.TypeEngine[str]] = sa.String) -> list[sa.Column[str]]:
    return [sa.Column(name, of, nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables of the service."""
    op.create_table(
        "person", sa.Column("id", sa.String, primary_key=True), *_strings("name", "roles", "key_id")
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.String, primary_key=True),
        *_strings("policy_text", of=sa.Text),
        *_strings("policy_sha256", "source_path", "source_sha256", "registered", "owner"),
    )
    op.create_table(
        "policy_change",
        sa.Column("id", sa.String, primary_key=True),
        *_strings("dataset_id"),
        *_strings("policy_text", "reason", of=sa.Text),
        *_strings("policy_sha256", "source_path", "source_sha256", "proposer", "proposed", "state"),
    )
    _requests()
    op.create_table(
        "decision",
        *_strings("request_id", "person", "role", "decision"),
        *_strings("reason", of=sa.Text),
        *_strings("time"),
        *_strings("signature", of=sa.Text),
        sa.UniqueConstraint("request_id", "person"),
    )


def _requests() -> None:
    op.create_table(
        "request",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        *_strings("dataset_id", "requester", "synthesizer", "part"),
        sa.Column("rho", sa.BigInteger, nullable=False),
        *_strings("cost", of=sa.Text),
        *_strings("epsilon", "delta"),
        *_strings("purpose", "recipients", "policy_text", of=sa.Text),
        *_strings("policy_sha256", "state", "stage"),
        *_strings("message", of=sa.Text),
        *_strings("created", "due", "worker"),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        *_strings("verdict"),
        *_strings("dossier", of=sa.Text),
        *_strings("bundle"),
    )
    op.create_index("request_state", "request", ["state"])
