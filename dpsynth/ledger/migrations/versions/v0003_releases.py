"""What happens to releases and datasets afterwards: revoked releases, paused datasets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables of revocations and pauses."""
    op.create_table(
        "revocation",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.String, nullable=False, unique=True),
        *[sa.Column(name, sa.String, nullable=False) for name in ("person", "role", "kind")],
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("time", sa.String, nullable=False),
    )
    op.create_table(
        "pause",
        sa.Column("dataset_id", sa.String, primary_key=True),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("time", sa.String, nullable=False),
    )
