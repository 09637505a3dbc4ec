"""How processes on PostgreSQL learn that a session or an account changed: LISTEN and NOTIFY.

Whoever changes a row says so within the transaction, so the word leaves with the commit, in its
order. The listening connection sends itself a beat: once it is back, all that was said before has
come, too. While it stays out, the database is asked instead.
"""

import asyncio
import logging
import time
from typing import Any
from uuid import uuid4

import asyncpg

from vestibule.kernel.clock import Corrected
from vestibule.kernel.database_url import dialect_url
from vestibule.kernel.memory import CHANNEL, Memory, read_words
from vestibule.kernel.postgresql import connecting

_BEAT = 0.5  # seconds between two beats
_PATIENCE = 5.0  # seconds for one to be sent, after which another connection is tried
_SHORTEST, _LONGEST = 0.1, 5.0  # seconds between two tries

log = logging.getLogger("vestibule.feed")


class Feed:
    """Keeps `memory` to what the database says, over a connection of its own."""

    def __init__(self, url: str, memory: Memory, clock: Corrected) -> None:
        self._memory, self._clock = memory, clock
        parsed = dialect_url(url)
        _, where = parsed.get_dialect()().create_connect_args(parsed)
        self._where = dict(where) | connecting(parsed, pgbouncer=False)

    async def run(self) -> None:
        """Listen until cancelled, connecting again for as long as it takes."""
        rest, told = _SHORTEST, False
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it is, the database is asked
                if not told:
                    kind = type(error).__name__
                    log.warning("changes cannot be listened to (%s); the database is asked", kind)
                told = True
            if self._memory.is_trusted:  # it worked until now
                rest, told = _SHORTEST, False
            await asyncio.sleep(rest)
            rest = min(2 * rest, _LONGEST)

    async def _listen(self) -> None:
        """Listen and beat until the connection fails."""
        async with asyncio.timeout(_PATIENCE):
            connection = await asyncpg.connect(**self._where)
        try:
            beats = f"vestibule_{uuid4().hex}"
            async with asyncio.timeout(_PATIENCE):
                await connection.add_listener(CHANNEL, self._word)
                await connection.add_listener(beats, self._beat)
            self._memory.forget_everything()  # what was said before is not repeated
            while True:
                async with asyncio.timeout(_PATIENCE):
                    await self._send(connection, beats)
                await asyncio.sleep(_BEAT)
        finally:
            connection.terminate()

    async def _send(self, connection: Any, beats: str) -> None:
        # Any: a connection of a record class that nobody names
        sent, before = time.monotonic(), self._clock.of_this_machine()
        there = await connection.fetchval(
            "SELECT clock_timestamp() FROM pg_notify($1, $2)", beats, repr(sent)
        )
        self._clock.follow(there, asked=before, answered=self._clock.of_this_machine())

    def _word(self, _connection: object, _pid: int, _channel: str, words: object) -> None:
        facts = read_words(str(words))
        if facts is None:
            self._memory.forget_everything()
        else:
            self._memory.forget(facts)

    def _beat(self, _connection: object, _pid: int, _channel: str, sent: object) -> None:
        self._memory.heard(float(str(sent)))
