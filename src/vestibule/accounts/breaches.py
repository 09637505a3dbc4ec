"""Asking whether a password is known from a data breach, without telling which password it is.

k-anonymity, as Have I Been Pwned offers it: we send the first five hex digits of the SHA-1 and get
the endings of all known ones. `Add-Padding` hides in the length how many there are.
"""

import logging
import re
from datetime import timedelta
from hashlib import sha1

from vestibule.kernel.client import Unreachable
from vestibule.kernel.counting import Count
from vestibule.kernel.errors import WeakPassword
from vestibule.kernel.limits import Limit
from vestibule.kernel.unit import Unit

log = logging.getLogger("vestibule.accounts")

_WITHIN = 2.0  # seconds
_LONGEST = 256 * 1024  # bytes; a padded answer has some 40 000
_PREFIX = 5
_OK = 200
_LINE = re.compile(rb"([0-9A-Fa-f]{35}):(\d{1,12})")
_TOLD = Limit("breach_check.told", most=1, within=timedelta(minutes=1))


async def check(unit: Unit, password: str) -> None:
    """Refuse a password that is known, if the settings say whom to ask; pauses `unit` before.

    Where nobody answers as agreed, within two seconds, the password passes: that others cannot be
    reached must not keep people from signing up. It is logged, once a minute.

    Raises:
        WeakPassword: it is known.
    """
    url = unit.settings.breach_check_url
    if not url:
        return
    digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    await unit.pause()  # nobody waits for somebody else's server with a connection in hand
    try:
        known = await _endings(unit, f"{url}/{digest[:_PREFIX]}")
    except Unreachable as error:
        told = Count(_TOLD, "")
        if await unit.means.counters_here.count([told], now=unit.now) is None:
            log.warning("passwords are taken unchecked by VESTIBULE_BREACH_CHECK_URL: %s", error)
        return
    if digest[_PREFIX:] in known:
        raise WeakPassword("breached")


async def _endings(unit: Unit, url: str) -> set[str]:
    """Return the endings of known passwords' digests.

    Raises:
        Unreachable: also where the answer is not of the form agreed.
    """
    padded = {"Add-Padding": "true", "User-Agent": "vestibule"}  # theirs refuses who names nobody
    answer = await unit.means.client.send("GET", url, headers=padded, within=_WITHIN, most=_LONGEST)
    if answer.status != _OK:
        raise Unreachable(f"status {answer.status}")
    lines = [_LINE.fullmatch(line) for line in answer.body.splitlines() if line]
    if not lines or not all(lines):
        raise Unreachable("an answer of another form")
    # Padding has a count of 0.
    return {found[1].decode().upper() for found in lines if found and int(found[2])}
