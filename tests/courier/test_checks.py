"""Asking a mail server, without a letter, whether it would take one."""

from pathlib import Path
from typing import Any  # Any: settings

import pytest

from tests.courier.sending import KEY, PASSWORD, mailgun, smtp
from tests.mailservers import HANG, Answer, At, MailgunStub, SmtpStub, certificate
from vestibule.courier.transports import Misconfigured, Temporary, TransportError

ADA: dict[str, Any] = {
    "smtp_username": "ada",
    "smtp_password": PASSWORD,
    "mail_from": "Ada <ada@example.test>",
}


async def test_a_mail_server_that_lets_us_in_is_told_and_gets_no_letter() -> None:
    async with SmtpStub(login=("ada", PASSWORD)) as stub:
        assert "lets us in" in await smtp(stub, **ADA).check()
        assert stub.logins == [("ada", PASSWORD)]
        assert stub.greeted_by[0] == "example.test"
        assert not stub.letters


@pytest.mark.parametrize(
    "answer, kind, words",
    [
        (At("CONNECT", "554 no"), Temporary, "554"),
        (At("CONNECT", HANG), Temporary, "longer than"),
        (At("EHLO", HANG), Temporary, "longer than"),
        (At("AUTH", "535 no"), Misconfigured, "535 to our credentials"),
    ],
)
async def test_a_mail_server_that_does_not_let_us_in_is_told(
    answer: At, kind: type[TransportError], words: str
) -> None:
    async with SmtpStub([answer], login=("ada", PASSWORD)) as stub:
        with pytest.raises(kind, match=words) as refused:
            await smtp(stub, patience=0.5, **ADA).check()
    assert PASSWORD not in str(refused.value)


async def test_a_mail_server_that_does_not_encrypt_or_prove_itself_is_told(tmp_path: Path) -> None:
    async with SmtpStub() as plain:
        with pytest.raises(Misconfigured, match="STARTTLS"):
            await smtp(plain, smtp_security="starttls").check()
    async with SmtpStub(security="starttls", tls=certificate(tmp_path).server) as unknown:
        with pytest.raises(Misconfigured, match="certificate"):
            await smtp(unknown, smtp_security="starttls").check()


async def test_mailgun_is_asked_by_a_letter_to_nobody() -> None:
    async with MailgunStub([Answer(status=400)]) as stub:
        assert "takes letters" in await mailgun(stub).check()
        [posted] = stub.posted
        assert posted.path == "/v3/mg.example.test/messages"
        assert posted.credentials == f"api:{KEY}"
        assert posted.fields == {"o:testmode": ["yes"]}


@pytest.mark.parametrize(
    "answer, kind, words",
    [
        (Answer(status=401), Misconfigured, "401"),
        (Answer(status=404), Temporary, "404"),
        (Answer(status=500), Temporary, "500"),
        (HANG, Temporary, "longer than"),
    ],
)
async def test_a_mailgun_that_would_take_nothing_is_told(
    answer: Answer | str, kind: type[TransportError], words: str
) -> None:
    async with MailgunStub([answer]) as stub:
        with pytest.raises(kind, match=words) as refused:
            await mailgun(stub, patience=0.5).check()
    assert KEY not in str(refused.value)
