"""Where people come from: a table of another database, or a file of CSV or of JSON lines."""

import csv
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Column, MetaData, Table, column, func, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from vestibule.kernel.database_url import dialect_url
from vestibule.moving.departure import FORMULA
from vestibule.moving.people import Row

PAGE = 500
ROLES = "roles"  # the column that a join table's roles stand in
_LINK = re.compile(r"(\w[\w.]*)\((\w+),\s*(\w+)\)(?:,\s*(\w[\w.]*)\((\w+),\s*(\w+)\))?")


class NotUsable(ValueError):
    """The source is not there, or not what it was said to be."""


class Source(Protocol):
    """People, always in the same order."""

    async def columns(self) -> Sequence[str]: ...

    async def total(self) -> int: ...

    def pages(self, wanted: Mapping[str, str]) -> AsyncIterator[Sequence[Row]]: ...


@dataclass(frozen=True)
class Link:
    """A table between people and roles: `roles_users(user_id,role_id),roles(id,name)`.

    Without the second table the first one holds the names of the roles.
    """

    table: str
    person: str
    role: str
    roles: str | None
    role_id: str | None
    name: str | None

    @classmethod
    def read(cls, text: str) -> "Link":
        found = _LINK.fullmatch(text.strip())
        if found is None:
            raise NotUsable("the roles stand in TABLE(PERSON,ROLE),TABLE(ID,NAME)")
        return cls(*found.groups())


class OfFile:
    """One person a line; the first line of CSV names the columns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._csv = path.suffix.lower() == ".csv"
        if not path.is_file():
            raise NotUsable(f"there is no file {path}")

    async def columns(self) -> Sequence[str]:
        found: dict[str, None] = {}
        for row in self._rows():  # a line may hold what none before it does
            found |= dict.fromkeys(row.values)
        return list(found)

    async def total(self) -> int:
        return sum(1 for _ in self._rows())

    async def pages(self, wanted: Mapping[str, str]) -> AsyncIterator[Sequence[Row]]:
        rows = self._rows()
        while page := list(islice(rows, PAGE)):
            yield page

    def _rows(self) -> Iterator[Row]:
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                if self._csv:
                    for values in (reader := csv.DictReader(file)):
                        values.pop(None, None)  # what has no column
                        cells = {of: _plain(cell) for of, cell in values.items()}
                        yield Row(f"line {reader.line_num}", cells)
                    return
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield Row(f"line {number}", _object(number, line))
        except (UnicodeDecodeError, csv.Error):
            raise NotUsable(f"{self._path} is no text of the kind that it says") from None


class OfDatabase:
    """The rows of a table, in the order of its ids, as they were when the reading began."""

    def __init__(self, connection: AsyncConnection, table: Table, link: Link | None) -> None:
        self._connection = connection
        self._table = table
        self._link = link

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, table: str, roles: str | None) -> AsyncIterator["OfDatabase"]:
        """Connect, and look at the tables."""
        try:
            parsed = dialect_url(url)
            engine = create_async_engine(parsed, hide_parameters=True)
        except (ArgumentError, ValueError, ImportError):
            raise NotUsable("the source is no URL of a database that we can read") from None
        name = parsed.get_backend_name()
        if name == "sqlite" and not _is_file(parsed.database or ""):
            raise NotUsable("there is no such SQLite file")
        link = None if roles is None else Link.read(roles)
        try:
            async with engine.connect() as connection:
                if name == "postgresql":
                    await connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                found = await _reflected(connection, table)
                yield cls(connection, found, link)
        finally:
            await engine.dispose()

    async def columns(self) -> Sequence[str]:
        return [*self._table.columns.keys(), *([ROLES] if self._link else [])]

    async def total(self) -> int:
        return await self._connection.scalar(select(func.count()).select_from(self._table)) or 0

    async def pages(self, wanted: Mapping[str, str]) -> AsyncIterator[Sequence[Row]]:
        # Without their types: a driver's own values are read, whatever SQLAlchemy expects.
        named = set(wanted.values()) - ({ROLES} if self._link else set())
        key: Column[Any] = self._table.columns[wanted["id"]]  # Any: an id of any type
        columns: list[Any] = [column(each) for each in sorted(named)]  # Any: values of any type
        statement = (
            select(*columns)
            .select_from(self._table)
            .where(key.is_not(None))
            .order_by(key)
            .limit(PAGE)
        )
        link = None
        if self._link is not None:
            link = await _roles_of(self._connection, self._link)
        last = None
        while True:
            page = statement if last is None else statement.where(key > last)
            rows = (await self._connection.execute(page)).mappings().all()
            if not rows:
                return
            ids = [each[wanted["id"]] for each in rows]
            roles: dict[str, list[str]] = {}
            if link is not None:
                joined, person = link
                for who, role in await self._connection.execute(joined.where(person.in_(ids))):
                    roles.setdefault(str(who), []).append(str(role))
            yield [
                Row(f"{self._table.name} {row_id}", {**each, **_given(link, roles, row_id)})
                for row_id, each in zip(ids, rows, strict=True)
            ]
            last = ids[-1]


def _plain(cell: str | None) -> str | None:
    """Take off the apostrophe that our own export put before what looks like a formula."""
    if cell is not None and cell.startswith("'") and FORMULA.match(cell):
        return cell[1:]
    return cell


def _is_file(name: str) -> bool:
    return Path(name).is_file()


def _given(link: object, roles: Mapping[str, list[str]], row_id: object) -> dict[str, list[str]]:
    return {} if link is None else {ROLES: roles.get(str(row_id), [])}


async def _reflected(connection: AsyncConnection, name: str) -> Table:
    schema, _, plain = name.rpartition(".")

    def look(sync: Any) -> Table:  # Any: SQLAlchemy's own connection
        if not sync.dialect.has_table(sync, plain, schema=schema or None):
            raise NotUsable(f"there is no table {name}")
        return Table(
            plain, MetaData(), schema=schema or None, autoload_with=sync, resolve_fks=False
        )

    return await connection.run_sync(look)


async def _roles_of(connection: AsyncConnection, link: Link) -> tuple[Any, Column[Any]]:
    """Return who has which role, and the column to ask by. Any: a statement of their tables."""
    between = await _reflected(connection, link.table)
    try:
        person, role = between.columns[link.person], between.columns[link.role]
        if link.roles is None or link.role_id is None or link.name is None:
            return select(person, role), person
        named = await _reflected(connection, link.roles)
        name, role_id = named.columns[link.name], named.columns[link.role_id]
    except KeyError as error:
        raise NotUsable(f"there is no column {error.args[0]}") from None
    return select(person, name).join_from(between, named, role == role_id), person


def _object(number: int, line: str) -> Mapping[str, Any]:  # Any: JSON
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotUsable(f"line {number} is no JSON object")
    return found
