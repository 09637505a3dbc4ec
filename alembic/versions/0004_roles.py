"""Roles, who has them, and what an entry of the audit log is about."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

ROLES = (
    ("user", "Has an account."),
    ("editor", "Looks after what is published."),
    ("admin", "Looks after accounts, and may see what happened to them."),
)


def upgrade() -> None:
    roles = op.create_table(
        "roles",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("description", sa.String(length=400), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_roles")),
    )
    op.create_table(
        "grants",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_grants_account_id_accounts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["role"], ["roles.name"], name=op.f("fk_grants_role_roles")),
        sa.PrimaryKeyConstraint("account_id", "role", name=op.f("pk_grants")),
    )
    op.bulk_insert(roles, [{"name": name, "description": words} for name, words in ROLES])
    op.execute(
        "INSERT INTO grants (account_id, role, granted_at) "
        "SELECT id, 'user', created_at FROM accounts"
    )
    op.add_column("audit_entries", sa.Column("actor_id", sa.Uuid(), nullable=True))
    op.add_column("audit_entries", sa.Column("about", sa.String(length=40), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("audit_entries") as entries:
        entries.drop_column("about")
        entries.drop_column("actor_id")
    op.drop_table("grants")
    op.drop_table("roles")
