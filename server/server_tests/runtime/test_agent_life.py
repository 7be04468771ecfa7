"""What reloads and looks at files do to each other."""

import asyncio
from pathlib import Path

from proconsul.config.flags import parse_agent_flags
from proconsul.config.parse import Source, parse
from proconsul.config.schema import LoadedConfig
from proconsul.runtime.agent_life import AgentLife
from proconsul.runtime.auto_reload import LOOK_S, ConfigFiles, Take
from server_tests.runtime.certificates import Authority
from server_tests.runtime.test_rpc_port import MACHINE


class Slow(AgentLife):
    """An agent that reloads until it may end that, and notes what it does."""

    def __init__(self, loaded: LoadedConfig) -> None:
        super().__init__(loaded, lambda: loaded)
        self.may_end = asyncio.Event()
        self.done: list[str] = []

    async def _start(self) -> None:
        pass

    @property
    def leader(self) -> str:
        return "self"

    async def _reload(self, read: LoadedConfig) -> None:
        self.done.append("a reload begins")
        await self.may_end.wait()
        self.done.append("a reload ends")

    def _prepared_tls(self) -> Take:
        self.done.append("certificates are prepared")

        async def take() -> None:
            self.done.append("certificates are taken")

        return take


async def same() -> bool:
    """A reload that nobody asks for, as no configuration changes."""
    raise AssertionError


async def test_certificates_wait_for_the_configuration_that_is_being_taken(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    pair = authority.pair("server")
    text = f'cert_file = "{pair.cert_file}" key_file = "{pair.key_file}"'
    flags = parse_agent_flags(["-server", "-data-dir=/data", "-bind=10.0.0.5", "-node=n1"])
    agent = Slow(parse(flags, [Source("a.hcl", text, "hcl")], MACHINE))
    await agent.start()
    agent.watch_files(ConfigFiles(()), same)
    reload = asyncio.ensure_future(agent.reload())
    while not agent.done:  # noqa: ASYNC110 - it reads in a thread, and has no event for this
        await asyncio.sleep(0)
    authority.pair("server")
    await asyncio.sleep(3 * LOOK_S)
    assert agent.done == ["a reload begins"]
    agent.may_end.set()
    await reload
    await asyncio.sleep(2 * LOOK_S)
    assert agent.done[1:] == [
        "a reload ends",
        "certificates are prepared",
        "certificates are taken",
    ]
    await agent._end_tasks()
