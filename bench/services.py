"""The services that are compared, each with the same people, and what one asks them."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import scrypt
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any  # Any: answers are JSON

from argon2 import PasswordHasher

from bench import peers
from bench.load import Following, same
from bench.storm import PASSWORD, Hasher
from tests.postgres import Server
from tests.processes import serving
from vestibule.accounts.models import Account
from vestibule.kernel import migrations
from vestibule.kernel.database import Database
from vestibule.kernel.passwords import STANDARD

ACCOUNTS = 1000
SIGNED_IN = 32  # of them
SCRIPT = str(Path(__file__).with_name("served.py"))
OURS = {
    "VESTIBULE_CONNECTIONS": "6000",
    "VESTIBULE_IDLE_TIMEOUT": "3600",
    "VESTIBULE_LOG_FORMAT": "json",  # as in production
    "VESTIBULE_REFRESH_GRACE": "0",  # each refresh replaces its token
    "VESTIBULE_ACCESS_LIFETIME": "P1D",  # the rounds take longer than ten minutes
}
# The account that is there, again and again under other names.
_COLUMNS = [each.name for each in Account.__table__.columns if each.computed is None]
_COPIES = f"""
    INSERT INTO accounts ({", ".join(_COLUMNS)})
    SELECT {", ".join(f"(copy).{each}" for each in _COLUMNS)}
    FROM accounts one, generate_series(1, {{last}}) i, json_populate_record(one, json_build_object(
        'id', gen_random_uuid(), 'username', 'user' || i, 'username_key', 'user' || i)) copy
"""


class Scrypt:
    """As Werkzeug hashes by default."""

    def hash(self, password: str) -> str:
        return scrypt(password.encode(), salt=b"salt", n=2**15, r=8, p=1, maxmem=2**26).hex()

    def verify(self, hash: str, password: str) -> bool:  # noqa: A002 - the same
        return self.hash(password) == hash


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service, and requests for each thing that is asked of it; empty: it has it not."""

    name: str
    port: int
    pid: int
    bearer: list[Following] = field(default_factory=list)
    cookie: list[Following] = field(default_factory=list)
    verify: list[Following] = field(default_factory=list)
    refresh: list[Following] = field(default_factory=list)
    log_in: list[Following] = field(default_factory=list)
    sign_up: list[Following] = field(default_factory=list)
    hello: list[Following] = field(default_factory=list)
    hasher: Hasher = field(default_factory=PasswordHasher)


@dataclass(frozen=True)
class Door:
    """Where a service is, and requests to it as bytes."""

    port: int

    def request(self, line: str, body: str = "", **headers: str) -> bytes:
        """Return a request as a page of the service's own origin would send it."""
        own = f"http://localhost:{self.port}"
        told = {"Host": own.removeprefix("http://"), "Origin": own}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            told |= {"Content-Type": "application/json"} | told
            told["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return f"{line} HTTP/1.1\r\n{head}\r\n{body}".encode()

    def ask(self, asked: bytes) -> tuple[int, str, Any]:  # Any: JSON
        """Send what `request` made; return status, cookies and the body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        connection.sock.sendall(asked)
        answer = connection.response_class(connection.sock, method="GET")
        answer.begin()
        set_cookies = answer.headers.get_all("Set-Cookie") or []
        body = answer.read()
        connection.close()
        cookies = "; ".join(each.partition(";")[0] for each in set_cookies)
        is_json = "json" in (answer.headers["Content-Type"] or "")
        return answer.status, cookies, json.loads(body) if is_json and body else None

    def done(self, asked: bytes) -> tuple[str, Any]:  # Any: JSON
        """As `ask`, for what must succeed."""
        status, cookies, body = self.ask(asked)
        if status >= 300:
            raise RuntimeError(f"{asked[:60]!r} was answered {status}")
        return cookies, body


def people() -> Iterator[str]:
    return (f"user{number}" for number in range(SIGNED_IN))


def strangers(door: Door, line: str) -> Following:
    """Sign somebody up whom nobody knows, each time somebody else."""
    numbers = count()

    def following(_: bytes) -> bytes:
        email = f"new{next(numbers)}@example.org"
        return door.request(line, json.dumps({"email": email, "password": PASSWORD}))

    return following


@asynccontextmanager
async def vestibule(
    name: str, postgres: Server, folder: Path, *, by: str, cheap: bool = False
) -> AsyncIterator[Service]:
    """Serve ours by hypercorn or granian; `cheap`: with the hash taken out, for sign-ups."""
    database = re.sub(r"\W", "_", f"{name}_{cheap}").lower()
    await _empty(postgres, database)
    place = folder / database
    place.mkdir()
    command = ("cheap", by) if cheap else ("serve", "--port", "0", "--server", by)
    program = (SCRIPT,) if cheap else ("-m", "vestibule")
    variables = OURS | {"VESTIBULE_DATABASE_URL": postgres.url(database)}
    async with serving(place, *command, program=program, **variables) as served:
        door = Door(int(served.base_url.rpartition(":")[2]))
        if cheap:
            signing_up = [strangers(door, "POST /v1/accounts")]
            yield Service(name=name, port=door.port, pid=served.process.pid, sign_up=signing_up)
            return
        await served.open_account("user0", PASSWORD)
        postgres.execute(_COPIES.format(last=ACCOUNTS - 1), database=database)
        yield _signed_in(name, door, served.process.pid)


def _signed_in(name: str, door: Door, pid: int) -> Service:
    service = Service(name=name, port=door.port, pid=pid, hasher=STANDARD)
    for who in people():
        fields = {"identifier": who, "password": PASSWORD}
        log_in = door.request("POST /v1/login", json.dumps(fields))
        cookies, _ = door.done(log_in)
        tokens = json.dumps(fields | {"deliver": "tokens"})
        _, said = door.done(door.request("POST /v1/login", tokens))
        held = {"Authorization": f"Bearer {said['access_token']}"}
        service.log_in.append(same(log_in))
        service.bearer.append(same(door.request("GET /v1/me", **held)))
        service.cookie.append(same(door.request("GET /v1/me", Cookie=cookies)))
        service.verify.append(same(door.request("GET /v1/verify", **held)))
        service.refresh.append(_refreshing(door, said["refresh_token"]))
    if door.ask(service.verify[0](b""))[0] == 404:
        service.verify.clear()
    return service


def _refreshing(door: Door, first: str) -> Following:
    """Refresh with the token of the answer before."""
    kept = re.compile(rb'"refresh_token": ?"([^"]+)"')

    token = first

    def following(answer: bytes) -> bytes:
        nonlocal token
        if found := kept.search(answer):
            token = found[1].decode()
        return door.request("POST /v1/tokens/refresh", json.dumps({"refresh_token": token}))

    return following


@asynccontextmanager
async def hello(name: str, folder: Path, *, by: str) -> AsyncIterator[Service]:
    """Serve five lines of ASGI behind the same connections."""
    place = folder / f"hello-{by}"
    place.mkdir()
    async with serving(place, "hello", by, program=(SCRIPT,)) as served:
        door = Door(int(served.base_url.rpartition(":")[2]))
        asking = [same(door.request("GET /"))]
        yield Service(name=name, port=door.port, pid=served.process.pid, hello=asking)


@asynccontextmanager
async def fastapi_users(postgres: Server, *, cheap: bool = False) -> AsyncIterator[Service]:
    name = "fastapi-users"
    with _peer(postgres, name, "postgresql+asyncpg", cheap=cheap) as variables:
        async with peers.fastapi_users(PASSWORD, **variables) as (port, pid):
            door = Door(port)
            service = Service(name=name, port=port, pid=pid)
            service.sign_up.append(strangers(door, "POST /auth/register"))
            for who in people() if not cheap else ():
                form = f"username={who}%40example.org&password={PASSWORD.replace(' ', '+')}"
                kind = {"Content_Type": "application/x-www-form-urlencoded"}
                _, said = door.done(door.request("POST /bearer/login", form, **kind))
                cookies, _ = door.done(door.request("POST /auth/login", form, **kind))
                held = {"Authorization": f"Bearer {said['access_token']}"}
                service.log_in.append(same(door.request("POST /bearer/login", form, **kind)))
                service.bearer.append(same(door.request("GET /users/me", **held)))
                service.cookie.append(same(door.request("GET /users/me", Cookie=cookies)))
            yield service


@asynccontextmanager
async def flask_jwt_extended(postgres: Server, *, cheap: bool = False) -> AsyncIterator[Service]:
    name = "Flask-JWT-Extended"
    with _peer(postgres, name, "postgresql+psycopg", cheap=cheap) as variables:
        async with peers.flask_jwt_extended(PASSWORD, **variables) as (port, pid):
            door = Door(port)
            service = Service(name=name, port=port, pid=pid, hasher=Scrypt())
            service.sign_up.append(strangers(door, "POST /register"))
            for who in people() if not cheap else ():
                fields = json.dumps({"email": f"{who}@example.org", "password": PASSWORD})
                log_in = door.request("POST /login", fields)
                cookies, said = door.done(log_in)
                held = {"Authorization": f"Bearer {said['access_token']}"}
                fresh = {"Authorization": f"Bearer {said['refresh_token']}"}
                service.log_in.append(same(log_in))
                service.bearer.append(same(door.request("GET /me", **held)))
                service.cookie.append(same(door.request("GET /me", Cookie=cookies)))
                service.refresh.append(same(door.request("POST /refresh", "{}", **fresh)))
            yield service


@contextmanager
def _peer(postgres: Server, name: str, driver: str, *, cheap: bool) -> Iterator[dict[str, str]]:
    database = re.sub(r"\W", "_", f"{name}_{cheap}").lower()
    postgres.create(database)
    variables = {
        "PEER_DATABASE_URL": postgres.url(database).replace("postgresql", driver, 1),
        "PEER_ACCOUNTS": str(ACCOUNTS),
    }
    yield variables | ({"PEER_CHEAP": "1"} if cheap else {})


async def _empty(postgres: Server, name: str) -> None:
    postgres.create(name)
    database = Database(postgres.url(name))
    await migrations.upgrade(database)
    await database.close()
