"""How processes on PostgreSQL learn that a session or an account changed: LISTEN and NOTIFY.

Whoever changes a row says so within the transaction, so the word leaves with the commit, in the
order of commits. The listening connection sends itself a beat: once it is back, all that was said
before has come, too. While it stays out, the database is asked instead.
"""

import asyncio
import logging
import time
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import text

from vestibule.kernel.clock import Clock
from vestibule.kernel.database import Database
from vestibule.kernel.database_url import dialect_url
from vestibule.kernel.memory import CHANNEL, Memory, read_words
from vestibule.kernel.passing import reason
from vestibule.kernel.postgresql import connecting

NAME = "vestibule feed"  # in PostgreSQL's list of connections

_BEAT = 0.5  # seconds between two beats
_HEARING = 3.0  # seconds for the first word to come
_TRYING, _TRIES = 3.5, 100  # seconds, and looks meanwhile
_SHORTEST, _LONGEST = 0.1, 5.0  # seconds between two tries

_SAYING = text("SELECT pg_notify(:channel, '')")

log = logging.getLogger("vestibule.feed")


class Pooled(Exception):
    """A pooler is in between. Beats might come back through it, and words not."""


class AnotherDatabase(Exception):
    """What is written is not heard of. Beats come back all the same."""


class Feed:
    """Keeps `memory` and `clock` to what the database says, over a connection of its own."""

    def __init__(self, url: str, database: Database, memory: Memory, clock: Clock) -> None:
        """Listen at `url` to what is written to `database`."""
        self._database, self._memory, self._clock = database, memory, clock
        parsed = dialect_url(url)
        _, where = parsed.get_dialect()().create_connect_args(parsed)
        self._where = dict(where) | connecting(parsed, pgbouncer=False)
        self._rest = _SHORTEST

    async def run(self) -> None:
        """Listen until cancelled, connecting again for as long as it takes."""
        told = False
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it is, the database is asked
                if not told or self._rest == _SHORTEST:
                    log.warning("no changes are heard of, each is asked for: %s", reason(error))
                told = True
            await asyncio.sleep(self._rest)
            self._rest = min(2 * self._rest, _LONGEST)

    async def try_out(self) -> bool:
        """Listen for a moment, and tell whether that works."""
        listening = asyncio.create_task(self._listen())
        for _ in range(_TRIES):
            await asyncio.sleep(_TRYING / _TRIES)
            if self._memory.is_trusted or listening.done():
                break
        works = self._memory.is_trusted
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        return works

    async def _listen(self) -> None:
        """Listen and beat until the connection fails."""
        connection = await asyncpg.connect(
            **self._where, server_settings={"application_name": NAME}
        )
        try:
            if await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid():
                raise Pooled
            beats = f"vestibule_{uuid4().hex}"
            await connection.add_listener(beats, self._beat)
            await connection.add_listener(CHANNEL, self._word)
            await self._hear_what_is_written(connection)
            self._memory.forget_everything()  # what was said before is not repeated
            while True:
                await self._send(connection, beats)
                await asyncio.sleep(_BEAT)
        finally:
            connection.terminate()  # at once: a stop does not wait for the network

    async def _hear_what_is_written(self, connection: Any) -> None:
        # Any: a connection of a record class that nobody names
        channel, heard = f"vestibule_{uuid4().hex}", asyncio.Event()
        await connection.add_listener(channel, lambda *_: heard.set())
        async with self._database.aside() as writing:
            await writing.execute(_SAYING, {"channel": channel})
        try:
            # Not `wait_for`, which loses a stop that comes at the same moment (Python 3.11).
            async with asyncio.timeout(_HEARING):
                await heard.wait()
        except TimeoutError:
            raise AnotherDatabase from None

    async def _send(self, connection: Any, beats: str) -> None:
        # Any: the same
        sent, asked = time.monotonic(), self._clock.here()
        there = await connection.fetchval(
            "SELECT clock_timestamp() FROM pg_notify($1, $2)", beats, repr(sent)
        )
        self._clock.follow(there, asked=asked, answered=self._clock.here())

    def _word(self, _connection: object, _pid: int, _channel: str, words: object) -> None:
        facts = read_words(str(words))
        if facts is None:
            self._memory.forget_everything()
        else:
            self._memory.forget(facts)

    def _beat(self, _connection: object, _pid: int, _channel: str, sent: object) -> None:
        self._memory.hear(until=float(str(sent)))
        self._rest = _SHORTEST
