"""One letter, one recipient: what an address or a subject cannot do."""

from dataclasses import replace
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtplib.email import parse_address
from hypothesis import given
from hypothesis import strategies as st

from tests.courier.sending import LETTER, mailgun, refusal, smtp
from tests.mailservers import (
    MailgunStub,
    SmtpStub,
)
from vestibule.courier.transports import (
    Misconfigured,
    Permanent,
)
from vestibule.courier.transports import console as mailbox
from vestibule.courier.transports.console import Console
from vestibule.courier.transports.envelope import address_to

CONFUSING_ADDRESSES = [
    "v@victim.test,a@evil.test",
    "v@victim.test;a@evil.test",
    "v@victim.test a@evil.test",
    '"a@evil.test"@victim.test',
    '"a@evil.test,"@victim.test',
    "<a@evil.test>v@victim.test",
    "v@victim.test<a@evil.test>",
    "<v@victim.test>",
    "a@evil.test(v@victim.test)",
    "v(a@evil.test)@victim.test",
    "v@victim.test\r\nBcc: a@evil.test",
    "v@victim.test\r\nRCPT TO:<a@evil.test>",
    "v@victim.test\n",
    "v@victim.test%0d%0aBcc:a@evil.test",
    "v@victim.test> SIZE=1 <",
    "@evil.test:v@victim.test",
    "team: v@victim.test, a@evil.test;",
    "a@evil.test#@victim.test",
    "=?utf-8?q?=61?=@evil.test",
    "v@victim.test\0@evil.test",
    "v\uff0ca\uff20evil.test@victim.test",  # a comma and an @, in another width
    "v@victim.test\u2028Bcc: a@evil.test",
    "v@victim.test\x85",
    "v\u202e@victim.test",
    "v@victim..test",
    "v..w@victim.test",
    ".v@victim.test",
    "v@-victim.test",
    "v@[127.0.0.1]",
    "v@victim_.test",
    "v@" + "a" * 300 + ".test",
    "v" * 65 + "@victim.test",
    "victim.test",
    "v@",
    "@",
    "",
]
BROKEN_LINES = [
    "Hello\r\nBcc: a@evil.test",
    "Hello\nBcc: a@evil.test",
    "Hello\rBcc: a@evil.test",
    "Hello\r\n\r\nanother body",
    "Hello\x0bBcc: a@evil.test",
    "Hello\x85Bcc: a@evil.test",
    "Hello\u2028Bcc: a@evil.test",
    "Hello\0",
    "Hello\ud800",
]


@pytest.mark.parametrize("address", CONFUSING_ADDRESSES)
async def test_a_confusing_address_gets_no_letter_and_nobody_else_does(
    address: str, tmp_path: Path
) -> None:
    letter = replace(LETTER, recipient=address)
    async with SmtpStub() as smtp_stub, MailgunStub() as mailgun_stub:
        assert isinstance(await refusal(smtp(smtp_stub), letter), Permanent)
        assert isinstance(await refusal(mailgun(mailgun_stub), letter), Permanent)
    assert isinstance(await refusal(Console(tmp_path), letter), Permanent)
    assert smtp_stub.tries == mailgun_stub.tries == 0
    assert await mailbox.read(tmp_path) == []


@pytest.mark.parametrize("line", BROKEN_LINES)
@pytest.mark.parametrize("place", ["subject", "message_id"])
async def test_a_line_that_breaks_its_header_is_never_sent(
    place: str, line: str, tmp_path: Path
) -> None:
    fields: dict[str, Any] = {place: line}
    letter = replace(LETTER, **fields)
    async with SmtpStub() as smtp_stub, MailgunStub() as mailgun_stub:
        assert isinstance(await refusal(smtp(smtp_stub), letter), Permanent)
        assert isinstance(await refusal(mailgun(mailgun_stub), letter), Permanent)
    assert isinstance(await refusal(Console(tmp_path), letter), Permanent)
    assert smtp_stub.tries == mailgun_stub.tries == 0


@pytest.mark.parametrize("field", ["text", "html"])
@pytest.mark.parametrize("content", ["NUL \0", "half \ud83d"])
async def test_a_text_that_mail_cannot_carry_is_refused_for_good(field: str, content: str) -> None:
    changed: dict[str, Any] = {field: content}
    async with SmtpStub() as stub:
        assert isinstance(await refusal(smtp(stub), replace(LETTER, **changed)), Permanent)


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "nobody",
        "a@b.test, c@d.test",
        "Us <a@b.test",
        "Us <a@b.test> x",
        "Us\r\nBcc: a@evil.test <a@b.test>",
    ],
)
async def test_a_sender_that_is_none_is_a_fault_of_the_settings(sender: str) -> None:
    async with SmtpStub() as stub:
        why = await refusal(smtp(stub), replace(LETTER, sender=sender))
    assert isinstance(why, Misconfigured)


@pytest.mark.parametrize(
    "address",
    [
        "a%evil.test@victim.test",
        "a!b@victim.test",
        "o'hara+tag/x=1@victim.test",
        "{a}|b~c^d`e@victim.test",
        "v@localhost",
        "V.W@Victim.TEST",
    ],
)
async def test_an_odd_but_plain_address_is_the_one_recipient(address: str) -> None:
    letter = replace(LETTER, recipient=address)
    async with SmtpStub() as smtp_stub, MailgunStub() as mailgun_stub:
        await smtp(smtp_stub).send(letter)
        transport = mailgun(mailgun_stub)
        await transport.send(letter)
        await transport.close()
    assert smtp_stub.letters[0].recipients == (address,)
    assert smtp_stub.letters[0].message["To"] == address
    assert mailgun_stub.posted[0].fields["to"] == [address]


@given(st.one_of(st.emails(), st.text(alphabet="ab@.,;<>\"'()=?%\\ \r\nü\uff0cé:", max_size=14)))
def test_what_we_take_for_an_address_every_reader_takes_for_the_same(typed: str) -> None:
    try:
        recipient = address_to(replace(LETTER, recipient=typed)).recipient
    except Permanent:
        return
    spec = recipient.addr_spec
    assert spec.split("@")[0] == typed.rpartition("@")[0]
    assert parse_address(spec) == spec
    header = default.header_factory("To", spec)
    assert [address.addr_spec for address in header.addresses] == [spec]
