from copy import deepcopy
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.types import TypeEngine

from vestibule.kernel.database import Base
from vestibule.kernel.scopes import is_role
from vestibule.roles.models import Grant

BETWEEN = "\x1f"  # between the names of roles
STATES = ("active", "disabled", "closing")
_FOREIGN = text("password_hash LIKE '~%'")


def _key(length: int) -> TypeEngine[str]:
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _lower(name: str) -> Computed:
    return Computed(f"lower(({name})::text)", persisted=True)  # as PostgreSQL tells it


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        Index("ix_accounts_state_id", "state", "id"),
        Index("ix_accounts_given_key_id", "given_key", "id"),
        Index("ix_accounts_family_key_id", "family_key", "id"),
        Index(
            None,
            "closes_at",
            postgresql_where=text("closes_at IS NOT NULL"),
            sqlite_where=text("closes_at IS NOT NULL"),
        ),
        Index("ix_accounts_foreign", "id", postgresql_where=_FOREIGN, sqlite_where=_FOREIGN),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # What a person was called in an older system, in the words of that system.
    external_id: Mapped[str | None] = mapped_column(String(255), index=True, unique=True)
    email: Mapped[str | None] = mapped_column(String(254))
    # By code point, which a search by how a name begins needs; each database has its word for it.
    email_key: Mapped[str | None] = mapped_column(_key(254), unique=True)
    email_verified_at: Mapped[datetime | None]
    username: Mapped[str | None] = mapped_column(String(80))
    username_key: Mapped[str | None] = mapped_column(_key(160), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(400))
    password_changed_at: Mapped[datetime | None]
    given_name: Mapped[str | None] = mapped_column(String(100))
    family_name: Mapped[str | None] = mapped_column(String(100))
    # What people are searched for by; the database keeps them.
    given_key: Mapped[str | None] = mapped_column(_key(200), _lower("given_name"))
    family_key: Mapped[str | None] = mapped_column(_key(200), _lower("family_name"))
    picture: Mapped[str | None] = mapped_column(String(2000))
    profile: Mapped[dict[str, Any]] = mapped_column(JSON)  # Any: a host's own fields
    state: Mapped[str] = mapped_column(String(10))
    closes_at: Mapped[datetime | None]  # when one that is closing is erased
    last_login_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    # Read with the account, in one statement; one that was RETURNed has to be refreshed.
    granted: Mapped[str | None] = column_property(
        select(func.aggregate_strings(Grant.role, BETWEEN))
        .where(Grant.account_id == id)  # noqa: A003
        .correlate_except(Grant)
        .scalar_subquery()
    )

    @property
    def roles(self) -> tuple[str, ...]:
        """What was granted to the account, in the order of names.

        A name that could be read as several, or as part of a header, is no role.
        """
        return tuple(sorted(filter(is_role, (self.granted or "").split(BETWEEN))))

    def copy(self, *, roles: bool = True, own: bool = True) -> "Account":
        """Return one that may be changed: what a process remembers is shared between requests.

        Args:
            roles: with what was granted; not for who comes in its name and not as itself.
            own: with a profile of its own; else it is the same one, and nobody may change it.
        """
        columns = [each for each in Account.__table__.columns if each.computed is None]
        made = Account(**{each.name: getattr(self, each.name) for each in columns})
        if own:
            made.profile = deepcopy(self.profile)
        set_committed_value(made, "granted", self.granted if roles else None)
        return made


class Challenge(Base):
    """A one-time proof sent by letter: a link and a code. Open while `used_at` is empty."""

    __tablename__ = "challenges"
    __table_args__ = (
        Index(
            "ix_challenges_open",
            "purpose",
            "email_key",
            postgresql_where=text("used_at IS NULL"),
            sqlite_where=text("used_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    # Set where the account exists before the proof.
    account_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    email_key: Mapped[str] = mapped_column(String(254))
    address: Mapped[str] = mapped_column(String(254))
    # What the proof will open, sealed: password hash, names, username.
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    # What the client that asked holds, so that it can type the code or ask for another letter.
    handle_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    code_mac: Mapped[bytes] = mapped_column(LargeBinary(36))
    code_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Identity(Base):
    """Somebody at a provider, and whose account they open. Neither part of the key ever changes."""

    __tablename__ = "identities"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    # As the provider named it when this was linked: to be shown, never to be looked up by.
    email: Mapped[str | None] = mapped_column(String(254))
    linked_at: Mapped[datetime]


class SiteSettings(Base):
    """What administrators set for the site around us: one row, once somebody has."""

    __tablename__ = "site_settings"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)  # Any: a site's own fields
    updated_at: Mapped[datetime]
    # No foreign key: what is set outlives who set it.
    updated_by: Mapped[UUID]
