"""What comes out of the audit log, to whom it is about."""

from typing import Self

from pydantic import BaseModel, Field

from vestibule.audit.reading import Told
from vestibule.web.api.models import Moment


class HappenedAnswer(BaseModel):
    """Something that happened to one's account."""

    id: str
    at: Moment
    event: str = Field(description="What, such as `login.refused`; a name stays for ever.")
    session_id: str | None
    by_another: bool = Field(description="An administrator did it.")
    about: str | None = Field(description="The role, or the id of the API key.")
    address: str | None = Field(description="From where, as far as the network tells.")
    user_agent: str | None

    @classmethod
    def of(cls, told: Told) -> Self:
        return cls(
            id=str(told.id),
            at=told.at,
            event=told.event,
            session_id=None if told.session_id is None else str(told.session_id),
            by_another=told.actor_id not in (None, told.account_id),
            about=told.about,
            address=told.address,
            user_agent=told.user_agent,
        )


class HistoryAnswer(BaseModel):
    """A page of what happened, newest first; `next` is the cursor of the page after it."""

    entries: list[HappenedAnswer]
    next: str | None
