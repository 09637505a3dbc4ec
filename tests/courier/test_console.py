"""Development's mailbox."""

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.courier.sending import KEY, LETTER, TOKEN, refusal
from vestibule.courier.transports import (
    Temporary,
)
from vestibule.courier.transports import console as mailbox
from vestibule.courier.transports.choose import choose
from vestibule.courier.transports.console import Console
from vestibule.courier.transports.mailgun import Mailgun
from vestibule.courier.transports.smtp import Smtp
from vestibule.kernel.clock import MovableClock
from vestibule.kernel.settings import Settings


def files(folder: Path) -> dict[str, int]:
    """Return what is in a folder, and who may read and write it."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "mail"


async def test_a_letter_is_shown_with_its_links_and_code(folder: Path) -> None:
    text = (
        "See (https://auth.test/a?b=c&d=ABCD-EFGH), then http://auth.test/d. Not ftp://x\n"
        "Not ABCD-234, ABCD-23456, xABCD-2345, ABCD-2345-, ABC0-2345 but:\n\nWXYZ-9876\n\n"
        "or 2222-3333"
    )
    await Console(folder).send(replace(LETTER, text=text, html=None))
    (shown,) = await mailbox.read(folder)
    assert shown == {
        "to": "v@victim.test",
        "subject": LETTER.subject,
        "text": text,
        "html": None,
        "links": ["https://auth.test/a?b=c&d=ABCD-EFGH", "http://auth.test/d"],
        "code": "WXYZ-9876",
        "created_at": shown["created_at"],
    }
    age = datetime.now(UTC) - datetime.fromisoformat(shown["created_at"])
    assert timedelta() <= age < timedelta(seconds=10)
    assert shown["created_at"].endswith("Z")


async def test_a_letter_without_code_shows_none(folder: Path) -> None:
    await Console(folder).send(replace(LETTER, text="Hello"))
    (shown,) = await mailbox.read(folder)
    assert shown["links"] == []
    assert shown["code"] is None


async def test_an_empty_mailbox_is_empty(folder: Path) -> None:
    assert await mailbox.read(folder) == []


async def test_a_resend_takes_the_place_of_the_first(folder: Path) -> None:
    clock = MovableClock()
    console = Console(folder, clock=clock)
    await console.send(LETTER)
    clock.move(timedelta(minutes=5))
    await console.send(LETTER)
    assert len(files(folder)) == 1
    assert len(await mailbox.read(folder)) == 1


async def test_the_newest_letter_comes_first(folder: Path) -> None:
    clock = MovableClock()
    console = Console(folder, clock=clock)
    for number in range(3):
        clock.move(timedelta(seconds=1))
        await console.send(replace(LETTER, message_id=f"<{number}@x.test>", subject=str(number)))
    assert [shown["subject"] for shown in await mailbox.read(folder)] == ["2", "1", "0"]


async def test_two_hundred_letters_are_kept(folder: Path) -> None:
    clock = MovableClock()
    console = Console(folder, clock=clock)
    for number in range(203):
        clock.move(timedelta(milliseconds=10))
        await console.send(replace(LETTER, message_id=f"<{number}@x.test>", subject=str(number)))
    subjects = [shown["subject"] for shown in await mailbox.read(folder)]
    assert subjects == [str(number) for number in range(202, 2, -1)]


async def test_only_the_owner_of_the_machine_account_reads_the_mail(folder: Path) -> None:
    await Console(folder).send(LETTER)
    assert list(files(folder).values()) == [0o600]
    assert list(files(folder.parent).values()) == [0o700]


async def test_the_log_tells_of_a_letter_and_no_secret(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await Console(folder).send(LETTER)
    assert "letter to v@victim.test: Confirm your address" in caplog.messages
    assert TOKEN not in caplog.text
    assert "ABCD-2345" not in caplog.text


async def test_a_mailbox_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("in the way")
    assert isinstance(await refusal(Console(tmp_path / "mail")), Temporary)


async def test_the_settings_choose_the_transport(tmp_path: Path) -> None:
    console = choose(Settings(data_dir=tmp_path))
    assert isinstance(console, Console)
    await console.send(LETTER)
    assert len(await mailbox.read(tmp_path / "mail")) == 1
    assert isinstance(choose(Settings(mail_transport="console")), Console)
    assert isinstance(choose(Settings(mail_transport="smtp", smtp_host="localhost")), Smtp)
    post = choose(
        Settings(
            mail_transport="mailgun",
            mailgun_api_key=SecretStr(KEY),
            mailgun_domain="mg.example.test",
        )
    )
    assert isinstance(post, Mailgun)
    await post.close()
