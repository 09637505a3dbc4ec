from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.kernel.database import Base

NATIVE = "native"


class Kind(StrEnum):
    """What its holder was handed."""

    COOKIE = "cookie"
    TOKENS = "tokens"


class Session(Base):
    __tablename__ = "sessions"
    __table_args__ = (
        Index(None, "account_id", "id"),
        Index(
            None,
            "ended_at",
            postgresql_where=text("ended_at IS NOT NULL"),
            sqlite_where=text("ended_at IS NOT NULL"),
        ),
        Index(
            "ix_sessions_live",
            "account_id",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    # Which surface opened it; its tokens are nothing to another.
    audience: Mapped[str] = mapped_column(String(40), server_default=NATIVE)
    kind: Mapped[str] = mapped_column(String(10), server_default=Kind.COOKIE)
    # Of the cookie's secret; a session of tokens has none.
    secret_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    # Of the refresh token: how often it was replaced, when, and what no copy of it tells.
    generation: Mapped[int] = mapped_column(server_default="0")
    refreshed_at: Mapped[datetime | None]
    nonce: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    # How the person proved who they are (RFC 8176), and when.
    amr: Mapped[str] = mapped_column(String(40))
    auth_time: Mapped[datetime]
    remember: Mapped[bool]
    ip: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    idle_until: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(20))
