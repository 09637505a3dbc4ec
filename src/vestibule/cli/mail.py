"""Would the mail server take letters from us? Asked without a letter."""

import asyncio
import ssl
from contextlib import suppress
from email.utils import parseaddr
from urllib.parse import quote

import aiosmtplib
import httpx

from vestibule.kernel.settings import Settings

_PATIENCE = 10.0  # seconds


class NotLetIn(Exception):
    """Why no letter would leave, in words that hold no secret."""


async def knock_at_smtp(settings: Settings) -> str:
    """Connect, encrypt and log in as the transport would, and leave; return what was found.

    Raises:
        NotLetIn: a letter would not get as far as this.
    """
    _, sender = parseaddr(settings.mail_from)
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        local_hostname=sender.rpartition("@")[2],
        timeout=None,
        use_tls=settings.smtp_security == "tls",
        start_tls=False,
        tls_context=None if settings.smtp_security == "none" else ssl.create_default_context(),
    )
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        async with asyncio.timeout(_PATIENCE):
            await _enter(client, settings)
            with suppress(aiosmtplib.SMTPException):
                await client.quit()
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NotLetIn(f"{where} {_why(error)}") from None
    finally:
        client.close()
    entered = "answers, and lets us in" if settings.smtp_username else "answers"
    return f"{where} {entered} (security: {settings.smtp_security})"


async def knock_at_mailgun(settings: Settings) -> str:
    """Post a letter to nobody, which Mailgun must refuse as incomplete; return what was found.

    A sending key may do nothing but post letters, so there is nothing to read with it.

    Raises:
        NotLetIn: the key, the domain or the address of Mailgun is wrong.
    """
    base, domain = settings.mailgun_base_url, settings.mailgun_domain
    key = settings.mailgun_api_key.get_secret_value() if settings.mailgun_api_key else ""
    try:
        async with httpx.AsyncClient(trust_env=base.startswith("https:")) as http:
            answer = await http.post(
                f"{base}/v3/{quote(domain, safe='')}/messages",
                data={"o:testmode": "yes"},
                auth=("api", key),
                timeout=_PATIENCE,
            )
    except httpx.HTTPError as error:
        raise NotLetIn(f"{base} cannot be reached ({type(error).__name__})") from None
    match answer.status_code:
        case 400:
            return f"{base} takes letters from {domain}"
        case 401 | 403:
            raise NotLetIn(f"{base} refuses VESTIBULE_MAILGUN_API_KEY ({answer.status_code})")
        case 404:
            raise NotLetIn(f"{base} knows no VESTIBULE_MAILGUN_DOMAIN {domain} (404)")
    raise NotLetIn(f"{base} answers {answer.status_code}")


async def _enter(client: aiosmtplib.SMTP, settings: Settings) -> None:
    await client.connect()
    await client.ehlo()
    if settings.smtp_security == "starttls":
        if not client.supports_extension("starttls"):
            raise NotLetIn(f"{settings.smtp_host}:{settings.smtp_port} does not offer STARTTLS")
        await client.starttls()
        await client.ehlo()
    if settings.smtp_username and settings.smtp_password is not None:
        await client.login(settings.smtp_username, settings.smtp_password.get_secret_value())


def _why(error: Exception) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"shows a certificate that fails: {cause.verify_message}"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"refuses VESTIBULE_SMTP_USERNAME and its password ({error.code})"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"answers {error.code}"
    if isinstance(error, TimeoutError):
        return f"does not answer within {_PATIENCE:g} seconds"
    return f"cannot be reached ({type(cause).__name__})"
