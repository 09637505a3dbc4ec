"""Encryption and log-in at the mail server: never less than the settings ask for."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.courier.sending import LETTER, PASSWORD, refusal, smtp
from tests.mailservers import (
    DROP,
    At,
    Certificate,
    SmtpStub,
    certificate,
)
from vestibule.courier.transports import (
    Misconfigured,
    Temporary,
    TransportError,
)


@pytest.fixture(scope="module")
def vouched(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


async def test_starttls_encrypts(vouched: Certificate) -> None:
    async with SmtpStub(security="starttls", tls=vouched.server) as stub:
        await smtp(stub, smtp_security="starttls", tls=vouched.client).send(LETTER)
    assert stub.letters[0].encrypted


async def test_tls_encrypts_from_the_first_byte(vouched: Certificate) -> None:
    async with SmtpStub(security="tls", tls=vouched.server) as stub:
        await smtp(stub, smtp_security="tls", tls=vouched.client).send(LETTER)
    assert stub.letters[0].encrypted


async def test_a_server_without_starttls_gets_no_letter_and_no_password() -> None:
    async with SmtpStub(login=("us", PASSWORD)) as stub:
        why = await refusal(
            smtp(stub, smtp_security="starttls", smtp_username="us", smtp_password=PASSWORD)
        )
    assert isinstance(why, Misconfigured)
    assert stub.letters == []
    assert stub.logins == []


@pytest.mark.parametrize(
    "says, kind", [("454 TLS not available", Temporary), ("502 no", Misconfigured)]
)
async def test_starttls_refused_gets_no_letter(
    vouched: Certificate, says: str, kind: type[TransportError]
) -> None:
    async with SmtpStub([At("STARTTLS", says)], security="starttls", tls=vouched.server) as stub:
        why = await refusal(smtp(stub, smtp_security="starttls", tls=vouched.client))
    assert isinstance(why, kind)
    assert stub.letters == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_gets_no_letter(
    vouched: Certificate, security: Any
) -> None:
    async with SmtpStub(security=security, tls=vouched.server, login=("us", PASSWORD)) as stub:
        why = await refusal(
            smtp(stub, smtp_security=security, smtp_username="us", smtp_password=PASSWORD)
        )
    assert isinstance(why, Misconfigured)
    assert stub.letters == []
    assert stub.logins == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_of_another_host_gets_no_letter(tmp_path: Path, security: Any) -> None:
    other = certificate(tmp_path, host="127.0.0.9")
    async with SmtpStub(security=security, tls=other.server) as stub:
        why = await refusal(smtp(stub, smtp_security=security, tls=other.client))
    assert isinstance(why, Misconfigured)
    assert stub.letters == []


async def test_credentials_are_given_where_there_are_any(vouched: Certificate) -> None:
    async with SmtpStub(security="starttls", tls=vouched.server, login=("us", PASSWORD)) as stub:
        await smtp(
            stub,
            smtp_security="starttls",
            smtp_username="us",
            smtp_password=PASSWORD,
            tls=vouched.client,
        ).send(LETTER)
    assert stub.letters[0].username == "us"
    assert stub.letters[0].encrypted


async def test_a_wrong_password_is_tried_once_and_stops_the_mail() -> None:
    async with SmtpStub(login=("us", "another one")) as stub:
        why = await refusal(smtp(stub, smtp_username="us", smtp_password=PASSWORD))
    assert isinstance(why, Misconfigured)
    assert stub.logins == [("us", PASSWORD)]
    assert stub.letters == []


@pytest.mark.parametrize(
    "says, kind",
    [
        (f"535 5.7.8 bad password {PASSWORD}", Misconfigured),
        ("534 5.7.9 too weak", Misconfigured),
        ("454 4.7.0 later", Temporary),
        (DROP, Temporary),
    ],
)
async def test_a_refused_log_in_says_whether_to_try_again(
    says: str, kind: type[TransportError]
) -> None:
    async with SmtpStub([At("AUTH", says)], login=("us", PASSWORD)) as stub:
        why = await refusal(smtp(stub, smtp_username="us", smtp_password=PASSWORD))
    assert isinstance(why, kind)


async def test_what_they_say_of_the_password_is_not_kept() -> None:
    repeated = b64encode(f"\0us\0{PASSWORD}".encode()).decode()
    async with SmtpStub([At("AUTH", f"535 bad {repeated}")], login=("us", PASSWORD)) as stub:
        why = await refusal(smtp(stub, smtp_username="us", smtp_password=PASSWORD))
    assert "535" in str(why)
    assert repeated not in str(why)


async def test_a_server_without_log_in_is_a_fault_of_the_settings() -> None:
    async with SmtpStub() as stub:
        why = await refusal(smtp(stub, smtp_username="us", smtp_password=PASSWORD))
    assert isinstance(why, Misconfigured)
    assert stub.letters == []
