"""Letters over SMTP, to a server that answers as told."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.courier.sending import LETTER, TOKEN, refusal, smtp
from tests.mailservers import (
    DROP,
    HANG,
    At,
    SmtpStub,
)
from vestibule.courier.transports import (
    Misconfigured,
    Permanent,
    Temporary,
)


async def test_a_letter_arrives_whole_with_text_and_html() -> None:
    async with SmtpStub() as stub:
        await smtp(stub).send(LETTER)
    (letter,) = stub.letters
    assert letter.sender == "no-reply@example.test"
    assert letter.recipients == ("v@victim.test",)
    mail = letter.message
    assert mail["From"] == "Vestibule <no-reply@example.test>"
    assert mail["To"] == "v@victim.test"
    assert mail["Subject"] == LETTER.subject
    assert mail["Message-ID"] == LETTER.message_id
    assert mail["Auto-Submitted"] == "auto-generated"
    assert abs(mail["Date"].datetime - datetime.now(UTC)) < timedelta(seconds=10)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == LETTER.text
    assert html.get_content().strip() == LETTER.html


async def test_a_letter_without_html_is_plain_text() -> None:
    async with SmtpStub() as stub:
        await smtp(stub).send(replace(LETTER, html=None))
    assert stub.letters[0].message.get_content_type() == "text/plain"


async def test_a_second_attempt_carries_the_same_message_id() -> None:
    async with SmtpStub([At("DATA", "451 later")]) as stub:
        transport = smtp(stub)
        with pytest.raises(Temporary):
            await transport.send(LETTER)
        await transport.send(LETTER)
    assert [letter.message["Message-ID"] for letter in stub.letters] == [LETTER.message_id]


async def test_the_greeting_names_the_senders_domain_and_not_this_machine() -> None:
    async with SmtpStub() as stub:
        await smtp(stub).send(LETTER)
    assert set(stub.greeted_by) == {"example.test"}


async def test_names_and_subjects_may_be_in_any_script() -> None:
    letter = replace(LETTER, sender='"Zoë, Inc." <no-reply@example.test>', subject="Grüße 你好")
    async with SmtpStub() as stub:
        await smtp(stub).send(letter)
    mail = stub.letters[0].message
    assert stub.letters[0].raw.split(b"\r\n\r\n")[0].isascii()
    assert mail["Subject"] == "Grüße 你好"
    assert mail["From"].addresses[0].display_name == "Zoë, Inc."
    assert mail["From"].addresses[0].addr_spec == "no-reply@example.test"


async def test_a_domain_in_another_script_is_asked_for_as_the_dns_knows_it() -> None:
    async with SmtpStub(smtputf8=False) as stub:
        await smtp(stub).send(replace(LETTER, recipient="v@bücher.test"))
    assert stub.letters[0].recipients == ("v@xn--bcher-kva.test",)
    assert stub.letters[0].message["To"] == "v@xn--bcher-kva.test"


async def test_a_local_part_in_another_script_goes_by_smtputf8() -> None:
    async with SmtpStub() as stub:
        await smtp(stub).send(replace(LETTER, recipient="δοκιμή@victim.test"))
    (letter,) = stub.letters
    assert letter.recipients == ("δοκιμή@victim.test",)
    assert "SMTPUTF8" in letter.options
    assert "To: δοκιμή@victim.test\r\n".encode() in letter.raw


async def test_such_a_local_part_is_refused_where_the_server_cannot_take_it() -> None:
    async with SmtpStub(smtputf8=False) as stub:
        why = await refusal(smtp(stub), replace(LETTER, recipient="δοκιμή@victim.test"))
    assert isinstance(why, Permanent)
    assert stub.letters == []


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("code", [421, 450, 451, 452])
async def test_a_passing_refusal_is_tried_again(step: Any, code: int) -> None:
    async with SmtpStub([At(step, f"{code} 4.2.0 later")]) as stub:
        why = await refusal(smtp(stub))
    assert isinstance(why, Temporary)
    assert f"{code} 4.2.0 later" in str(why)


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
@pytest.mark.parametrize("code", [550, 552, 554])
async def test_a_final_refusal_of_a_letter_is_final(step: Any, code: int) -> None:
    async with SmtpStub([At(step, f"{code} 5.1.1 no such person")]) as stub:
        why = await refusal(smtp(stub))
    assert isinstance(why, Permanent)
    assert f"{code} 5.1.1 no such person" in str(why)


@pytest.mark.parametrize(
    "answer",
    [
        At("MAIL", "530 5.7.0 Authentication required"),
        At("RCPT", "530 5.7.0 Must issue a STARTTLS command first"),
        At("MAIL", "538 5.7.11 Encryption required"),
        At("MAIL", "553 5.1.8 Sender address rejected"),
    ],
)
async def test_a_refusal_of_us_is_no_refusal_of_the_letter(answer: At) -> None:
    async with SmtpStub([answer]) as stub:
        assert isinstance(await refusal(smtp(stub)), Misconfigured)


@pytest.mark.parametrize(
    "answer",
    [
        At("CONNECT", "421 too busy"),
        At("CONNECT", "554 not now"),
        At("CONNECT", "what?"),
        At("CONNECT", DROP),
        At("EHLO", DROP),
        At("MAIL", DROP),
        At("RCPT", DROP),
        At("DATA", DROP),
        At("RCPT", "what?"),
    ],
)
async def test_trouble_with_the_connection_is_tried_again(answer: At) -> None:
    async with SmtpStub([answer]) as stub:
        assert isinstance(await refusal(smtp(stub)), Temporary)


@pytest.mark.parametrize("goodbye", [DROP, HANG, "421 gone", "what?"])
async def test_a_letter_that_was_taken_is_sent_however_they_say_goodbye(goodbye: str) -> None:
    async with SmtpStub([At("QUIT", goodbye)]) as stub:
        await smtp(stub, patience=0.2).send(LETTER)
    assert len(stub.letters) == 1


async def test_nobody_at_home_is_tried_again() -> None:
    async with SmtpStub() as stub:
        transport = smtp(stub)
    assert isinstance(await refusal(transport), Temporary)


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_server_that_hangs_costs_no_more_than_our_patience(step: Any) -> None:
    async with SmtpStub([At(step, HANG)]) as stub:
        async with asyncio.timeout(2):
            why = await refusal(smtp(stub, patience=0.2))
    assert isinstance(why, Temporary)


async def test_the_words_of_a_filter_never_carry_the_link_or_the_code() -> None:
    said = f"554 5.7.1 bad link https://auth.test/verify-email?token={TOKEN[:20]} ABCD-2345"
    async with SmtpStub([At("DATA", said)]) as stub:
        why = await refusal(smtp(stub))
    assert isinstance(why, Permanent)
    assert "bad link" in str(why)
    assert TOKEN[5:13] not in str(why)


async def test_the_words_of_a_server_never_carry_the_recipient() -> None:
    async with SmtpStub([At("RCPT", "550 <V@victim.test>: not a mailbox")]) as stub:
        why = await refusal(smtp(stub))
    assert "not a mailbox" in str(why)
    assert "victim" not in str(why)
