"""What officers and owners do afterwards: extended permissions, withdrawn datasets, texts of policies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _strings(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables, and keep the policies that are in force or proposed or that requests are bound to."""
    op.create_table(
        "extension",
        sa.Column("id", sa.String, primary_key=True),
        *_strings("request_id", "proposer", "proposed", "until", "state"),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("extension_request", "extension", ["request_id"])
    op.create_table(
        "extension_signature",
        *_strings("extension_id", "person", "role", "time"),
        sa.Column("signature", sa.Text, nullable=False),
        sa.UniqueConstraint("extension_id", "person"),
    )
    op.create_table(
        "withdrawal",
        sa.Column("dataset_id", sa.String, primary_key=True),
        *_strings("person", "time"),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "policy_text",
        sa.Column("policy_sha256", sa.String, primary_key=True),
        sa.Column("policy_text", sa.Text, nullable=False),
    )
    for table in ("dataset", "policy_change", "request"):
        op.execute(
            "INSERT INTO policy_text (policy_sha256, policy_text) "  # noqa: S608 - names of our own tables
            f"SELECT policy_sha256, MIN(policy_text) FROM {table} WHERE policy_sha256 NOT IN "
            "(SELECT policy_sha256 FROM policy_text) GROUP BY policy_sha256"
        )
