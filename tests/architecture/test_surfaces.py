"""Every surface answers every error, and every error that can be reached is reached here."""

import ast
import asyncio
import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from tests.architecture.source import dotted, modules, tree
from tests.federation.conftest import opened
from tests.federation.conversations import WITH_PROVIDERS
from tests.postgres import server
from tests.world import Client, Held, World
from vestibule import VestibuleError, web
from vestibule.accounts import queries
from vestibule.kernel import errors, migrations
from vestibule.kernel.database import Database
from vestibule.roles import grants
from vestibule.web.answers import Answers


def leaves(cls: type[VestibuleError] = VestibuleError) -> Iterator[type[VestibuleError]]:
    children = cls.__subclasses__()
    if not children:
        yield cls
    for child in children:
        yield from leaves(child)


def surfaces() -> Iterator[tuple[str, Answers]]:
    for found in pkgutil.walk_packages(web.__path__, "vestibule.web."):
        answers = vars(import_module(found.name)).get("ANSWERS")
        if answers is not None:
            yield found.name, answers


EVERY = set(leaves())
SURFACES = dict(surfaces())


def test_the_surfaces_are_found() -> None:
    assert {"vestibule.web.api.surface", "vestibule.web.pages.landing"} <= set(SURFACES)
    assert len(EVERY) > 15


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_answers_every_error(surface: str) -> None:
    assert set(SURFACES[surface]) == EVERY
    for error, (status, words) in SURFACES[surface].items():
        later = issubclass(error, errors.TryLater)
        assert status in ((429, 503) if later else range(400, 429)), error
        assert words, error


def test_a_code_is_one_errors_alone() -> None:
    codes = [error.code for error in EVERY]
    assert len(set(codes)) == len(codes)
    assert all(error.__doc__ for error in EVERY)


Conversation = Callable[[World], Awaitable[httpx.Response]]


async def wrong_password(world: World) -> httpx.Response:
    return await world.browser().log_in()


async def unknown_code(world: World) -> httpx.Response:
    return await world.browser().prove(sign_up="x", code="XXXX-XXXX")


async def half_a_body(world: World) -> httpx.Response:
    json = {"Content-Type": "application/json"}
    return await world.browser().post("/v1/login", content=b"{", headers=json)


async def a_form(world: World) -> httpx.Response:
    return await world.browser().post("/v1/login", data={"identifier": "x"})


async def no_fields(world: World) -> httpx.Response:
    return await world.browser().post("/v1/login", json={})


async def nobody(world: World) -> httpx.Response:
    return await world.browser().sign_up(None)


async def no_address(world: World) -> httpx.Response:
    return await world.browser().sign_up("ada")


async def no_username(world: World) -> httpx.Response:
    return await world.browser().sign_up(username="x")


async def short_password(world: World) -> httpx.Response:
    return await world.browser().sign_up(password="short")


async def eleven_guesses(world: World) -> httpx.Response:
    ada = world.browser()
    asked = await ada.sign_up()
    for _ in range(10):
        await ada.prove(sign_up=asked.json()["sign_up"], code="2222-2222")
    return await ada.prove(sign_up=asked.json()["sign_up"], code="2222-2222")


async def taken_username(world: World) -> httpx.Response:
    await world.browser().sign_up(None, username="ada")
    return await world.browser().sign_up(None, username="Ada")


async def a_stranger(world: World) -> httpx.Response:
    return await world.browser().get("/v1/me")


async def no_refresh_token(world: World) -> httpx.Response:
    return await world.browser().post("/v1/tokens/refresh", json={"refresh_token": "x"})


async def no_such_session(world: World) -> httpx.Response:
    return await (await world.member()).delete("/v1/me/sessions/x")


async def a_key(world: World) -> httpx.Response:
    made = await (await world.member()).post("/v1/me/api-keys", json={"name": "x"})
    return await world.client(**{"X-API-Key": made.json()["key"]}).get("/v1/me/sessions")


async def no_such_key(world: World) -> httpx.Response:
    return await (await world.member()).delete("/v1/me/api-keys/x")


async def fifty_one_keys(world: World) -> httpx.Response:
    ada = await world.member()
    for _ in range(50):
        await ada.post("/v1/me/api-keys", json={"name": "x"})
    return await ada.post("/v1/me/api-keys", json={"name": "x"})


async def an_old_log_in(world: World) -> httpx.Response:
    ada = await world.member()
    world.clock.move(timedelta(hours=1))
    return await ada.post("/v1/me/api-keys", json={"name": "x"})


async def no_letter_needed(world: World) -> httpx.Response:
    return await (await world.member()).post("/v1/me/confirm/letters")


async def administrator(world: World) -> Client:
    root = await world.member()
    async with world.vestibule.unit() as unit:
        account = await queries.by_identifier(unit, "ada@example.org")
        assert account is not None
        await grants.grant(unit, account.id, "admin")
    return root


async def no_administrator(world: World) -> httpx.Response:
    return await (await world.member()).get("/v1/admin/accounts")


async def no_such_account(world: World) -> httpx.Response:
    return await (await administrator(world)).get("/v1/admin/accounts/x")


async def no_such_letter(world: World) -> httpx.Response:
    return await (await administrator(world)).post("/v1/admin/letters/x/retry")


async def no_such_role(world: World) -> httpx.Response:
    opening = {"username": "bob", "roles": ["nobody"]}
    return await (await administrator(world)).post("/v1/admin/accounts", json=opening)


async def taken_address(world: World) -> httpx.Response:
    opening = {"email": "ada@example.org"}
    return await (await administrator(world)).post("/v1/admin/accounts", json=opening)


async def oneself(world: World) -> httpx.Response:
    root = await administrator(world)
    path = f"/v1/admin/accounts/{(await root.get('/v1/me')).json()['id']}"
    return await root.patch(path, json={"state": "disabled"})


async def taken_meanwhile(world: World) -> httpx.Response:
    ada = await world.member()
    await ada.post("/v1/me/email", json={"email": "bob@example.org"})
    code = (await world.mails("bob@example.org"))[-1].code
    await world.member("bob@example.org")
    return await ada.post("/v1/email/confirmation", json={"code": code})


async def another_site(world: World) -> httpx.Response:
    return await world.client(Origin="https://evil.example").log_in()


async def another_host(world: World) -> httpx.Response:
    return await world.client(Host="evil.example").get("/v1/me")


CONVERSATIONS: dict[type[VestibuleError], Conversation] = {
    errors.BadCredentials: wrong_password,
    errors.ProofRefused: unknown_code,
    errors.MalformedBody: half_a_body,
    errors.WrongMediaType: a_form,
    errors.InvalidFields: no_fields,
    errors.IdentifierMissing: nobody,
    errors.InvalidAddress: no_address,
    errors.InvalidUsername: no_username,
    errors.WeakPassword: short_password,
    errors.TooManyAttempts: eleven_guesses,
    errors.UsernameTaken: taken_username,
    errors.AddressTaken: taken_meanwhile,
    errors.NotSignedIn: a_stranger,
    errors.TokenRefused: no_refresh_token,
    errors.SessionUnknown: no_such_session,
    errors.SessionRequired: a_key,
    errors.ApiKeyUnknown: no_such_key,
    errors.TooManyApiKeys: fifty_one_keys,
    errors.ReauthenticationRequired: an_old_log_in,
    errors.NoCodeByLetter: no_letter_needed,
    errors.RoleRequired: no_administrator,
    errors.AccountUnknown: no_such_account,
    errors.LetterUnknown: no_such_letter,
    errors.RoleUnknown: no_such_role,
    errors.AddressTaken: taken_address,
    errors.NotOneself: oneself,
    errors.CrossSite: another_site,
    errors.WrongHost: another_host,
}
# Reached below, where a server has to be stopped or held up.
ELSEWHERE = {errors.Busy, errors.DatabaseUnavailable}
# In production alone; on a host's routes; with roles of a host's own; and on the command line.
UNREACHABLE = {
    errors.HttpsRequired,
    errors.AddressNotProved,
    errors.ScopeRequired,
    errors.BeyondPowers,
    errors.SigningKeyUnknown,
}


def test_every_error_has_its_conversation() -> None:
    assert set(CONVERSATIONS) | set(WITH_PROVIDERS) | ELSEWHERE | UNREACHABLE == EVERY


def assert_is(response: httpx.Response, error: type[VestibuleError]) -> None:
    status, _ = SURFACES["vestibule.web.api.surface"][error]
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, error.code)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    if issubclass(error, errors.TryLater):
        assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("error", CONVERSATIONS, ids=lambda error: error.code)
async def test_what_a_stranger_is_told(
    error: type[VestibuleError], sqlite_url: str, tmp_path: Path
) -> None:
    async with World.running(sqlite_url, tmp_path) as world:
        assert_is(await CONVERSATIONS[error](world), error)


@pytest.mark.parametrize("error", WITH_PROVIDERS, ids=lambda error: error.code)
async def test_what_is_told_to_whoever_signs_in_with_a_provider(
    error: type[VestibuleError], sqlite_url: str, tmp_path: Path
) -> None:
    async with opened(sqlite_url, tmp_path) as house:
        assert_is(await WITH_PROVIDERS[error](house), error)


async def test_what_a_stranger_is_told_while_too_many_log_in(
    sqlite_url: str, tmp_path: Path
) -> None:
    hasher = Held()
    async with World.running(sqlite_url, tmp_path, hasher=hasher, hash_threads=1) as world:
        world.vestibule.means.passwords.patience = 60
        waiting = [asyncio.create_task(world.browser().log_in()) for _ in range(82)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        hasher.may_go.set()
        for task in done:
            assert_is(await task, errors.Busy)
        answers = await asyncio.gather(*waiting)
    assert sorted(each.status_code for each in answers) == [401] * 81 + [503]


async def test_what_a_stranger_is_told_while_the_database_is_away(tmp_path: Path) -> None:
    with server() as own:
        own.create("own")
        database = Database(own.url("own"))
        await migrations.upgrade(database)
        await database.close()
        async with World.running(own.url("own"), tmp_path) as world:
            own.stop()
            ada = world.browser()
            answers = await asyncio.gather(*(ada.log_in() for _ in range(20)))
            for answer in answers:
                assert_is(answer, errors.DatabaseUnavailable)
            assert (await ada.get("/readyz")).status_code == 503
            assert (await ada.get("/healthz")).status_code == 200
            own.start()
            assert (await ada.log_in()).status_code == 401
            assert (await ada.get("/readyz")).status_code == 200


def test_a_password_that_is_chosen_meets_both_checks() -> None:
    """The policy knows what is short or famous, others know what is known from a breach."""
    calling = {
        name: {
            dotted(path)
            for path in modules()
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{name}.check"
        }
        for name in ("policy", "breaches")
    }
    assert calling["policy"] == calling["breaches"]
    assert "vestibule.accounts.signup" in calling["policy"]
