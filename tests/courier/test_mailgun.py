"""Letters over Mailgun, to a stub that answers as told."""

import asyncio
import gzip
import json
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest

from tests.courier.sending import KEY, LETTER, mailgun, refusal
from tests.mailservers import (
    DRIP,
    DROP,
    HANG,
    Answer,
    MailgunStub,
)
from vestibule.courier.transports import (
    Misconfigured,
    Permanent,
    Temporary,
    TransportError,
)
from vestibule.kernel.clock import MovableClock


async def test_a_letter_is_posted_once_with_every_field() -> None:
    async with MailgunStub() as stub:
        transport = mailgun(stub)
        await transport.send(LETTER)
        await transport.close()
    (posted,) = stub.posted
    assert posted.path == "/v3/mg.example.test/messages"
    assert posted.credentials == f"api:{KEY}"
    assert posted.fields == {
        "from": ["Vestibule <no-reply@example.test>"],
        "to": ["v@victim.test"],
        "subject": [LETTER.subject],
        "text": [LETTER.text],
        "html": [LETTER.html],
        "h:Message-Id": [LETTER.message_id],
        "h:Auto-Submitted": ["auto-generated"],
        "o:tracking": ["no"],
    }


async def test_a_letter_without_html_has_no_such_field() -> None:
    async with MailgunStub() as stub:
        transport = mailgun(stub)
        await transport.send(replace(LETTER, html=None))
        await transport.close()
    assert "html" not in stub.posted[0].fields


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body="<html>captive portal</html>"),
        Answer(body=""),
        Answer(body="[]"),
        Answer(body='{"message": "Queued"}'),
        Answer(body='{"id": ""}'),
        Answer(body=b"\xff\xfe"),
        Answer(body="[" * 60_000),
        Answer(body='{"id": "<1@stub.test>", "x": "' + "x" * 70_000 + '"}'),
        Answer(
            body=gzip.compress(b'{"id": "<1@stub.test>"}', mtime=0),
            headers={"content-encoding": "gzip"},
        ),
        Answer(headers={"content-length": "5000"}),
    ],
    ids=lambda answer: repr(answer)[:60],
)
async def test_only_an_id_means_that_they_took_it(answer: Answer) -> None:
    async with MailgunStub([answer]) as stub:
        assert isinstance(await refusal(mailgun(stub)), Temporary)


@pytest.mark.parametrize(
    "status, kind",
    [
        (301, Misconfigured),
        (307, Misconfigured),
        (400, Permanent),
        (401, Misconfigured),
        (403, Misconfigured),
        (404, Temporary),
        (408, Temporary),
        (413, Permanent),
        (422, Permanent),
        (429, Temporary),
        (500, Temporary),
        (502, Temporary),
        (503, Temporary),
    ],
)
async def test_a_status_says_what_to_do(status: int, kind: type[TransportError]) -> None:
    answer = Answer(
        status=status,
        body='{"message": "not like this"}',
        headers={"location": "http://127.0.0.1:1/elsewhere"},
    )
    async with MailgunStub([answer]) as stub:
        why = await refusal(mailgun(stub))
    assert type(why) is kind
    assert f"{status} not like this" in str(why)
    assert len(stub.posted) == 1


async def test_no_more_than_64_kib_of_an_answer_are_read() -> None:
    answer = Answer(status=401, body=b"x" * 70_000, headers={"content-length": "99999999"})
    async with MailgunStub([answer]) as stub:
        assert isinstance(await refusal(mailgun(stub)), Misconfigured)


@pytest.mark.parametrize("answer", [HANG, DROP, DRIP])
async def test_no_answer_is_tried_again(answer: str) -> None:
    async with MailgunStub([answer]) as stub:
        async with asyncio.timeout(2):
            why = await refusal(mailgun(stub, patience=0.3))
    assert isinstance(why, Temporary)


async def test_nobody_at_home_is_tried_again() -> None:
    async with MailgunStub() as stub:
        transport = mailgun(stub)
    assert isinstance(await refusal(transport), Temporary)


@pytest.mark.parametrize(
    "status, asked, seconds",
    [
        (429, "7", 7),
        (503, "7", 7),
        (429, "86400", 3600),
        (429, "9" * 5000, 3600),
        (429, None, 60),
        (429, "soon", 60),
        (429, "-5", 60),
        (429, "²", 60),
        (429, "Thu, 01 Jan 1970 00:00:00 GMT", 60),
        (429, "Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        (503, None, None),
        (503, "soon", None),
    ],
)
async def test_the_pause_they_ask_for_is_kept_up_to_an_hour(
    status: int, asked: str | None, seconds: int | None
) -> None:
    headers = {} if asked is None else {"retry-after": asked}
    async with MailgunStub([Answer(status=status, headers=headers)]) as stub:
        why = await refusal(mailgun(stub))
    assert isinstance(why, Temporary)
    assert why.retry_after == (None if seconds is None else timedelta(seconds=seconds))


async def test_the_pause_may_be_a_date() -> None:
    clock = MovableClock()
    clock.move(timedelta(days=2))
    asked = format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)
    answer = Answer(status=429, headers={"retry-after": asked})
    async with MailgunStub([answer]) as stub:
        why = await refusal(mailgun(stub, clock=clock))
    assert isinstance(why, Temporary)
    assert why.retry_after is not None
    assert timedelta(seconds=80) < why.retry_after <= timedelta(seconds=90)


async def test_the_words_of_a_refusal_never_carry_the_link_or_the_key() -> None:
    body = json.dumps({"message": f"spam: {LETTER.text} {KEY}\r\n"})
    async with MailgunStub([Answer(status=400, body=body)]) as stub:
        why = await refusal(mailgun(stub))
    assert "spam" in str(why)


async def test_a_client_that_was_lent_stays_open() -> None:
    async with MailgunStub() as stub, httpx.AsyncClient() as http:
        transport = mailgun(stub, http=http)
        await transport.send(LETTER)
        await transport.close()
        assert not http.is_closed
