"""What goes in and out of the routes about an account's end."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from vestibule.web.api.models import Body, Moment, Typed


class KeepBody(Body):
    token: Typed


class ClosingAnswer(BaseModel):
    """The account is closed; it is erased at `closes_at` unless it is kept."""

    status: Literal["closing"] = "closing"
    closes_at: Moment


class ExportAnswer(BaseModel):
    """Everything that is stored about a person; each list is a table."""

    exported_at: str
    account: dict[str, Any]  # Any: JSON
    roles: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    api_keys: list[dict[str, Any]]
    identities: list[dict[str, Any]] = Field(description="Accounts elsewhere that open this one.")
    letters: list[dict[str, Any]]
    proofs: list[dict[str, Any]] = Field(description="Links and codes that were sent by letter.")
    audit: list[dict[str, Any]]
