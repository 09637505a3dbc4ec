"""fastapi-users as its documentation starts it; a token in a cookie, or as a bearer's."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import (
    AuthenticationBackend,
    BearerTransport,
    CookieTransport,
    JWTStrategy,
)
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = os.urandom(32).hex()
engine = create_async_engine(os.environ.get("PEER_DATABASE_URL", "sqlite+aiosqlite:///peer.db"))
sessions = async_sessionmaker(engine, expire_on_commit=False)
helper = PasswordHelper()
if "PEER_CHEAP" in os.environ:
    cheap = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    helper = PasswordHelper(PasswordHash((cheap,)))


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class UserRead(schemas.BaseUser[UUID]):
    pass


class Users(UUIDIDMixin, BaseUserManager[User, UUID]):
    pass


async def database() -> AsyncIterator[SQLAlchemyUserDatabase[User, UUID]]:
    async with sessions() as session:
        yield SQLAlchemyUserDatabase(session, User)


async def users(
    store: SQLAlchemyUserDatabase[User, UUID] = Depends(database),
) -> AsyncIterator[Users]:
    yield Users(store, helper)


def strategy() -> JWTStrategy[User, UUID]:
    return JWTStrategy(secret=SECRET, lifetime_seconds=3600)


cookie = AuthenticationBackend(
    name="cookie", transport=CookieTransport(cookie_secure=False), get_strategy=strategy
)
bearer = AuthenticationBackend(
    name="bearer", transport=BearerTransport(tokenUrl="bearer/login"), get_strategy=strategy
)
front = FastAPIUsers[User, UUID](users, [cookie, bearer])


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    hashed = helper.hash(os.environ["PEER_PASSWORD"])
    people = range(int(os.environ.get("PEER_ACCOUNTS", "1")))
    async with sessions() as session:
        session.add_all(
            User(email=f"user{number}@example.org", hashed_password=hashed) for number in people
        )
        await session.commit()
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(front.get_auth_router(cookie), prefix="/auth")
app.include_router(front.get_auth_router(bearer), prefix="/bearer")
app.include_router(front.get_register_router(UserRead, schemas.BaseUserCreate), prefix="/auth")
app.include_router(front.get_users_router(UserRead, schemas.BaseUserUpdate), prefix="/users")
