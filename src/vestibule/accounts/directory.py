"""Looking through accounts, page by page.

A search is by how an address, a username or a name begins, whatever the case. Each is a walk along
an index, from where the page before ended, so a page takes as long among a million accounts.
"""

import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_, union

from vestibule.accounts.models import Account
from vestibule.kernel.unit import Unit
from vestibule.roles.models import Grant

_LAST = "\U0010ffff"  # nothing that begins alike comes after it
_END = "\x1f"
_AHEAD = 3  # times a page: most are found by address and username


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


async def page(
    unit: Unit,
    *,
    state: str | None = None,
    role: str | None = None,
    before: UUID | None = None,
    most: int,
) -> Sequence[Account]:
    """List accounts, newest first, those opened before the account `before`."""
    if role is None:
        statement = select(Account).order_by(Account.id.desc())
        if before is not None:
            statement = statement.where(Account.id < before)
    else:
        statement = (
            select(Account)
            .join(Grant, Grant.account_id == Account.id)
            .where(Grant.role == role)
            .order_by(Grant.account_id.desc())
        )
        if before is not None:
            statement = statement.where(Grant.account_id < before)
    if state is not None:
        statement = statement.where(Account.state == state)
    return (await unit.session.scalars(statement.limit(most))).all()


async def search(
    unit: Unit,
    query: str,
    *,
    state: str | None = None,
    role: str | None = None,
    after: Place | None = None,
    most: int,
) -> Sequence[tuple[Account, Place]]:
    """Find accounts by how address, username, given or family name begins, in that order.

    Each comes once, by the first of what it was found by.
    """
    places: list[Place] = []
    ahead = _AHEAD * most
    narrowing = tuple(_narrowing(state, role))
    while len(places) < most:
        rows = (await unit.session.execute(_walk(query, narrowing, after, ahead))).all()
        places += [Place(row.account_id, row.term) for row in rows if row.first]
        if len(rows) < ahead:
            break
        after = Place(rows[-1].account_id, rows[-1].term)
    del places[most:]
    ids = [place.account_id for place in places]
    accounts = await unit.session.scalars(select(Account).where(Account.id.in_(ids)))
    found = {account.id: account for account in accounts}
    return [(found[place.account_id], place) for place in places if place.account_id in found]


def _walk(
    query: str, narrowing: Sequence[ColumnElement[bool]], after: Place | None, most: int
) -> Select[tuple[UUID, str, bool]]:
    """Walk along all indexes at once: each account as often as it is found, and where it is first.

    Whether it is the first is asked of the few that are met. Asked on the way, it would pass over
    all that are found by two terms, however many, before it meets the next one.
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
        walks.append(walk.where(*narrowing).order_by(term, Account.id).limit(most).subquery())
    every = union(*(select(each) for each in walks)).subquery()  # a term that stands twice is one
    met = select(every).order_by(every.c.term, every.c.account_id).limit(most).subquery()
    earlier = [
        and_(func.coalesce(in_range, False), term < met.c.term)
        for term, in_range in zip(_TERMS, ranges, strict=True)
    ]
    return (
        select(met.c.account_id, met.c.term, (~or_(*earlier)).label("first"))
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
