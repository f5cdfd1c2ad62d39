"""Sign-ins, accounts at providers, proposed changes of roles, objections and reviews of auditors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _strings(*names: str, of: type[sa.types.TypeEngine[str]] = sa.String) -> list[sa.Column[str]]:
    return [sa.Column(name, of, nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables of access."""
    op.create_table(
        "sign_in",
        sa.Column("id_sha256", sa.String, primary_key=True),
        *_strings("person", "method", "begun", "authenticated", "expires", "ended"),
    )
    op.create_table(
        "account",
        *_strings("issuer", "kind", "name", "person"),
        sa.PrimaryKeyConstraint("issuer", "kind", "name"),
    )
    op.create_table(
        "access_proposal",
        sa.Column("id", sa.String, primary_key=True),
        *_strings("kind", "person", "detail", "proposer", "proposed", "state", "decider"),
    )
    op.create_table(
        "objection",
        sa.Column("id", sa.String, primary_key=True),
        *_strings("request_id", "person", "dossier_sha256"),
        *_strings("reason", of=sa.Text),
        *_strings("time", "state"),
    )
    op.create_table(
        "review",
        *_strings("request_id", "person", "dossier_sha256", "time"),
        *_strings("signature", of=sa.Text),
        sa.UniqueConstraint("request_id", "person"),
    )
