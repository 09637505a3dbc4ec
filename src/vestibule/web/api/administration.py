"""Looking after other people's accounts."""

from typing import cast
from uuid import UUID

from quart import Blueprint
from quart_schema import tag, validate_querystring, validate_request, validate_response

from vestibule.accounts import administration, directory, queries
from vestibule.accounts.directory import Place
from vestibule.accounts.profile import Changes
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import AccountUnknown, FieldError, InvalidFields
from vestibule.kernel.unit import Unit
from vestibule.web import identity, reading
from vestibule.web.administrators import RECENT, administers
from vestibule.web.api.administration_models import (
    AccountsAnswer,
    AccountsQuery,
    AmendBody,
    EndedAnswer,
    ManagedAccountAnswer,
    OpeningBody,
    RolesBody,
)

blueprint = Blueprint("administration", __name__, url_prefix="/admin")


@blueprint.get("/accounts")
@tag(["Administration"])
@administers()
@validate_querystring(AccountsQuery)
@validate_response(AccountsAnswer)
async def list_accounts(query_args: AccountsQuery) -> AccountsAnswer:
    """List accounts, or search them

    Newest first. With `query`: those whose address, username, given or family name begins so, in
    the order of these. `next` is the cursor of the next page of the same list; a page may hold
    fewer than `limit`, or none, and still have one, where few are of the `state` and `role`.
    """
    asked = query_args
    place = _place(asked.cursor, searching=asked.query is not None)

    async def flow(unit: Unit) -> AccountsAnswer:
        page = await directory.page(
            unit,
            query=asked.query,
            state=asked.state,
            role=asked.role,
            after=place,
            limit=asked.limit,
        )
        answers = [ManagedAccountAnswer.of(account) for account in page.accounts]
        return AccountsAnswer(accounts=answers, next=page.next.written() if page.next else None)

    return await current_vestibule().run(flow, reading=True)


@blueprint.post("/accounts")
@tag(["Administration"])
@administers(recent=True)
@validate_request(OpeningBody)
@validate_response(ManagedAccountAnswer, 201)
async def create_account(data: OpeningBody) -> tuple[ManagedAccountAnswer, int]:
    """Open an account for somebody

    At once, without a letter. Roles beyond one's own powers cannot be given; only `admin` vouches
    for an address. Wants a recent log-in.
    """
    known = await identity.signed_in()
    wanted = cast(administration.Opening, data.model_dump(exclude={"roles", "password"}))
    if data.password is not None:
        wanted["password"] = data.password.get_secret_value()
    account = await current_vestibule().run(
        lambda unit: administration.create(unit, known.account.id, wanted, roles=data.roles),
        caller=identity.caller(),
    )
    return ManagedAccountAnswer.of(account), 201


@blueprint.get("/accounts/<account_id>")
@tag(["Administration"])
@administers()
@validate_response(ManagedAccountAnswer)
async def show_account(account_id: str) -> ManagedAccountAnswer:
    """Show an account"""
    named = _id(account_id)
    account = await current_vestibule().run(lambda unit: queries.by_id(unit, named), reading=True)
    if account is None:
        raise AccountUnknown
    return ManagedAccountAnswer.of(account)


@blueprint.patch("/accounts/<account_id>")
@tag(["Administration"])
@administers()
@validate_request(AmendBody)
@validate_response(ManagedAccountAnswer)
async def change_account(account_id: str, data: AmendBody) -> ManagedAccountAnswer:
    """Change an account, shut it, or open it again

    A JSON merge patch, as for `/me`. Nobody shuts their own. An account that is shut has no
    sessions, and nobody logs in to it; to shut or open one wants a recent log-in. Its address is
    its owner's to change.
    """
    known, named = await identity.signed_in(), _id(account_id)
    given = data.model_dump(exclude_unset=True)
    state = given.pop("state", None)
    if state is not None:
        RECENT.check(known)
    account = await current_vestibule().run(
        lambda unit: administration.amend(
            unit, known.account.id, named, cast(Changes, given), state=state
        ),
        caller=identity.caller(),
    )
    return ManagedAccountAnswer.of(account)


@blueprint.delete("/accounts/<account_id>")
@tag(["Administration"])
@administers(all_of_it=True, recent=True)
@reading.takes_no_fields
async def erase_account(account_id: str) -> tuple[str, int]:
    """Erase an account

    At once and for good; the audit log keeps ids. Not one's own. For `admin` alone, and wants a
    recent log-in.
    """
    known, named = await identity.signed_in(), _id(account_id)
    await current_vestibule().run(
        lambda unit: administration.erase(unit, known.account.id, named), caller=identity.caller()
    )
    return "", 204


@blueprint.put("/accounts/<account_id>/roles")
@tag(["Administration"])
@administers(recent=True)
@validate_request(RolesBody)
@validate_response(ManagedAccountAnswer)
async def set_roles(account_id: str, data: RolesBody) -> ManagedAccountAnswer:
    """Give an account these roles and no others

    Nobody changes their own, and nobody gives or takes what is beyond their own powers. It counts
    from the next request on. Wants a recent log-in.
    """
    known, named = await identity.signed_in(), _id(account_id)
    account = await current_vestibule().run(
        lambda unit: administration.set_roles(unit, known.account.id, named, data.roles),
        caller=identity.caller(),
    )
    return ManagedAccountAnswer.of(account)


@blueprint.post("/accounts/<account_id>/sessions/end")
@tag(["Administration"])
@administers()
@reading.takes_no_fields
@validate_response(EndedAnswer)
async def end_sessions(account_id: str) -> EndedAnswer:
    """Sign an account out everywhere

    Links and codes that are under way to change its password or address are worth nothing either.
    """
    known, named = await identity.signed_in(), _id(account_id)
    ended = await current_vestibule().run(
        lambda unit: administration.end_sessions(unit, known.account.id, named),
        caller=identity.caller(),
    )
    return EndedAnswer(ended=ended)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise AccountUnknown from None


def _place(cursor: str | None, *, searching: bool) -> Place | None:
    if cursor is None:
        return None
    try:
        place = Place.read(cursor)
    except ValueError:
        place = None
    if place is None or (place.term is not None) is not searching:
        raise InvalidFields([FieldError("cursor", "cursor", "Send the `next` of a page before.")])
    return place
