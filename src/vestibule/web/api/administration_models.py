"""What goes in and out of the routes for administrators."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field

from vestibule.accounts.models import Account
from vestibule.courier.models import Letter
from vestibule.web.api.models import AccountAnswer, Body, Moment, Name, Password, Typed

AccountState = Literal["active", "disabled", "closing"]
LetterState = Literal["queued", "sending", "sent", "failed", "dropped"]
_PLAIN = r"^[^\u0000-\u001f\u007f-\u009f]*$"
Role = Annotated[str, Field(max_length=40, pattern=_PLAIN)]
Roles = Annotated[list[Role], Field(max_length=50)]


class AccountsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(min_length=1, max_length=254, pattern=_PLAIN)] | None = None
    state: AccountState | None = None
    role: Role | None = None
    cursor: str | None = Field(None, max_length=1600)
    limit: int = Field(50, ge=1, le=200)


class LettersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: LetterState | None = None
    cursor: str | None = Field(None, max_length=36)
    limit: int = Field(50, ge=1, le=200)


class OpeningBody(Body):
    """Somebody else's account. Without a password they choose one by "forgot password"."""

    email: Typed | None = None
    email_verified: bool = Field(False, description="The address counts as proved: you vouch.")
    username: Typed | None = None
    password: Password | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    roles: Roles = Field([], description="Beside `user`, which everybody is.")


class AmendBody(Body):
    """Fields that are absent stay as they are; null clears one, but not the state."""

    username: Typed | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    picture: str | None = Field(None, description="An http or https URL, at most 2000 characters.")
    profile: dict[str, Any] | None = Field(  # Any: a host's own fields
        None, description="Replaced as a whole; at most 8 KiB of JSON."
    )
    state: Literal["active", "disabled"] = Field(
        "active", description="`disabled` shuts the account, `active` opens it again."
    )


class RolesBody(Body):
    roles: Roles


class ManagedAccountAnswer(AccountAnswer):
    """An account, as administrators see it."""

    external_id: str | None
    state: AccountState
    has_password: bool
    last_login_at: Moment | None
    updated_at: Moment

    @classmethod
    def of(cls, account: Account) -> Self:
        seen = AccountAnswer.of(account).model_dump() | {"created_at": account.created_at}
        return cls(
            **seen,
            external_id=account.external_id,
            state=cast(AccountState, account.state),
            has_password=account.password_hash is not None,
            last_login_at=account.last_login_at,
            updated_at=account.updated_at,
        )


class AccountsAnswer(BaseModel):
    """A page of accounts; `next` is the cursor of the page after it."""

    accounts: list[ManagedAccountAnswer]
    next: str | None


class EndedAnswer(BaseModel):
    """How many sessions ended."""

    ended: int


class LetterOnItsWay(BaseModel):
    """A letter, without what it says."""

    id: str
    kind: str
    account_id: str | None
    recipient: str
    state: LetterState
    attempts: int
    next_try_at: Moment | None
    expires_at: Moment
    last_error: str | None
    created_at: Moment
    sent_at: Moment | None

    @classmethod
    def of(cls, letter: Letter) -> Self:
        due: datetime | None = letter.next_try_at if letter.state == "queued" else None
        return cls(
            id=str(letter.id),
            kind=letter.kind,
            account_id=None if letter.account_id is None else str(letter.account_id),
            recipient=letter.recipient,
            state=cast(LetterState, letter.state),
            attempts=letter.attempts,
            next_try_at=due,
            expires_at=letter.expires_at,
            last_error=letter.last_error,
            created_at=letter.created_at,
            sent_at=letter.sent_at,
        )


class LettersAnswer(BaseModel):
    """A page of letters, newest first; `next` is the cursor of the page after it."""

    letters: list[LetterOnItsWay]
    next: str | None
