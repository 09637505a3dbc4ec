from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.kernel.database import Base


class State(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


_WAITING = text("state IN ('queued', 'sending')")


class Letter(Base):
    """One e-mail on its way. `payload` holds secrets: sealed, and erased once nobody needs it."""

    __tablename__ = "letters"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'failed', 'dropped')", name="state"
        ),
        Index(
            "ix_letters_waiting",
            "next_try_at",
            postgresql_where=_WAITING,
            sqlite_where=_WAITING,
        ),
        Index(None, "account_id", "kind"),
        Index(None, "state", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    recipient: Mapped[str] = mapped_column(String(254))
    recipient_key: Mapped[str] = mapped_column(String(254), index=True)  # whatever its spelling
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int]
    # While queued: when to try; while sending: when the lease ends and another worker may.
    next_try_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    last_error: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
