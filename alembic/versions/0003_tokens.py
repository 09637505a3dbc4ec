"""Sessions held by tokens, and the keys that sign them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("algorithm", sa.String(length=10), nullable=False),
        sa.Column("public", sa.JSON(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verifies_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('next', 'active', 'verifying', 'retired')",
            name=op.f("ck_signing_keys_state"),
        ),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_index(
        op.f("ix_signing_keys_verifies_until"), "signing_keys", ["verifies_until"], unique=False
    )
    for state in ("next", "active"):
        op.create_index(
            f"uq_signing_keys_{state}",
            "signing_keys",
            ["state"],
            unique=True,
            postgresql_where=sa.text(f"state = '{state}'"),
            sqlite_where=sa.text(f"state = '{state}'"),
        )
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(
            sa.Column("audience", sa.String(length=40), server_default="native", nullable=False)
        )
        sessions.add_column(
            sa.Column("kind", sa.String(length=10), server_default="cookie", nullable=False)
        )
        sessions.add_column(
            sa.Column("generation", sa.Integer(), server_default="0", nullable=False)
        )
        sessions.add_column(sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True))
        sessions.add_column(sa.Column("nonce", sa.LargeBinary(length=16), nullable=True))
        sessions.alter_column(
            "secret_digest", existing_type=sa.LargeBinary(length=32), nullable=True
        )


def downgrade() -> None:
    op.execute("DELETE FROM sessions WHERE secret_digest IS NULL")
    with op.batch_alter_table("sessions") as sessions:
        sessions.alter_column(
            "secret_digest", existing_type=sa.LargeBinary(length=32), nullable=False
        )
        for name in ("nonce", "refreshed_at", "generation", "kind", "audience"):
            sessions.drop_column(name)
    op.drop_table("signing_keys")
