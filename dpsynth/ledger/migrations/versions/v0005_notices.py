"""The outbox of notices, and where they go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _strings(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables of the notices."""
    op.create_table(
        "notice_setting",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        *_strings("webhook", "email", "smtp", "sender", "link", "actor", "time"),
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        *_strings("kind", "about", "made"),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try", sa.BigInteger, nullable=False),
        *_strings("sent"),
    )
    op.create_index("notice_waiting", "notice", ["sent", "next_try"])
