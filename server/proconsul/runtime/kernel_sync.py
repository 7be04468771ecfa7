"""fdatasync that a worker of the kernel does, told by an event descriptor: no thread waits for it.

Linux's own asynchronous I/O (io_setup(2), io_submit(2) with IOCB_CMD_FDSYNC, since Linux 4.18;
the layout is that of linux/aio_abi.h). A thread of this process costs a write two hand-overs of
the interpreter and about five switches; this costs one (docs/adr/0018).
"""

import ctypes
import os
import platform
import struct
import sys
from typing import Final, NamedTuple


class _Calls(NamedTuple):
    """The numbers of the system calls, which libc has no functions for."""

    setup: int
    destroy: int
    get_events: int
    submit: int


_CALLS: Final = {"x86_64": _Calls(206, 207, 208, 209), "aarch64": _Calls(0, 1, 4, 2)}

# data, key, flags | operation, priority, file | buffer, bytes, offset | reserved, flags, told by
_REQUEST: Final = struct.Struct("<QIiHhIQQqQII")
_EVENT: Final = struct.Struct("<QQqq")  # data, request, result, more of it
_SYNC_DATA: Final = 3  # IOCB_CMD_FDSYNC
_TELLS: Final = 1  # IOCB_FLAG_RESFD


class KernelSync:
    """One fdatasync at a time; `fileno` is readable when it has ended."""

    def __init__(self) -> None:
        """Raises OSError where the system has no such thing, or does not let this process."""
        calls = _CALLS.get(platform.machine())
        if sys.platform != "linux" or calls is None:
            raise OSError("no asynchronous fdatasync on this system")
        # PyDLL: none of these calls waits, so the interpreter need not be let go.
        self._call = ctypes.PyDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._context = ctypes.c_ulong(0)
        if self._call(calls.setup, ctypes.c_long(1), ctypes.byref(self._context)) < 0:
            raise self._failure("io_setup")
        self._event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._request = ctypes.create_string_buffer(_REQUEST.size)
        self._event = ctypes.create_string_buffer(_EVENT.size)
        one = ctypes.c_long(1)
        self._requests = ctypes.pointer(ctypes.c_void_p(ctypes.addressof(self._request)))
        self._submit = (calls.submit, self._context, one, self._requests)
        self._get_event = (calls.get_events, self._context, one, one, self._event, None)
        self._destroy = (calls.destroy, self._context)
        self._file: int | None = None

    def fileno(self) -> int:
        """The event descriptor, for a selector."""
        return self._event_fd

    def begin(self, fd: int) -> None:
        """Begin to sync that file; it stays open until `end`.

        Raises OSError where nothing was begun: the kernel or the file system has no such sync.
        """
        if fd != self._file:
            told_by = self._event_fd
            _REQUEST.pack_into(
                self._request, 0, 0, 0, 0, _SYNC_DATA, 0, fd, 0, 0, 0, 0, _TELLS, told_by
            )
            self._file = fd
        if self._call(*self._submit) != 1:
            raise self._failure("io_submit")

    def end(self) -> None:
        """What became of it, once `fileno` is readable. Raises OSError as fdatasync(2) does."""
        os.eventfd_read(self._event_fd)
        if self._call(*self._get_event) != 1:
            raise self._failure("io_getevents")
        result: int = _EVENT.unpack(self._event)[2]
        if result < 0:
            raise OSError(-result, os.strerror(-result))

    def close(self) -> None:
        """Give back what it holds; waits for a sync that has not ended."""
        self._call(*self._destroy)
        os.close(self._event_fd)

    def _failure(self, what: str) -> OSError:
        number = ctypes.get_errno()
        return OSError(number, f"{what}: {os.strerror(number)}")
