"""Every limit of the system, in one table, and the notation that sets them.

It stands beside the settings because they check it: a slip is told before anything is served.
"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_UNITS = {"d": _DAY, "h": _HOUR, "m": _MINUTE, "s": timedelta(seconds=1)}
_VALUE = re.compile(r"(?P<most>[1-9]\d{0,6})/(?P<spans>[1-9]\d{0,3})(?P<unit>[dhms])", re.ASCII)
_OFF = "off"


@dataclass(frozen=True)
class Limit:
    """At most `most` counts within any span of length `within`, for each key; None: no limit.

    The span begins anew with each count. `from_first`: it begins with the first one, for keys that
    many honest people share and that hardly ever rest; twice as many may fall around its turn.
    """

    name: str
    most: int | None
    within: timedelta
    from_first: bool = False
    counts: str = ""

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.name}={_OFF}"
        unit, length = next((u, size) for u, size in _UNITS.items() if not self.within % size)
        return f"{self.name}={self.most}/{self.within // length}{unit}"


SIGN_UP_CLIENT = Limit(
    "sign_up_client",
    most=60,
    within=_HOUR,
    from_first=True,
    counts="sign-ups from one client address",
)
LOG_IN_CLIENT = Limit(
    "log_in_client",
    most=100,
    within=15 * _MINUTE,
    from_first=True,
    counts="wrong log-ins from one client address, whomever they name",
)
LOG_IN_IDENTIFIER = Limit(
    "log_in_identifier",
    most=10,
    within=15 * _MINUTE,
    counts="wrong log-ins for one address or username, whether or not an account has it",
)
# NIST SP 800-63B 3.2.2: no more than 100. By account, because it may have two identifiers.
LOG_IN_ACCOUNT = Limit(
    "log_in_account",
    most=100,
    within=_DAY,
    from_first=True,
    counts="wrong log-ins for one account, by whichever of its names; beyond it every password is "
    "answered as a wrong one",
)
LOG_IN_DEVICE = Limit(
    "log_in_device",
    most=10,
    within=_DAY,
    from_first=True,
    counts="wrong log-ins from a device that the account was signed in on before, and wrong "
    "passwords of a session that confirms who it is, in place of `log_in_identifier` and "
    "`log_in_account`; beyond it the device is a stranger",
)
LETTERS = Limit(
    "letters",
    most=5,
    within=_HOUR,
    counts="letters to one address that anybody can ask for; beyond it the answer stays the same "
    "and no letter leaves",
)
FORGOT_CLIENT = Limit(
    "forgot_client",
    most=60,
    within=_HOUR,
    from_first=True,
    counts="passwords that one client address says are forgotten, whomever it names",
)
PROVIDER_CLIENT = Limit(
    "provider_client",
    most=120,
    within=_HOUR,
    from_first=True,
    counts="sign-ins with a provider that come back from one client address",
)
PROVIDER_REFUSALS = Limit(
    "provider_refusals",
    most=100,
    within=15 * _MINUTE,
    from_first=True,
    counts="sign-ins with a provider that are refused to one client address, for the audit log: "
    "it tells of no more",
)
# Ten guesses at 40 bits. Counted by address, so a new sign-up or a new letter refills nothing.
SIGN_UP_CODES = Limit(
    "sign_up_codes", most=10, within=_DAY, counts="wrong codes for the sign-ups of one address"
)
RESET_CODES = Limit(
    "reset_codes",
    most=10,
    within=_DAY,
    counts="wrong codes for a new password of one address, whether or not an account has it",
)
ADDRESS_CODES = Limit(
    "address_codes", most=10, within=_DAY, counts="wrong codes for one address that is to be new"
)
ADDRESS_CHANGES = Limit(
    "address_changes",
    most=5,
    within=_HOUR,
    counts="changes of its address that one account asks for; two letters leave for each",
)
# Counted by challenge: only who holds a letter's link can reach it.
SIGN_UP_PASSWORDS = Limit(
    "sign_up_passwords", most=10, within=_DAY, counts="wrong passwords at the link of one letter"
)
# Counted by address, as those of sign-ups are; who asks for letters is signed in.
CONFIRMATION_CODES = Limit(
    "confirmation_codes",
    most=10,
    within=_DAY,
    counts="wrong codes by which an account without a password confirms who it is",
)
CONFIRMATION_LETTERS = Limit(
    "confirmation_letters", most=5, within=_HOUR, counts="letters with such a code to one account"
)
API_KEYS = Limit(
    "api_keys",
    most=20,
    within=_HOUR,
    from_first=True,
    counts="API keys that one account makes, and letters that tell of them",
)

# Of the article that the dialect `classic` follows.
CLASSIC_LOG_IN = Limit(
    "classic_log_in",
    most=10,
    within=_MINUTE,
    from_first=True,
    counts="log-ins from one client address by `classic`, right ones too",
)
CLASSIC_HOUR = Limit(
    "classic_hour",
    most=50,
    within=_HOUR,
    from_first=True,
    counts="requests to `classic` from one client address, log-ins among them",
)
CLASSIC_DAY = Limit("classic_day", most=200, within=_DAY, from_first=True, counts="the same")

# A process that is asked for more can do nothing but refuse; this way it says so at little cost.
REQUESTS = Limit(
    "requests",
    most=500,
    within=timedelta(seconds=1),
    from_first=True,
    counts="requests to one process that may change something, from everybody together; counted by "
    "that process, and refused before anything is read",
)

TABLE = {
    limit.name: limit
    for limit in (
        SIGN_UP_CLIENT,
        LOG_IN_CLIENT,
        LOG_IN_IDENTIFIER,
        LOG_IN_ACCOUNT,
        LOG_IN_DEVICE,
        LETTERS,
        FORGOT_CLIENT,
        PROVIDER_CLIENT,
        PROVIDER_REFUSALS,
        SIGN_UP_CODES,
        RESET_CODES,
        ADDRESS_CODES,
        ADDRESS_CHANGES,
        SIGN_UP_PASSWORDS,
        CONFIRMATION_CODES,
        CONFIRMATION_LETTERS,
        API_KEYS,
        CLASSIC_LOG_IN,
        CLASSIC_HOUR,
        CLASSIC_DAY,
        REQUESTS,
    )
}


def read(text: str) -> tuple[Limit, ...]:
    """Read limits such as `letters=5/1h, log_in_client=off`; those not named stay as they are.

    Raises:
        ValueError: saying which part is wrong, by its place, and what would be right.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    found: dict[str, Limit] = {}
    for place, part in enumerate(parts, start=1):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in TABLE:
            raise ValueError(f"part {place} names no limit; there are {', '.join(TABLE)}")
        if name in found:
            raise ValueError(f"{name} stands twice")
        found[name] = _set(TABLE[name], value)
    return tuple(found.values())


def _set(limit: Limit, value: str) -> Limit:
    if value == _OFF:
        return replace(limit, most=None)
    read = _VALUE.fullmatch(value)
    if read is None:
        raise ValueError(f"{limit.name} must be such as {str(limit).partition('=')[2]}, or {_OFF}")
    within = int(read["spans"]) * _UNITS[read["unit"]]
    return replace(limit, most=int(read["most"]), within=within)
