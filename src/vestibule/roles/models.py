from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.kernel.database import Base

USER = "user"  # whoever opens an account


class Role(Base):
    """What an account may be. Ours are seeded; a host adds its own by a migration of its own."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    description: Mapped[str] = mapped_column(String(400))


class Grant(Base):
    """That an account has a role, since when, and who gave it; None: the service, an operator."""

    __tablename__ = "grants"
    __table_args__ = (Index(None, "role", "account_id"),)

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(ForeignKey("roles.name"), primary_key=True)
    granted_at: Mapped[datetime]
    # No foreign key: a grant outlives who gave it.
    granted_by: Mapped[UUID | None]
