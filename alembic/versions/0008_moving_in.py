"""What people were called elsewhere, and who still has a password hash from there."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_FOREIGN = sa.text("password_hash LIKE '~%'")


def upgrade() -> None:
    # Not in a batch: on SQLite that makes the table anew, and what leans on accounts would go with
    # the old one.
    op.add_column("accounts", sa.Column("external_id", sa.String(length=255), nullable=True))
    op.create_index(op.f("ix_accounts_external_id"), "accounts", ["external_id"], unique=True)
    op.create_index(
        "ix_accounts_foreign",
        "accounts",
        ["id"],
        postgresql_where=_FOREIGN,
        sqlite_where=_FOREIGN,
    )


def downgrade() -> None:
    op.drop_index("ix_accounts_foreign", table_name="accounts")
    op.drop_index(op.f("ix_accounts_external_id"), table_name="accounts")
    op.drop_column("accounts", "external_id")
