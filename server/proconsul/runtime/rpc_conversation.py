"""The calls of one stream, served one after the other (wire/rpc.md section 3).

A call that was begun is seen through even if its client goes away, for it may be a write; only a
blocking query is given up as soon as nobody waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from proconsul.endpoints.methods import Methods
from proconsul.errors import ProconsulError
from proconsul.model.query import QueryOptions
from proconsul.rpc.msgpack_rpc import (
    Call,
    CallReader,
    decode_request,
    encode_error,
    encode_reply,
    encode_value,
)
from proconsul.rpc.value_reader import ValueTooLargeError
from proconsul.runtime.logs import logger
from proconsul.runtime.rpc_streams import ByteStream
from proconsul.telemetry import Telemetry
from proconsul.wire.gostruct import WireError
from proconsul.wire.msgpack import MsgpackError

Serve = Callable[[str, Any], Awaitable[Any]]
"""Of (method, request struct): the reply. Raises ProconsulError."""

# Further calls that are taken in while a blocking query waits; beyond it nobody watches whether
# the client has gone, and the query ends with its own time.
OUT_OF_TURN_BYTES_MAX = 256 * 1024

log = logger("rpc")


class RequestLimits(Struct, frozen=True, kw_only=True):
    """What a request and its reply may take."""

    size_bytes_max: int  # of its arguments
    arriving_bytes_max: int  # of all requests that are not whole yet
    arrival_s_max: float  # from its first byte to its last
    reply_s_max: float  # for the client to take a reply


class _ClientGoneError(Exception):
    """Nobody waits for the answer."""


class Conversations:
    """Serves the calls of streams; counts those that are being served."""

    def __init__(
        self, methods: Methods, serve: Serve, limits: RequestLimits, telemetry: Telemetry
    ) -> None:
        """`methods` says what arguments a method has; `serve` does the call."""
        self._methods = methods
        self._serve = serve
        self.limits = limits
        self._telemetry = telemetry
        self._busy = 0
        self._arriving_bytes = 0
        self._idle: asyncio.Event = asyncio.Event()

    async def wait_until_idle(self, timeout_s: float) -> None:
        """Until no call is served or answered, blocking queries aside; at most `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._busy:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def converse(self, stream: ByteStream) -> None:
        """Serve a stream to its end, and close it."""
        reader = CallReader(self.limits.size_bytes_max)
        try:
            while (call := await self._next_call(stream, reader)) is not None:
                answer, goes_on = await self._answer(stream, reader, call)
                with self._counted():
                    async with asyncio.timeout(self.limits.reply_s_max):
                        await stream.write(answer)
                if not goes_on:
                    return
        except (MsgpackError, WireError, TimeoutError) as failure:
            log.warning("a client is given up: %s", str(failure) or "it does not go on")
            stream.abort()
        except (ConnectionError, _ClientGoneError):
            return
        finally:
            stream.close()

    async def _next_call(self, stream: ByteStream, reader: CallReader) -> Call | None:
        """The next call; None when the client says no more."""
        counted = 0
        try:
            while (call := reader.next_call()) is None:
                self._arriving_bytes += reader.pending_bytes - counted
                counted = reader.pending_bytes
                if self._arriving_bytes > self.limits.arriving_bytes_max:
                    raise ValueTooLargeError("too many large requests at once")
                patience_s = None if reader.is_between_calls else self.limits.arrival_s_max
                async with asyncio.timeout(patience_s):
                    data = await stream.read()
                if not data:
                    return None
                reader.feed(data)
        finally:
            self._arriving_bytes -= counted
        return call

    async def _answer(
        self, stream: ByteStream, reader: CallReader, call: Call
    ) -> tuple[bytes, bool]:
        """(what to say, whether the stream goes on); as net/rpc, it ends if nothing was called."""
        self._telemetry.count("rpc.request")
        try:
            method = self._methods.find(call.method)
            request = decode_request(method.request, call.body)
        except (ProconsulError, MsgpackError, WireError) as failure:
            self._telemetry.count("rpc.request_error")
            return encode_error(call, str(failure)), False
        try:
            value = await self._run(stream, reader, call.method, request)
            return encode_reply(call, encode_value(value)), True
        except ProconsulError as failure:
            return encode_error(call, str(failure) or type(failure).__name__), True
        except (ConnectionError, _ClientGoneError):
            raise
        except Exception:
            log.exception("%s failed", call.method)
            return encode_error(call, f"{call.method}: internal error of the server"), True

    async def _run(self, stream: ByteStream, reader: CallReader, name: str, request: Any) -> Any:
        if isinstance(request, QueryOptions) and request.min_query_index > 0:
            self._telemetry.count("rpc.query")
            return await _while_wanted(stream, reader, self._serve(name, request))
        with self._counted():
            return await self._serve(name, request)


async def _while_wanted(stream: ByteStream, reader: CallReader, work: Awaitable[Any]) -> Any:
    """The result of `work`, which is given up when the stream ends."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_has_gone(stream, reader))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and leaving.result():
            raise _ClientGoneError
        return await working
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.wait({working, leaving})


async def _has_gone(stream: ByteStream, reader: CallReader) -> bool:
    """Whether the stream has ended; False for a client that says too much to be watched."""
    while reader.pending_bytes < OUT_OF_TURN_BYTES_MAX:
        data = await stream.read()
        if not data:
            return True
        reader.feed(data)
    return False
