"""How letters leave, and what they look like."""

from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from vestibule.kernel import mailboxes
from vestibule.kernel.settings.group import Group
from vestibule.kernel.settings.values import PlainUrl, Problems, is_loopback, origin_of

_LINKS = (
    "link_sign_up",
    "link_password_reset",
    "link_address_change",
    "link_address_undo",
    "link_account_keep",
)


class Mail(Group):
    title: ClassVar = "Letters"

    mail_transport: Literal["console", "smtp", "mailgun"] | None = None
    """How letters leave: `smtp`, `mailgun`, or in development `console`, which keeps them in the
    data directory for `/dev/mailbox`."""

    mail_from: str = ""
    """The sender, `Name <no-reply@example.com>` or an address alone."""

    courier: bool = True
    """Send letters from the serving process. Off where `vestibule courier run` does it."""

    templates_dir: Path | None = None
    """A directory whose templates replace ours of the same name (`docs/letters.md`)."""

    link_sign_up: str = ""
    """Where the link of a sign-up letter leads, for front ends with a page of their own:
    `https://app.example.com/welcome?token={token}`. Default: our page, `/verify-email`."""

    link_password_reset: str = ""
    """As `LINK_SIGN_UP`, for the link to a new password. Default: our page, `/reset-password/…`."""

    link_address_change: str = ""
    """As `LINK_SIGN_UP`, for the link that proves a new address. Default: our page,
    `/confirm-email`."""

    link_address_undo: str = ""
    """As `LINK_SIGN_UP`, for the link by which a former address takes an account back. Default: our
    page, `/undo-email`."""

    link_account_keep: str = ""
    """As `LINK_SIGN_UP`, for the link by which an account that is closing is kept. Default: our
    page, `/keep-account`."""

    smtp_host: str = ""
    """The mail server's name."""

    smtp_port: int = Field(default=587, ge=1, le=65535)
    """587 for STARTTLS, 465 for TLS, 25 for a relay without either."""

    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` refuses to send when the server does not offer it. `none` is for a relay on the
    same machine; credentials are never sent over it to another."""

    smtp_username: str = ""
    """The user name at the mail server; without one there is no authentication."""

    smtp_password: SecretStr | None = None
    """The password at the mail server."""

    mailgun_api_key: SecretStr | None = None
    """A sending key of the domain."""

    mailgun_domain: str = ""
    """The sending domain."""

    mailgun_base_url: PlainUrl = "https://api.mailgun.net"
    """`https://api.eu.mailgun.net` for domains in the EU."""

    @field_validator(*_LINKS)
    @classmethod
    def _link(cls, value: str) -> str:
        if value and ("{token}" not in value or not origin_of(value)):
            raise ValueError("must be a URL that holds {token}")
        return value

    def problems(self) -> Problems:
        if not self.in_development:
            yield from self._mail_needed()
        if self.mail_from and mailboxes.sender(self.mail_from) is None:
            yield "mail_from", "must be an address, or a name and <an address>"
        if self.templates_dir and not self.templates_dir.is_dir():
            yield "templates_dir", "is not a directory"
        match self.mail_transport:
            case "smtp":
                yield from self._smtp_problems()
            case "mailgun":
                yield from self._mailgun_problems()

    def _mail_needed(self) -> Problems:
        if self.mail_transport in (None, "console"):
            yield "mail_transport", "set smtp or mailgun"
        if not self.mail_from:
            yield "mail_from", "set the sender's address"
        for link in _LINKS:
            if getattr(self, link) and urlsplit(getattr(self, link)).scheme != "https":
                yield link, "must be https: the link opens an account"

    def _smtp_problems(self) -> Problems:
        if not self.smtp_host:
            yield "smtp_host", "set the mail server's name"
        if self.smtp_username and not self.smtp_password:
            yield "smtp_password", "is missing while VESTIBULE_SMTP_USERNAME is set"
        if self.smtp_password and not self.smtp_username:
            yield "smtp_username", "is missing while VESTIBULE_SMTP_PASSWORD is set"
        in_clear = self.smtp_security == "none" and not is_loopback(self.smtp_host)
        if self.smtp_username and in_clear:
            yield "smtp_security", "credentials need starttls or tls"

    def _mailgun_problems(self) -> Problems:
        if not self.mailgun_api_key:
            yield "mailgun_api_key", "set the domain's sending key"
        if not self.mailgun_domain:
            yield "mailgun_domain", "set the sending domain"
        base = urlsplit(self.mailgun_base_url)
        if base.scheme != "https" and not is_loopback(base.hostname or ""):
            yield "mailgun_base_url", "must be https: the key goes there"

    @property
    def sender(self) -> str:
        """Who letters come from; development needs nobody in particular."""
        return self.mail_from or "vestibule@localhost"
