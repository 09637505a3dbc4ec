"""What goes in and out of the routes of API keys."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from vestibule.api_keys.keys import Made
from vestibule.api_keys.models import ApiKey
from vestibule.web.api.models import Body, Moment, Name, Typed


class ApiKeyBody(Body):
    name: Annotated[Name, Field(min_length=1)]
    scopes: list[Typed] = Field([], max_length=100, description="What it may do; else nothing.")
    expires_in: int | None = Field(
        None, ge=60, le=315_360_000, description="Seconds until it expires; null: never."
    )


class ApiKeyAnswer(BaseModel):
    """A key of one's own. `last_used_at` is right to the minute."""

    id: str
    name: str
    scopes: list[str]
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(**_told(key))


class MadeApiKeyAnswer(ApiKeyAnswer):
    """A new key; `key` is what to send in `Authorization: Bearer` or `X-API-Key`."""

    key: str

    @classmethod
    def made(cls, made: Made) -> Self:
        return cls(key=made.secret, **_told(made.key))


class ApiKeysAnswer(BaseModel):
    """A page of API keys, newest first; `next` is the cursor of the page after it."""

    api_keys: list[ApiKeyAnswer]
    next: str | None


def _told(key: ApiKey) -> dict[str, Any]:  # Any: the fields of an answer
    names = ("name", "scopes", "created_at", "expires_at", "last_used_at")
    return {"id": str(key.id)} | {name: getattr(key, name) for name in names}
