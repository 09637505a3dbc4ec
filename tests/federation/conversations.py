"""How somebody is told each error of signing in with a provider."""

from collections.abc import Awaitable, Callable

import httpx

from tests.federation.conftest import House
from tests.federation.provider import query
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError

Conversation = Callable[[House], Awaitable[httpx.Response]]


async def no_provider(house: House) -> httpx.Response:
    return await house.browser().get("/v1/oauth/nobody/start")


async def no_state(house: House) -> httpx.Response:
    return await house.come_back(house.browser(), {"code": "x", "state": "x"})


async def no_consent(house: House) -> httpx.Response:
    ada = house.browser()
    state = query(await house.begin(ada))["state"]
    brought = {"error": "access_denied", "state": state, "iss": house.op1.issuer}
    return await house.come_back(ada, brought)


async def another_issuer(house: House) -> httpx.Response:
    house.op1.claims["iss"] = "https://evil.example"
    return await house.sign_in(house.browser())


async def nobody_known(house: House) -> httpx.Response:
    return await house.sign_in(house.browser(), intent="login")


async def not_linked(house: House) -> httpx.Response:
    return await (await house.world.member()).delete("/v1/me/identities/op1")


async def anothers(house: House) -> httpx.Response:
    await house.sign_in(house.browser())
    ada = await house.world.member()
    url = (await ada.post("/v1/me/identities/op1/link", json={})).json()["url"]
    return await house.come_back(ada, house.op1.agree(url))


async def the_last_one(house: House) -> httpx.Response:
    ada = house.world.browser()
    await house.sign_in(ada)
    return await ada.delete("/v1/me/identities/op1")


WITH_PROVIDERS: dict[type[VestibuleError], Conversation] = {
    errors.ProviderUnknown: no_provider,
    errors.StateRefused: no_state,
    errors.ProviderRefused: no_consent,
    errors.ProviderFailed: another_issuer,
    errors.NoAccount: nobody_known,
    errors.IdentityUnknown: not_linked,
    errors.IdentityTaken: anothers,
    errors.LastWayIn: the_last_one,
}
