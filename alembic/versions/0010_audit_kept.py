"""An audit log that is kept: entries are never changed, nor removed before their time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_DEFAULT = 400 * 24 * 3600  # until a server has started and said what its settings say
_OLD_KEY = "fk_audit_details_entry_id_audit_entries"

_SQLITE = (
    """
    CREATE TRIGGER audit_entries_unchanged BEFORE UPDATE ON audit_entries
    BEGIN SELECT RAISE(ABORT, 'entries of the audit log are never changed'); END
    """,
    # Who replaces a row deletes it, and no trigger for deletions is asked.
    """
    CREATE TRIGGER audit_entries_unreplaced BEFORE INSERT ON audit_entries
    WHEN EXISTS (SELECT 1 FROM audit_entries WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'entries of the audit log are never changed'); END
    """,
    """
    CREATE TRIGGER audit_entries_kept BEFORE DELETE ON audit_entries
    WHEN OLD.at > coalesce(
        (
            SELECT strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || min(seconds) || ' seconds')
            FROM audit_retention
        ),
        ''
    )
    BEGIN SELECT RAISE(ABORT, 'entries of the audit log are kept for their time'); END
    """,
)
_POSTGRESQL = (
    """
    CREATE FUNCTION audit_entries_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.at <= now() - (
                SELECT make_interval(secs => min(seconds)) FROM audit_retention
            ) THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION 'entries of the audit log are kept for their time';
        END IF;
        RAISE EXCEPTION 'entries of the audit log are never changed';
    END $$
    """,
    """
    CREATE TRIGGER audit_entries_kept BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_kept()
    """,
    """
    CREATE TRIGGER audit_entries_whole BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_kept()
    """,
)


def upgrade() -> None:
    retention = op.create_table(
        "audit_retention",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_retention_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_retention")),
    )
    op.bulk_insert(retention, [{"id": 1, "seconds": _DEFAULT}])
    _lean_on_entries(ondelete="CASCADE")
    op.drop_index("ix_audit_entries_account_id_at", table_name="audit_entries")
    op.create_index(op.f("ix_audit_entries_account_id_id"), "audit_entries", ["account_id", "id"])
    op.create_index(op.f("ix_audit_entries_event_id"), "audit_entries", ["event", "id"])
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"])
    for statement in _SQLITE if _is_sqlite() else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    if _is_sqlite():
        for name in ("unchanged", "unreplaced", "kept"):
            op.execute(f"DROP TRIGGER audit_entries_{name}")
    else:
        for name in ("kept", "whole"):
            op.execute(f"DROP TRIGGER audit_entries_{name} ON audit_entries")
        op.execute("DROP FUNCTION audit_entries_kept()")
    op.drop_index(op.f("ix_audit_entries_at"), table_name="audit_entries")
    op.drop_index(op.f("ix_audit_entries_event_id"), table_name="audit_entries")
    op.drop_index(op.f("ix_audit_entries_account_id_id"), table_name="audit_entries")
    op.create_index("ix_audit_entries_account_id_at", "audit_entries", ["account_id", "at"])
    _lean_on_entries(ondelete=None)
    op.drop_table("audit_retention")


def _lean_on_entries(*, ondelete: str | None) -> None:
    with op.batch_alter_table("audit_details") as details:
        details.drop_constraint(op.f(_OLD_KEY), type_="foreignkey")
        details.create_foreign_key(
            op.f(_OLD_KEY), "audit_entries", ["entry_id"], ["id"], ondelete=ondelete
        )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
