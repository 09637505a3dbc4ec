"""Letters over SMTP (RFC 5321), a connection each."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

import aiosmtplib

from vestibule.courier.transports import (
    Message,
    Misconfigured,
    Permanent,
    Temporary,
    TransportError,
)
from vestibule.courier.transports.envelope import Envelope, address_to
from vestibule.courier.transports.replies import quote
from vestibule.kernel import mailboxes
from vestibule.kernel.clock import Clock, SystemClock
from vestibule.kernel.settings import Settings

_PATIENCE = 20.0  # seconds for a letter, from connecting to the server's last word
_GOODBYE = 2.0
# RFC 4954 and RFC 3207: said at any command, these are about us and not about the letter.
_NOT_LET_IN = {530, 534, 535, 538}
_TOO_LARGE = 552
_REFUSED_LETTER = (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)


class Smtp:
    """`tls` replaces the trust store of the system, for a server with a private authority."""

    def __init__(
        self,
        settings: Settings,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        sender = mailboxes.sender(settings.sender)
        self._name = sender.domain if sender else "localhost"
        self._host = settings.smtp_host
        self._port = settings.smtp_port
        self._security = settings.smtp_security
        self._username = settings.smtp_username
        self._password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
        self._tls = None if self._security == "none" else tls or ssl.create_default_context()
        self._clock = clock or SystemClock()
        self._patience = patience

    async def send(self, message: Message) -> None:
        envelope = address_to(message)
        content = _compose(message, envelope, at=self._clock.now())
        async with self._entered(envelope.sender.domain, message) as client:
            await client.sendmail(
                envelope.sender.addr_spec,
                [envelope.recipient.addr_spec],
                content,
                mail_options=["SMTPUTF8"] if envelope.needs_utf8 else [],
            )

    async def check(self) -> str:
        """Connect, encrypt and log in as for a letter, and leave."""
        async with self._entered(self._name) as client:
            await client.ehlo()
        entered = "answers, and lets us in" if self._username else "answers"
        return f"{self._host}:{self._port} {entered} (security: {self._security})"

    async def close(self) -> None:
        pass

    @asynccontextmanager
    async def _entered(
        self, name: str, message: Message | None = None
    ) -> AsyncIterator[aiosmtplib.SMTP]:
        """Open a connection as far as letters may be handed over; turn faults into verdicts."""
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=name,  # never a DNS question about ourselves
            timeout=None,
            use_tls=self._security == "tls",
            start_tls=False,  # `_encrypt` does it, and never goes on without
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(self._patience):
                await client.connect()
                if self._security == "starttls":
                    await _encrypt(client)
                if self._username:
                    await self._log_in(client)
                yield client
            # A letter is theirs now: whatever happens to the goodbye, it is sent.
            with suppress(aiosmtplib.SMTPException, OSError):
                async with asyncio.timeout(_GOODBYE):
                    await client.quit()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._verdict(error, message) from error
        finally:
            client.close()

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        await client.ehlo()
        ways = {
            "plain": client.auth_plain,
            "login": client.auth_login,
            "cram-md5": client.auth_crammd5,
        }
        # One attempt, one way: the library tries them all, and a wrong password counts thrice.
        way = next((ways[name] for name in ways if name in client.server_auth_methods), None)
        if way is None:
            raise Misconfigured("the mail server offers no way to log in that we know")
        await way(self._username, self._password)

    def _verdict(self, error: Exception, message: Message | None) -> TransportError:
        cause = error.__cause__ or error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Misconfigured(f"the mail server's certificate fails: {cause.verify_message}")
        if isinstance(error, aiosmtplib.SMTPNotSupported):
            return Permanent("the mail server takes no address with such characters")
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            (error,) = error.recipients
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return self._answered(error, message)
        if isinstance(error, TimeoutError):
            return Temporary(f"the mail server took longer than {self._patience:g} seconds")
        return Temporary(f"the connection to the mail server failed: {error}")

    def _answered(
        self, error: aiosmtplib.SMTPResponseException, message: Message | None
    ) -> TransportError:
        said = quote(error.message, without=message, secret=self._password)
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            said = "to our credentials"  # it may repeat what it was just told
        why = f"the mail server answered {error.code} {said}".rstrip()
        at_the_door = isinstance(error, aiosmtplib.SMTPConnectResponseError)
        if at_the_door or not 500 <= error.code <= 599:  # noqa: PLR2004 - RFC 5321, 4.2.1
            return Temporary(why)
        if isinstance(error, _REFUSED_LETTER) and error.code not in _NOT_LET_IN:
            return Permanent(why)
        if isinstance(error, aiosmtplib.SMTPSenderRefused) and error.code == _TOO_LARGE:
            return Permanent(why)
        return Misconfigured(why)


async def _encrypt(client: aiosmtplib.SMTP) -> None:
    await client.ehlo()
    if not client.supports_extension("starttls"):
        raise Misconfigured("the mail server does not offer STARTTLS; nothing was sent in clear")
    await client.starttls()


def _compose(message: Message, envelope: Envelope, *, at: datetime) -> bytes:
    policy = SMTPUTF8 if envelope.needs_utf8 else SMTP
    mail = EmailMessage(policy=policy.clone(cte_type="7bit"))  # passes every server unchanged
    mail["From"] = envelope.sender
    mail["To"] = envelope.recipient
    mail["Subject"] = message.subject
    mail["Date"] = at
    mail["Message-ID"] = envelope.message_id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    return mail.as_bytes()
