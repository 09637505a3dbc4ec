import re

from vestibule.courier.transports import Message

_LONGEST = 200
_SHARED = 8  # so many characters in a row in both are no chance
_WORD = re.compile(r"[\w-]{8,}")


def quote(said: str, *, without: Message | None, secret: str = "") -> str:
    """Return a server's words on one line, fit to be kept and shown.

    Spam filters quote what they dislike, often the link. Whatever shares eight characters in a row
    with the letter is left out, and so are the recipient and `secret`.
    """
    letter = f"{without.text}\n{without.html or ''}" if without else ""

    def hide(word: re.Match[str]) -> str:
        pieces = (word[0][at : at + _SHARED] for at in range(len(word[0]) - _SHARED + 1))
        return "…" if any(piece in letter for piece in pieces) else word[0]

    if without:
        name = re.escape(without.recipient.rpartition("@")[0])
        said = re.sub(rf"{name}@[\w.-]+", "…", said, flags=re.IGNORECASE)
    if secret:
        said = said.replace(secret, "…")
    shown = _WORD.sub(hide, said[: 20 * _LONGEST])
    printable = "".join(sign if sign.isprintable() else " " for sign in shown)
    return " ".join(printable.split())[:_LONGEST]
