"""Whole msgpack values out of a stream that has neither lengths nor separators.

A value is only measured while it comes in; nothing is built from it before it is whole and within
its limit, so that a peer cannot make us hold more than the bytes it has sent.
"""

import msgpack

from proconsul.wire.msgpack import MsgpackError


class ValueTooLargeError(MsgpackError):
    """A value goes on beyond its limit."""


class ValueReader:
    """`feed` it; `next_value` takes the values out one by one."""

    def __init__(self) -> None:
        self._buffer = bytearray()  # begins with the value that is next
        self._fed = 0  # bytes of the buffer that the measure has seen
        self._offset = 0  # of the buffer in the stream
        self._measure = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=0)

    @property
    def pending_bytes(self) -> int:
        """How much is held that belongs to no value yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        self._buffer += data

    def next_value(self, bytes_max: int) -> bytes | None:
        """The bytes of the next value; None while it is not whole.

        Raises MsgpackError for what is no msgpack, ValueTooLargeError for more than `bytes_max`.
        """
        if self._fed < len(self._buffer):
            self._measure.feed(memoryview(self._buffer)[self._fed :])
            self._fed = len(self._buffer)
        try:
            self._measure.skip()
        except msgpack.OutOfData:
            self._check(self.pending_bytes, bytes_max)
            return None
        except (ValueError, msgpack.UnpackException) as failure:
            raise MsgpackError(f"not msgpack: {failure!r}") from failure
        end = self._measure.tell() - self._offset
        self._check(end, bytes_max)
        value = bytes(memoryview(self._buffer)[:end])
        self._drop(end)
        return value

    def rest(self) -> bytes:
        """Take what follows the last value; the reader is of no use afterwards."""
        rest = bytes(self._buffer)
        self._drop(len(rest))
        return rest

    def _drop(self, size_bytes: int) -> None:
        del self._buffer[:size_bytes]
        self._fed -= size_bytes
        self._offset += size_bytes

    @staticmethod
    def _check(size_bytes: int, bytes_max: int) -> None:
        if size_bytes > bytes_max:
            raise ValueTooLargeError(f"a value of more than {bytes_max} bytes")
