"""Indexes by which old sessions and letters are found."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(op.f("ix_letters_expires_at"), "letters", ["expires_at"], unique=False)
    op.create_index(
        op.f("ix_sessions_ended_at"),
        "sessions",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL"),
        sqlite_where=sa.text("ended_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        op.f("ix_sessions_ended_at"),
        table_name="sessions",
        postgresql_where=sa.text("ended_at IS NOT NULL"),
        sqlite_where=sa.text("ended_at IS NOT NULL"),
    )
    op.drop_index(op.f("ix_letters_expires_at"), table_name="letters")
