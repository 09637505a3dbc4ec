"""Atomic counters in Redis: one script counts, decides and gives back in a single step."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from vestibule.kernel.counting import Count, Reached
from vestibule.throttle.fallback import Unavailable

_CONNECTING = _ANSWERING = 0.5  # seconds
_PATIENCE = 1.0
_MOST_CONNECTIONS = 32
_EPOCH, _STEP = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

# ARGV: the time, how many of KEYS are to be counted, and for each of those its limit, span, and
# whether the span begins with the first count. The other KEYS are given back. A key lives for a
# span from its last count, by the clock of Redis; whether it has rested is judged by ours.
_SCRIPT = """
local now, wanted = tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 1, wanted do
    local most, within = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
    local held = redis.call('HMGET', KEYS[i], 'count', 'resets_at')
    local count, resets_at = tonumber(held[1] or 0), tonumber(held[2] or 0)
    if resets_at <= now then
        count, resets_at = 0, now + within
    elseif count >= most then
        return {i, resets_at - now}
    elseif ARGV[3 * i + 2] ~= '1' then
        resets_at = now + within
    end
    redis.call('HSET', KEYS[i], 'count', count + 1, 'resets_at', resets_at)
    redis.call('PEXPIRE', KEYS[i], math.ceil(within / 1000))
end
for i = wanted + 1, #KEYS do
    if tonumber(redis.call('HGET', KEYS[i], 'count') or 0) > 0 then
        redis.call('HINCRBY', KEYS[i], 'count', -1)
    end
end
return {}
"""


class InRedis:
    """Raises `Unavailable` within a second where Redis is away, slow, full or read only."""

    def __init__(self, url: str) -> None:
        """Connect at the first count.

        Raises:
            ValueError: `url` is none that the client understands.
        """
        self._url = url
        self._redis = _client(url)
        self._script = self._redis.register_script(_SCRIPT)

    async def count(
        self, wanted: Sequence[Count], *, now: datetime, back: Sequence[Count] = ()
    ) -> Reached | None:
        arguments = [_steps(now - _EPOCH), len(wanted)]
        for each in wanted:
            assert each.limit.most is not None
            arguments += [each.limit.most, _steps(each.limit.within), int(each.limit.from_first)]
        try:
            async with asyncio.timeout(_PATIENCE):
                said = await self._script([_key(each) for each in (*wanted, *back)], arguments)
        except (RedisError, OSError) as error:  # a TimeoutError is one of the latter
            raise Unavailable(type(error).__name__) from error
        if not said:
            return None
        place, wait = cast("tuple[int, int]", said)
        return Reached(wanted[place - 1], wait * _STEP)

    async def close(self) -> None:
        with suppress(RedisError, OSError):  # gone is gone
            await self._redis.aclose(close_connection_pool=True)


def _client(url: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_MOST_CONNECTIONS,
        timeout=_PATIENCE,
        socket_connect_timeout=_CONNECTING,
        socket_timeout=_ANSWERING,
        # The database is the second try. Connections that died while they rested are made anew.
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


def _key(count: Count) -> str:
    # In braces what a cluster shares keys out by: those of one script have to lie together.
    return f"vestibule:{{counters}}:{count.limit.name}:{count.digest.hex()}"


def _steps(span: timedelta) -> int:
    return span // _STEP
