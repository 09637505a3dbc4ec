"""Everything the log can tell: `<thing>.<what became of it>`. A name, once released, stays."""

from enum import StrEnum


class Event(StrEnum):
    SIGN_UP_ASKED = "sign_up.asked"
    SIGN_UP_LETTER_ASKED = "sign_up.letter_asked"
    LETTER_WITHHELD = "letter.withheld"
    ACCOUNT_OPENED = "account.opened"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    ADDRESS_PROVED = "address.proved"
    PROOF_REFUSED = "proof.refused"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_REFUSED = "login.refused"
    PASSWORD_REHASHED = "password.rehashed"
    SESSION_ENDED = "session.ended"
    SESSIONS_ENDED = "sessions.ended"
