"""What comes out of the audit log: to whom it is about, and to administrators."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from vestibule.audit.events import Event
from vestibule.audit.reading import Told
from vestibule.web.api.models import Moment, PageQuery


class HappenedAnswer(BaseModel):
    """Something that happened to one's account."""

    id: str
    at: Moment
    event: str = Field(description="What, such as `login.refused`; a name stays for ever.")
    session_id: str | None
    by_another: bool = Field(description="An administrator did it.")
    about: str | None = Field(description="The role, the id of the API key, or the provider.")
    address: str | None = Field(
        description="From where, as far as the network tells; null where it was another."
    )
    user_agent: str | None

    @classmethod
    def of(cls, told: Told) -> Self:
        by_another = told.actor_id not in (None, told.account_id)
        return cls(
            id=str(told.id),
            at=told.at,
            event=told.event,
            session_id=_text(told.session_id),
            by_another=by_another,
            about=told.about,
            address=None if by_another else told.address,
            user_agent=None if by_another else told.user_agent,
        )


class HistoryAnswer(BaseModel):
    """A page of what happened, newest first; `next` is the cursor of the page after it."""

    entries: list[HappenedAnswer]
    next: str | None


class AuditQuery(PageQuery):
    account: UUID | None = None
    event: Event | None = None


class EntryAnswer(BaseModel):
    """Something that happened."""

    id: str
    at: Moment
    event: str
    account_id: str | None
    session_id: str | None
    actor_id: str | None = Field(description="Who did it, where that was somebody else.")
    about: str | None
    address: str | None
    user_agent: str | None
    identifier: str | None = Field(description="The address that it names, folded.")

    @classmethod
    def of(cls, told: Told) -> Self:
        return cls(
            id=str(told.id),
            at=told.at,
            event=told.event,
            account_id=_text(told.account_id),
            session_id=_text(told.session_id),
            actor_id=_text(told.actor_id),
            about=told.about,
            address=told.address,
            user_agent=told.user_agent,
            identifier=told.identifier,
        )


class AuditAnswer(BaseModel):
    """A page of the log, newest first; `next` is the cursor of the page after it."""

    entries: list[EntryAnswer]
    next: str | None


def _text(named: UUID | None) -> str | None:
    return None if named is None else str(named)
