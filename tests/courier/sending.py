"""A letter full of secrets, and the transports that are to carry it to a stub."""

from typing import Any

import pytest
from pydantic import SecretStr

from tests.mailservers import (
    MailgunStub,
    SmtpStub,
)
from vestibule.courier.transports import (
    Message,
    Transport,
    TransportError,
)
from vestibule.courier.transports.mailgun import Mailgun
from vestibule.courier.transports.smtp import Smtp
from vestibule.kernel.settings import Settings

PASSWORD = "hunter2-but-longer"
KEY = "key-4f1c9a"
TOKEN = "vlnk_8sQm2-Zr4KcW0yTtq7bVnE1xPz"
LETTER = Message(
    message_id="<0198c0de-1111-7000-8000-000000000001@example.test>",
    sender="Vestibule <no-reply@example.test>",
    recipient="v@victim.test",
    subject="Confirm your address",
    text=f"Hello,\n\nhttps://auth.test/verify-email?token={TOKEN}\n\nABCD-2345\n\n.\nBye: Zoë\n",
    html=f'<p><a href="https://auth.test/verify-email?token={TOKEN}">Zoë</a></p>',
)


def smtp(stub: SmtpStub, *, patience: float = 5, tls: Any = None, **given: Any) -> Smtp:
    settings = Settings(
        mail_transport="smtp",
        smtp_host="127.0.0.1",
        smtp_port=stub.port,
        **{"smtp_security": "none", **given},
    )
    return Smtp(settings, patience=patience, tls=tls)


def mailgun(stub: MailgunStub, *, patience: float = 5, **given: Any) -> Mailgun:
    settings = Settings(
        mail_transport="mailgun",
        mailgun_api_key=SecretStr(KEY),
        mailgun_domain="mg.example.test",
        mailgun_base_url=stub.url,
    )
    return Mailgun(settings, patience=patience, **given)


async def refusal(transport: Transport, letter: Message = LETTER) -> TransportError:
    """Send a letter that does not leave; return why, after a look for secrets in the words."""
    try:
        with pytest.raises(TransportError) as caught:
            await transport.send(letter)
    finally:
        await transport.close()
    why = str(caught.value)
    assert not any(secret in why for secret in (PASSWORD, KEY, TOKEN, "ABCD-2345"))
    assert len(why) < 400
    assert why.isprintable()
    return caught.value
