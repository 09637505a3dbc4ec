"""Looking through accounts, page by page.

A search is by how an address, a username or a name begins, whatever the case. Each is a walk along
an index, from where the page before ended, and looks at so many and no more: a page takes as long
among a million accounts, however few of them are what was asked for.
"""

import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union,
)

from vestibule.accounts.models import Account
from vestibule.kernel.unit import Unit
from vestibule.roles.models import Grant

_LAST = "\U0010ffff"  # nothing that begins alike comes after it
_END = "\x1f"
_AHEAD = 3  # times a page: most are found by address and username
_LOOKED_AT = 1000  # for one page


@dataclass(frozen=True)
class Place:
    """Where a page ends: at an account, and in a search at what it was found by."""

    account_id: UUID
    term: str | None = None

    def written(self) -> str:
        if self.term is None:
            return str(self.account_id)
        return urlsafe_b64encode(f"{self.account_id}{_END}{self.term}".encode()).decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `written` wrote.

        Raises:
            ValueError: it is none.
        """
        if len(text) == len(str(UUID(int=0))):
            return cls(UUID(text))
        try:
            account_id, _, term = urlsafe_b64decode(text).decode().partition(_END)
        except Base64Error:
            raise ValueError("no place of ours") from None
        if "\0" in term:
            raise ValueError("no place of ours")
        return cls(UUID(account_id), term)


@dataclass(frozen=True)
class Page:
    """Some accounts, and where the next page begins: also after one that is short, or empty,
    because few of those that were looked at are what was asked for."""

    accounts: Sequence[Account]
    next: Place | None


async def page(
    unit: Unit,
    *,
    query: str | None = None,
    state: str | None = None,
    role: str | None = None,
    after: Place | None = None,
    limit: int,
) -> Page:
    """List accounts, newest first; or search them.

    Args:
        query: how address, username, given or family name begins, in whose order they come. Each
            comes once, by the first of what it was found by.
    """
    if query is None:
        walk, ahead = partial(_listed, state, role), limit + 1
    else:
        walk, ahead = partial(_found, query, state, role), _AHEAD * (limit + 1)
    places, following = await _stroll(unit, walk, after, ahead, limit)
    ids = [place.account_id for place in places]
    accounts = await unit.session.scalars(select(Account).where(Account.id.in_(ids)))
    found = {account.id: account for account in accounts}
    return Page([found[each] for each in ids if each in found], following)


_Rows = Select[UUID, str | None, bool]  # accounts, what they were found by, whether they are wanted


async def _stroll(
    unit: Unit,
    walk: Callable[[Place | None, int], _Rows],
    after: Place | None,
    ahead: int,
    limit: int,
) -> tuple[list[Place], Place | None]:
    """Walk, with longer steps each time, until a page is full or enough were looked at.

    Returns:
        The page, and where the next one begins.
    """
    places: list[Place] = []
    looked = 0
    while True:
        rows = (await unit.session.execute(walk(after, ahead))).all()
        places += [Place(account_id, term) for account_id, term, wanted in rows if wanted]
        if len(places) > limit:
            return places[:limit], places[limit - 1]
        if len(rows) < ahead:
            return places, None
        after = Place(rows[-1][0], rows[-1][1])
        looked += len(rows)
        if looked >= _LOOKED_AT:
            return places, after
        ahead = min(2 * ahead, _LOOKED_AT - looked)


def _listed(state: str | None, role: str | None, after: Place | None, most: int) -> _Rows:
    """Walk from the newest, along those of a role or, of whatever role, of a state."""
    column = Account.id if role is None else Grant.account_id
    walk = select(column.label("account_id")).order_by(column.desc()).limit(most)
    if role is not None:
        walk = walk.where(Grant.role == role)
    elif state is not None:
        walk = walk.where(Account.state == state)
    if after is not None:
        walk = walk.where(column < after.account_id)
    met = walk.subquery()
    wanted = and_(true(), *_narrowing(state, None))
    return (
        select(met.c.account_id, literal(None, String).label("term"), wanted.label("wanted"))
        .join(Account, Account.id == met.c.account_id)
        .order_by(met.c.account_id.desc())
    )


def _found(
    query: str, state: str | None, role: str | None, after: Place | None, most: int
) -> _Rows:
    """Walk along all indexes at once: each account as often as it is found, and where it is first.

    Whether it is the first, and of that state and role, is asked of the few that are met. Asked on
    the way, it would pass over all that are not, however many, before it meets the next one.
    """
    key = unicodedata.normalize("NFKC", query.strip()).casefold()
    lower = func.lower(query.strip())  # by whom the names were lowered
    begins = (literal(key), literal(key), lower, lower)
    ranges = [
        and_(term >= first, term < first.concat(_LAST))
        for term, first in zip(_TERMS, begins, strict=True)
    ]
    walks = []
    for term, in_range in zip(_TERMS, ranges, strict=True):
        walk = select(term.label("term"), Account.id.label("account_id")).where(in_range)
        if after is not None and after.term is not None:
            walk = walk.where(tuple_(term, Account.id) > tuple_(after.term, after.account_id))
        walks.append(walk.order_by(term, Account.id).limit(most).subquery())
    every = union(*(select(each) for each in walks)).subquery()  # a term that stands twice is one
    met = select(every).order_by(every.c.term, every.c.account_id).limit(most).subquery()
    earlier = [
        and_(func.coalesce(in_range, False), term < met.c.term)
        for term, in_range in zip(_TERMS, ranges, strict=True)
    ]
    wanted = and_(~or_(*earlier), *_narrowing(state, role))
    return (
        select(met.c.account_id, met.c.term, wanted.label("wanted"))
        .join(Account, Account.id == met.c.account_id)
        .order_by(met.c.term, met.c.account_id)
    )


def _narrowing(state: str | None, role: str | None) -> Iterator[ColumnElement[bool]]:
    if state is not None:
        yield Account.state == state
    if role is not None:
        has = select(Grant.account_id).where(Grant.role == role, Grant.account_id == Account.id)
        yield has.exists()


_TERMS = (Account.email_key, Account.username_key, Account.given_key, Account.family_key)
