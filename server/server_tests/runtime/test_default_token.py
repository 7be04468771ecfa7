"""The agent's token for who brings none."""

from typing import Any

from proconsul.model.kv import KeyRequest
from proconsul.runtime.default_token import with_default_token


async def test_who_brings_no_token_uses_the_agents() -> None:
    asked: list[Any] = []

    async def call(method: str, request: Any) -> Any:
        asked.append(request)
        return method

    tokens = iter(["default", "default", "default", ""])
    ours = with_default_token(call, lambda: next(tokens))
    assert await ours("KVS.Get", KeyRequest(key="a")) == "KVS.Get"
    await ours("KVS.Get", KeyRequest(key="a", token="own"))
    await ours("Status.Ping", None)
    await ours("KVS.Get", KeyRequest(key="a"))  # there is none any more
    assert [getattr(request, "token", None) for request in asked] == ["default", "own", None, ""]
