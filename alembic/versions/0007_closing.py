"""Accounts that are closing, and finding what tells of one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_CLOSING = sa.text("closes_at IS NOT NULL")
_ACTING = sa.text("actor_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("accounts", sa.Column("closes_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        op.f("ix_accounts_closes_at"),
        "accounts",
        ["closes_at"],
        postgresql_where=_CLOSING,
        sqlite_where=_CLOSING,
    )
    op.create_index(
        op.f("ix_audit_entries_actor_id"),
        "audit_entries",
        ["actor_id"],
        postgresql_where=_ACTING,
        sqlite_where=_ACTING,
    )
    op.create_index(op.f("ix_audit_details_identifier"), "audit_details", ["identifier"])
    op.create_index(op.f("ix_letters_recipient"), "letters", ["recipient"])


def downgrade() -> None:
    op.drop_index(op.f("ix_letters_recipient"), table_name="letters")
    op.drop_index(op.f("ix_audit_details_identifier"), table_name="audit_details")
    op.drop_index(op.f("ix_audit_entries_actor_id"), table_name="audit_entries")
    op.drop_index(op.f("ix_accounts_closes_at"), table_name="accounts")
    op.drop_column("accounts", "closes_at")
