"""Reading and refusing as all dialects do, each in its own shape."""

import re
from typing import cast
from uuid import UUID

from quart import request

from vestibule.accounts import policy, queries
from vestibule.accounts.models import Account
from vestibule.kernel import errors
from vestibule.kernel.errors import (
    FieldError,
    InvalidFields,
    MalformedBody,
    TryLater,
    VestibuleError,
    WrongMediaType,
)
from vestibule.kernel.unit import Unit
from vestibule.web import reading
from vestibule.web.answers import Answers

_NUMBER = re.compile("0|[1-9][0-9]{0,15}", re.ASCII)
_LARGEST = 2**53 - 1
_LONGEST = 4096  # characters; as long as passwords of people who moved in may be


async def json_object(*, whatever_its_type: bool = False) -> dict[str, object]:
    """Read the body as one JSON object.

    Raises:
        WrongMediaType: none came, or something else.
        MalformedBody: it is not plain JSON.
        InvalidFields: it is JSON, and no object.
    """
    raw = cast(bytes, await request.get_data())
    if not raw and (whatever_its_type or request.mimetype == "application/json"):
        raise MalformedBody("Send a JSON object as the body.")
    if not raw:
        raise WrongMediaType("send application/json")
    said = reading.read_json(raw, whatever_its_type=whatever_its_type)
    if not isinstance(said, dict):
        raise InvalidFields([FieldError("", "object_expected", "Send one JSON object.")])
    return said


def text(said: dict[str, object], field: str, *, most: int = _LONGEST) -> str | None:
    """Return a field that is a text; None where it is missing or null.

    Raises:
        InvalidFields: it is something else, or longer than `most`.
    """
    value = said.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidFields([FieldError(field, "string_type", f"{field} must be a string.")])
    if len(value) > most:
        raise InvalidFields([FieldError(field, "too_long", f"{field} is too long.")])
    return value


def needed(said: dict[str, object], field: str, *, most: int = _LONGEST) -> str:
    """Return a field that is a text.

    Raises:
        InvalidFields: as `text`, and where it is missing.
    """
    value = text(said, field, most=most)
    if value is None:
        raise InvalidFields([FieldError(field, "missing", f"{field} is missing.")])
    return value


def id_of(account: Account) -> int | str:
    """Return the id that a dialect shows: the one of the older system, a number where it is one.

    It is one where it is written as one, and every script reads it exactly.
    """
    former = account.external_id
    if former is None:
        return str(account.id)
    exact = _NUMBER.fullmatch(former) is not None and int(former) <= _LARGEST
    return int(former) if exact else former


async def by_id(unit: Unit, shown: int | str) -> Account | None:
    """Find an account by an id as `id_of` shows it."""
    found = await queries.by_external_id(unit, str(shown))
    if found is not None or not isinstance(shown, str):
        return found
    try:
        own = await queries.by_id(unit, UUID(shown))
    except ValueError:
        return None
    return own if own is not None and own.external_id is None else None


def first_of(error: VestibuleError) -> str:
    """Say what is wrong with the first field that is not as it must be."""
    assert isinstance(error, InvalidFields)
    return error.fields[0].message if error.fields else "Some fields are not as they must be."


def weak(error: VestibuleError) -> str:
    assert isinstance(error, errors.WeakPassword)
    return {
        "too_short": f"Password must have at least {policy.SHORTEST} characters",
        "too_long": f"Password must have at most {policy.LONGEST} characters",
        "common": "This password is too common",
        "personal": "A name or an address is no password",
        "breached": "This password is known from a data breach",
    }[error.reason]


def wait(error: VestibuleError) -> str:
    assert isinstance(error, TryLater)
    return f"Too many attempts. Try again in {error.retry_after} seconds."


# What a dialect answers where its front end knows no words of its own.
COMMON: Answers = {
    errors.BadCredentials: (401, "Wrong email or password"),
    errors.ProofRefused: (401, "That is not right, used, or out of date"),
    errors.TokenRefused: (401, "Token has been revoked"),
    errors.MalformedBody: (400, str),
    errors.WrongMediaType: (415, "Send application/json in UTF-8."),
    errors.InvalidFields: (422, first_of),
    errors.IdentifierMissing: (422, "Send an email or a username."),
    errors.InvalidAddress: (422, "Not a valid email address."),
    errors.InvalidUsername: (422, "A username has 3 to 80 letters, digits, _, . or -."),
    errors.WeakPassword: (422, weak),
    errors.TooManyAttempts: (429, wait),
    errors.Busy: (503, "Too many people are logging in at this moment. Try again."),
    errors.DatabaseUnavailable: (503, "The service is not available. Try again."),
    errors.UsernameTaken: (409, "This username is taken."),
    errors.AddressTaken: (409, "This email address is taken."),
    errors.NotSignedIn: (401, "Log in first."),
    errors.AddressNotProved: (403, "This is for accounts with a proved email address."),
    errors.RoleRequired: (403, "This is for accounts with another role."),
    errors.BeyondPowers: (403, "This is for others."),
    errors.NotOneself: (403, "This is for others."),
    errors.ScopeRequired: (403, "This is for accounts with another role."),
    errors.ReauthenticationRequired: (403, "Log in again first."),
    errors.SessionRequired: (403, "This is for people who are signed in."),
    errors.NoCodeByLetter: (409, "Use your password."),
    errors.TooManyApiKeys: (409, "There are too many keys."),
    errors.RoleUnknown: (404, "There is no such role."),
    errors.AccountUnknown: (404, "There is no such account."),
    errors.LetterUnknown: (404, "There is no such letter."),
    errors.SessionUnknown: (404, "There is no such session."),
    errors.ApiKeyUnknown: (404, "There is no such key."),
    errors.SigningKeyUnknown: (404, "There is no such key."),
    errors.NoAccount: (403, "No account is signed in to by this."),
    errors.StateRefused: (400, "This sign-in was begun elsewhere or too long ago. Begin again."),
    errors.ProviderFailed: (424, "The provider cannot be reached. Try again later."),
    errors.ProviderUnknown: (404, "There is no such provider."),
    errors.ProviderRefused: (400, "The provider did not sign anybody in. Begin again."),
    errors.LastWayIn: (409, "Nobody could sign in to your account any more."),
    errors.IdentityTaken: (409, "This opens another account."),
    errors.IdentityUnknown: (404, "Nobody of this provider signs in to your account."),
    errors.CrossSite: (403, str),
    errors.WrongHost: (421, "Nothing here has this name."),
    errors.HttpsRequired: (403, "Send this over https."),
}
