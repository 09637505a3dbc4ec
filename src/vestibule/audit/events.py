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
    TOKEN_REPLAYED = "token.replayed"
    SESSION_ENDED = "session.ended"
    SESSIONS_ENDED = "sessions.ended"
    SIGNING_KEY_ROTATED = "signing_key.rotated"
    SIGNING_KEY_RETIRED = "signing_key.retired"
    # One for each limit of the table that is kept for a key: written once for a key and span.
    SIGN_UP_CLIENT_REACHED = "sign_up_client.reached"
    LOG_IN_CLIENT_REACHED = "log_in_client.reached"
    LOG_IN_IDENTIFIER_REACHED = "log_in_identifier.reached"
    LOG_IN_ACCOUNT_REACHED = "log_in_account.reached"
    LOG_IN_DEVICE_REACHED = "log_in_device.reached"
    LETTERS_REACHED = "letters.reached"
    SIGN_UP_CODES_REACHED = "sign_up_codes.reached"
    SIGN_UP_PASSWORDS_REACHED = "sign_up_passwords.reached"
