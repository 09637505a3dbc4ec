from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.kernel.database import Base


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


class Spent(Base):
    """Something that works once, and has: the digest of a state or of an ID token."""

    __tablename__ = "spent"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
