"""What goes in and out, in the field's usual names. Unknown fields are refused by name."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from vestibule.accounts import profile
from vestibule.accounts.credentials import Tokens
from vestibule.accounts.models import Account
from vestibule.sessions.models import Session

# Longer than any password may be, because people who moved in may have longer ones than we allow.
Password = Annotated[SecretStr, Field(max_length=4096)]
Name = Annotated[str, Field(max_length=profile.NAME_MOST, pattern=profile.NAME)]
Typed = Annotated[str, Field(max_length=400)]
Moment = Annotated[
    datetime,
    PlainSerializer(
        lambda at: at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        return_type=str,
    ),
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SignUpBody(Body):
    password: Password
    email: Typed | None = None
    username: Typed | None = None
    given_name: Name | None = None
    family_name: Name | None = None


class ProofBody(Body):
    """Either `sign_up` and `code`, or `token` and `password`."""

    sign_up: Typed | None = None
    code: Typed | None = None
    token: Typed | None = None
    password: Password | None = None
    username: Typed | None = None


class LetterBody(Body):
    sign_up: Typed


class ChangeBody(Body):
    """Fields that are absent stay as they are; null clears one."""

    username: Typed | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    picture: str | None = Field(None, description="An http or https URL, at most 2000 characters.")
    profile: dict[str, Any] | None = Field(  # Any: a host's own fields
        None, description="Replaced as a whole; at most 8 KiB of JSON."
    )


class LoginBody(Body):
    identifier: Typed
    password: Password
    remember: bool = False
    deliver: Literal["cookie", "tokens"] = Field(
        "cookie", description="What the session is held by: a cookie, or tokens in the answer."
    )


class ConfirmBody(Body):
    """Either `password`, or the `code` of a letter."""

    password: Password | None = None
    code: Typed | None = None


class RefreshBody(Body):
    refresh_token: Typed


class RevokeBody(Body):
    token: str = Field(max_length=8192, description="A refresh token or an access token.")
    token_type_hint: Typed | None = None


class AskedAnswer(BaseModel):
    """A letter is on its way to whoever the address belongs to."""

    status: Literal["check_your_mail"] = "check_your_mail"
    sign_up: str = Field(description="Names this sign-up when typing the code or resending.")


class LetterAnswer(BaseModel):
    """If there is anything to prove, a letter is on its way."""

    status: Literal["check_your_mail"] = "check_your_mail"


class ConfirmationAnswer(BaseModel):
    """Until when this session may do what wants a recent log-in."""

    recent_until: Moment


class AccountAnswer(BaseModel):
    """An account, as its owner sees it."""

    id: str
    email: str | None
    email_verified: bool
    username: str | None
    given_name: str | None
    family_name: str | None
    picture: str | None
    profile: dict[str, Any]  # Any: a host's own fields
    roles: list[str]
    created_at: Moment

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(
            id=str(account.id),
            email=account.email,
            email_verified=account.email_verified_at is not None,
            username=account.username,
            given_name=account.given_name,
            family_name=account.family_name,
            picture=account.picture,
            profile=account.profile,
            roles=list(account.roles),
            created_at=account.created_at,
        )


class MeAnswer(AccountAnswer):
    """The account that asks. With an API key: what the key may do, and no roles."""

    scopes: list[str] | None = None

    @model_serializer(mode="wrap")
    def _without_scopes(self, write: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        written = write(self)
        if self.scopes is None:
            del written["scopes"]
        return written


class SessionAnswer(BaseModel):
    """One signed-in device. `seen_at` is right to the minute."""

    id: str
    current: bool
    remember: bool
    ip: str | None
    user_agent: str | None
    created_at: Moment
    seen_at: Moment
    expires_at: Moment

    @classmethod
    def of(cls, session: Session, *, current: bool) -> Self:
        return cls(
            id=str(session.id),
            current=current,
            remember=session.remember,
            ip=session.ip,
            user_agent=session.user_agent,
            created_at=session.created_at,
            seen_at=session.seen_at,
            expires_at=session.expires_at,
        )


class TokensAnswer(BaseModel):
    """An access token for `Authorization: Bearer`, and what renews it (RFC 6749, 5.1)."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int = Field(description="Seconds for which the access token is good.")

    @classmethod
    def of(cls, tokens: Tokens) -> Self:
        return cls(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_in=tokens.expires_in,
        )


class LoginAnswer(BaseModel):
    """Who is signed in, and by which session.

    The session's secret is in the cookie; where tokens were asked for, they are here instead.
    """

    account: AccountAnswer
    session: SessionAnswer
    access_token: str | None = None
    refresh_token: str | None = None
    token_type: Literal["Bearer"] | None = None
    expires_in: int | None = None

    @model_serializer(mode="wrap")
    def _without_tokens(self, write: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        written = write(self)
        if self.access_token is None:
            return {name: written[name] for name in ("account", "session")}
        return written


class SessionsAnswer(BaseModel):
    """A page of sessions, newest first; `next` is the cursor of the page after it."""

    sessions: list[SessionAnswer]
    next: str | None


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(None, max_length=36)
    limit: int = Field(50, ge=1, le=200)


class ProblemAnswer(BaseModel):
    """What went wrong, as `application/problem+json` (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[dict[str, str]] | None = None
