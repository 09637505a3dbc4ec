"""fastapi-users as its documentation starts it: SQLite, a token in a cookie."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, CookieTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = os.urandom(32).hex()
engine = create_async_engine("sqlite+aiosqlite:///peer.db")
sessions = async_sessionmaker(engine, expire_on_commit=False)


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
    yield Users(store)


backend = AuthenticationBackend(
    name="cookie",
    transport=CookieTransport(cookie_secure=False),
    get_strategy=lambda: JWTStrategy(secret=SECRET, lifetime_seconds=3600),
)
front = FastAPIUsers[User, UUID](users, [backend])


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        manager = Users(SQLAlchemyUserDatabase(session, User))
        person = schemas.BaseUserCreate(
            email="ada@example.org", password=os.environ["PEER_PASSWORD"]
        )
        await manager.create(person)
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(front.get_auth_router(backend), prefix="/auth")
app.include_router(front.get_users_router(UserRead, schemas.BaseUserUpdate), prefix="/users")
