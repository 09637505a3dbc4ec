"""What names an address is found by its key, whatever its spelling.

What was written before is folded as far as a database can: by case.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "letters", sa.Column("recipient_key", sa.String(254), nullable=False, server_default="")
    )
    op.execute("UPDATE letters SET recipient_key = lower(recipient)")
    if op.get_bind().dialect.name == "postgresql":  # SQLite would have to copy the table
        op.alter_column("letters", "recipient_key", server_default=None)
    op.drop_index(op.f("ix_letters_recipient"), table_name="letters")
    op.create_index(op.f("ix_letters_recipient_key"), "letters", ["recipient_key"])
    op.execute(
        "UPDATE audit_details SET identifier = lower(identifier) "
        "WHERE identifier <> lower(identifier)"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_letters_recipient_key"), table_name="letters")
    op.create_index(op.f("ix_letters_recipient"), "letters", ["recipient"])
    op.drop_column("letters", "recipient_key")
