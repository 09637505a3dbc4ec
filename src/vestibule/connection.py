"""One connection: hypercorn reads and writes it, and here is the clock.

hypercorn's own time-outs begin anew with every byte that comes, and it waits for ever for a client
that does not read. Its clock is tasks that are made anew for each request; this one is timers.
"""

import asyncio
from contextlib import suppress
from typing import Any, cast

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import WSStream

_UNREAD = 10.0  # seconds in which a client takes nothing of what it asked for
_SMALL = 16 * 1024  # bytes of an answer that go together
_AT_MOST = 64 * 1024  # bytes of a request that are looked at together
# HTTP/2's "leave, and finish what you began": of all streams, no error. RFC 9113, 6.8.
_GO_AWAY = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00"


class Connection(TCPServer):
    """One connection, in HTTP/1.1 or HTTP/2."""

    _speaks_http2 = False
    _gathered = b""

    def __init__(self, *given: Any) -> None:  # Any: as hypercorn has it
        super().__init__(*given)
        self.idle_task: _Idle = _Idle(self)  # type: ignore[assignment]

    def ask_to_leave(self) -> None:
        """Tell an HTTP/2 client to send no further request here; HTTP/1 is told in an answer."""
        if self._speaks_http2:
            with suppress(RuntimeError):  # it is closing already
                self.writer.write(_GO_AWAY)

    def say_goodbye(self) -> None:
        """Close it behind what was written; what reads it hears of that, and ends the rest."""
        self._write_gathered()
        self.writer.close()

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        if self._gathers(event.data):
            return
        self._write_gathered()
        try:
            async with asyncio.timeout(_UNREAD):
                await super().protocol_send(event)
        except TimeoutError:
            self.writer.transport.abort()
            await self.protocol.handle(Closed())
        if not self._speaks_http2 and isinstance(self.protocol.protocol, H2Protocol):
            self._speaks_http2 = True
            self.protocol.protocol.streams = _Streams()
            # hypercorn takes the preface for a request and stops the clock, which ran for an idle
            # client: one who never asks for anything would stay.
            await self.idle_task.restart(self._task_group, self._idle_timeout)

    def _gathers(self, data: bytes) -> bool:
        """Keep a small piece until this turn of the loop ends: headers and body go together.

        Only where nothing waits to be sent, so that nobody has to be waited for.
        """
        waiting = self.writer.transport.get_write_buffer_size()
        if waiting or len(self._gathered) + len(data) > _SMALL:
            return False
        if not isinstance(self.protocol.protocol, H11Protocol):
            return False
        if not self._gathered:
            self.loop.call_soon(self._write_gathered)
        self._gathered += data
        return True

    def _write_gathered(self) -> None:
        data, self._gathered = self._gathered, b""
        if data:
            with suppress(RuntimeError):  # closed meanwhile
                self.writer.write(data)

    async def _read_data(self) -> None:
        while not self.reader.at_eof():
            try:
                async with asyncio.timeout(self.config.read_timeout):
                    data = await self.reader.read(_AT_MOST)
            except (OSError, TimeoutError):
                break
            await self.protocol.handle(RawData(data))
        await self.protocol.handle(Closed())
        if isinstance(self.protocol.protocol, H2Protocol):
            # hypercorn would let answers wait for ever for room at a client that has left.
            for each in self.protocol.protocol.stream_buffers.values():
                await each.close()

    async def _close(self) -> None:
        self._write_gathered()
        cut_off = self.loop.call_later(_UNREAD, self.writer.transport.abort)
        try:
            await super()._close()
        finally:
            cut_off.cancel()


class _Idle:
    """The clock of a connection without a request, as hypercorn starts and stops it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None

    async def restart(self, _tasks: object, _action: object) -> None:
        self._stop()
        it = self._connection
        after = 0 if it.context.terminated.is_set() else it.config.keep_alive_timeout
        self._timer = it.loop.call_later(after, self.end)

    async def stop(self) -> None:
        self._stop()

    def end(self) -> None:
        """Close the connection, if it is idle."""
        if self._timer is None:
            return
        self._stop()
        protocol = self._connection.protocol.protocol
        if not (isinstance(protocol, H2Protocol) and protocol.streams):  # one that was upgraded
            self._connection.say_goodbye()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Streams(dict[int, HTTPStream | WSStream]):
    """The requests under way on one connection.

    What comes for one that is over, the rest of a body that was too long, is nobody's: hypercorn
    would end the connection, and with it everybody's requests that a proxy sends over it.
    """

    def __missing__(self, stream: int) -> HTTPStream:
        return cast(HTTPStream, _Over())


class _Over:
    async def handle(self, event: object) -> None:
        pass
