"""What the shop promises, tested as its visitors would find out."""

from datetime import timedelta
from typing import Any

import httpx

from pytest_vestibule import Mailbox, SignedInClient


async def test_strangers_read_the_news_and_order_nothing(
    signed_out_client: httpx.AsyncClient,
) -> None:
    assert (await signed_out_client.get("/news")).json() == ["We are open."]
    assert (await signed_out_client.post("/orders")).status_code == 401


async def test_who_is_signed_in_orders(signed_in_client: SignedInClient) -> None:
    ada = await signed_in_client("ada@example.org")
    assert (await ada.post("/orders")).json() == {"ordered_by": "ada@example.org"}


async def test_editors_write_the_news_and_nobody_else(signed_in_client: SignedInClient) -> None:
    ada, grace = await signed_in_client(), await signed_in_client("g@example.org", roles=["editor"])
    assert (await ada.post("/news", json="Free tea!")).status_code == 403
    assert (await grace.post("/news", json="New tea.")).status_code == 201
    assert (await ada.get("/news")).json() == ["We are open.", "New tea."]


async def test_a_session_ends_when_nobody_uses_it(
    signed_in_client: SignedInClient, moving_clock: Any
) -> None:
    ada = await signed_in_client()
    moving_clock.move(timedelta(hours=25))
    assert (await ada.post("/orders")).status_code == 401


async def test_somebody_signs_up_by_the_code_of_the_letter(
    signed_out_client: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    wanted = {"email": "ada@example.org", "password": "correct horse battery staple"}
    asked = await signed_out_client.post("/v1/accounts", json=wanted)
    [letter] = await mailbox.letters("ada@example.org")
    proof = {"sign_up": asked.json()["sign_up"], "code": letter.code}
    opened = await signed_out_client.post("/v1/accounts/verification", json=proof)
    assert (opened.status_code, opened.json()["email_verified"]) == (200, True)
