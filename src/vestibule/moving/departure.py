"""Writing every account into a file: what `moving.people` reads again, and others can."""

import csv
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TextIO

from vestibule.accounts import directory
from vestibule.accounts.models import Account
from vestibule.kernel.means import Means
from vestibule.kernel.unit import opening

_PAGE = 500
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # how a cell begins that a spreadsheet works out
_FIELDS = (
    "id",
    "external_id",
    "email",
    "email_verified_at",
    "username",
    "password_hash",
    "given_name",
    "family_name",
    "picture",
    "state",
    "roles",
    "created_at",
    "last_login_at",
    "profile",
)


async def everybody(means: Means) -> AsyncIterator[dict[str, Any]]:  # Any: JSON
    """Yield each account, newest first; those that come meanwhile may be missing."""
    after = None
    while True:
        async with opening(means, reading=True) as unit:
            page = await directory.page(unit, after=after, limit=_PAGE)
        for account in page.accounts:
            yield _written(account)
        after = page.next
        if after is None:
            return


def private_file(path: Path) -> TextIO:
    """Open a file that is not there yet, for its owner alone: password hashes stand in it."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


class Writer:
    """Writes one account a line."""

    def __init__(self, file: TextIO, *, as_csv: bool, passwords: bool) -> None:
        self._file = file
        self._fields = [each for each in _FIELDS if passwords or each != "password_hash"]
        self._csv = csv.DictWriter(file, self._fields) if as_csv else None
        if self._csv is not None:
            self._csv.writeheader()

    def write(self, written: dict[str, Any]) -> None:  # Any: JSON
        kept = {each: written[each] for each in self._fields}
        if self._csv is None:
            self._file.write(json.dumps(kept, ensure_ascii=False) + "\n")
            return
        profile = json.dumps(kept["profile"], ensure_ascii=False)
        cells = kept | {"roles": ",".join(kept["roles"]), "profile": profile}
        self._csv.writerow({of: _as_text(cell) for of, cell in cells.items()})


def _as_text(cell: object) -> object:
    """Have no spreadsheet take a cell for a formula; `sources` takes the apostrophe off again."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def _written(account: Account) -> dict[str, Any]:  # Any: JSON
    def at(name: str) -> str | None:
        moment = getattr(account, name)
        return None if moment is None else moment.isoformat()

    times = {each: at(each) for each in _FIELDS if each.endswith("_at")}
    plain = {each: getattr(account, each) for each in _FIELDS if each not in times}
    return {**plain, **times, "id": str(account.id), "roles": list(account.roles)}
