"""From a stranger to a signed-in person and back."""

from tests.world import PASSWORD, World


async def test_sign_up_prove_log_in_look_log_out(world: World) -> None:
    ada = world.browser()
    asked = await ada.sign_up("Ada@Example.org", given_name="Ada")
    assert asked.status_code == 202
    assert asked.json()["status"] == "check_your_mail"
    assert (await ada.log_in()).status_code == 401, "no account before the proof"

    [letter] = await world.mails("Ada@Example.org")
    proved = await ada.prove(sign_up=asked.json()["sign_up"], code=letter.code)
    assert proved.status_code == 200
    assert proved.json()["email_verified"] is True
    assert (await ada.get("/v1/me")).status_code == 401, "proving is not logging in"

    entered = await ada.log_in("ada@EXAMPLE.org")
    assert entered.status_code == 200
    me = await ada.get("/v1/me")
    assert me.json() == entered.json()["account"] | {"given_name": "Ada", "roles": ["user"]}

    assert (await ada.post("/v1/logout")).status_code == 204
    assert (await ada.get("/v1/me")).status_code == 401


async def test_proving_by_the_link_takes_the_password(world: World) -> None:
    ada = world.browser()
    await ada.sign_up()
    [letter] = await world.mails()
    wrong = await ada.prove(token=letter.token, password="not the one chosen")
    right = await ada.prove(token=letter.token, password=PASSWORD)
    again = await ada.prove(token=letter.token, password=PASSWORD)
    assert [each.status_code for each in (wrong, right, again)] == [400, 200, 400]
