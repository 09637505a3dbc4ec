from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.kernel.database import Base


class KeyState(StrEnum):
    """The life of a signing key, in this order."""

    NEXT = "next"  # published, so that verifiers know it before it signs
    ACTIVE = "active"
    VERIFYING = "verifying"  # signs no more; its tokens live to their end
    RETIRED = "retired"


class SigningKey(Base):
    """A key pair; of those that sign or will sign next there is one each."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        CheckConstraint(f"state IN {tuple(map(str, KeyState))}", name="state"),
        *(
            Index(
                f"uq_signing_keys_{state}",
                "state",
                unique=True,
                postgresql_where=text(f"state = '{state}'"),
                sqlite_where=text(f"state = '{state}'"),
            )
            for state in (KeyState.NEXT, KeyState.ACTIVE)
        ),
    )

    # The thumbprint of the public key (RFC 7638).
    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(10))
    public: Mapped[dict[str, Any]] = mapped_column(JSON)  # Any: a JWK
    private: Mapped[bytes | None] = mapped_column(LargeBinary)  # sealed; erased with its last use
    state: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime]
    not_before: Mapped[datetime | None]  # since when it signs
    verifies_until: Mapped[datetime | None] = mapped_column(index=True)  # its last token's death
