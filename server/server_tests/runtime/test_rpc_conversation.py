"""One stream of calls whose client is slow at taking its replies."""

import asyncio

import pytest

from proconsul.endpoints.table import METHODS
from proconsul.rpc.msgpack_rpc import Call, encode_call
from proconsul.runtime.rpc_conversation import Conversations, RequestLimits
from server_tests.endpoints.site import open_site

LIMITS = RequestLimits(
    size_bytes_max=1000, arriving_bytes_max=1000, arrival_s_max=60.0, reply_s_max=300.0
)
PING = encode_call(Call(1, "Status.Ping", b"\x80"))


class SlowStream:
    """Asks once, and takes `taking_s` for the reply."""

    def __init__(self, taking_s: float) -> None:
        self.taken = b""
        self.is_aborted = False
        self.is_closed = False
        self._asked = False
        self._taking_s = taking_s

    async def read(self) -> bytes:
        data, self._asked = b"" if self._asked else PING, True
        return data

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(self._taking_s)
        self.taken += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True


@pytest.mark.parametrize(("taking_s", "is_in_time"), [(299.0, True), (301.0, False)])
async def test_a_client_has_five_minutes_for_a_reply(taking_s: float, *, is_in_time: bool) -> None:
    site = open_site()
    conversations = Conversations(METHODS, site.call, LIMITS, site.context.telemetry)
    stream = SlowStream(taking_s)
    began_s = asyncio.get_running_loop().time()
    await conversations.converse(stream)
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(min(taking_s, 300), abs=0.5)
    assert stream.taken.endswith(b"Status.Ping\x80") is is_in_time
    assert stream.is_aborted is not is_in_time
    assert stream.is_closed
