"""Looking through accounts and letters, fast however many there are."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_KEYS = (("email_key", 254), ("username_key", 160))
_NAMES = (("given_key", "given_name"), ("family_key", "family_name"))


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:  # SQLite compares by code point in any case
        for name, length in _KEYS:
            op.alter_column("accounts", name, type_=sa.String(length=length, collation="C"))
    by_code_point = sa.String(length=200, collation="C" if on_postgresql else None)
    for key, name in _NAMES:
        # SQLite adds no column whose values it would have to store.
        made = sa.Computed(f"lower({name})", persisted=on_postgresql)
        op.add_column("accounts", sa.Column(key, by_code_point, made, nullable=True))
        op.create_index(op.f(f"ix_accounts_{key}_id"), "accounts", [key, "id"])
    op.create_index(op.f("ix_accounts_state_id"), "accounts", ["state", "id"])
    op.create_index(op.f("ix_grants_role_account_id"), "grants", ["role", "account_id"])
    op.create_index(op.f("ix_letters_state_id"), "letters", ["state", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_letters_state_id"), table_name="letters")
    op.drop_index(op.f("ix_grants_role_account_id"), table_name="grants")
    op.drop_index(op.f("ix_accounts_state_id"), table_name="accounts")
    for key, _ in _NAMES:
        op.drop_index(op.f(f"ix_accounts_{key}_id"), table_name="accounts")
        op.drop_column("accounts", key)
    if op.get_bind().dialect.name == "postgresql":
        for name, length in _KEYS:
            op.alter_column("accounts", name, type_=sa.String(length=length, collation="default"))
