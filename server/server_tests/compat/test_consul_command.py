"""The real `consul` command against ours: it prints and ends as against a real Consul.

The binary is of 1.8.7, unchanged. Each story is a list of commands, run on both servers in the
same order with the same files at hand.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server_tests.compat.clients import eventually
from server_tests.compat.command_line import COMMAND_S_MAX, CommandLine, Ran
from server_tests.compat.conftest import needs_real_consul
from server_tests.differential.target import NODE, Target, our_command, real_command, running
from server_tests.loopback import address

pytestmark = [needs_real_consul, pytest.mark.real_clock]

STORIES = {
    "keys and values": """
        kv put story/a 1
        kv put -flags=7 story/b/c two
        kv get story/a
        kv get -detailed story/b/c
        kv get -recurse story
        kv get -recurse -detailed story
        kv get -keys -separator=/ story/
        kv get -base64 story/a
        kv get -stale story/a
        kv get story/nothing
        kv put -cas -modify-index=1 story/a 3
        kv put -acquire -session=nobody story/a 3
        kv export story/
        kv import @keys.json
        kv get -recurse story
        kv delete -cas -modify-index=1 story/a
        kv delete story/a
        kv delete -recurse story/
        kv get -recurse story
    """,
    "the catalog": """
        catalog datacenters
        catalog nodes
        catalog nodes -detailed
        catalog nodes -service=consul
        catalog nodes -near=_agent
        catalog nodes -node-meta=rack=r1
        catalog nodes -node-meta=rack=r2
        catalog nodes -filter=Meta.rack==r1
        catalog services
        catalog services -tags
        catalog services -node=nobody
    """,
    "services": """
        services register web.hcl
        services register db.json
        services register -name=cache -port=6379 -tag=fast -meta=owner=us
        catalog services -tags
        services deregister web.hcl
        services deregister -id=db
        services deregister -id=nothing
        services register wrong.json
        catalog services
        services deregister -id=cache
    """,
    "the members": """
        members
        members -detailed
        members -wan
        members -status=failed
        join 127.0.0.1
        force-leave nobody
        force-leave -prune nobody
        reload
        version
    """,
    "maintenance": """
        maint
        maint -enable -reason=moving
        maint
        maint -disable
        maint
        maint -enable -service=nothing
        services register -name=web
        maint -enable -service=web -reason=painting
        maint
        maint -disable -service=web
        services deregister -id=web
    """,
    "locks": """
        lock -child-exit-code story/lock true
        lock -child-exit-code story/lock false
        lock -n=2 -try=5s story/semaphore echo inside
        lock -name=mine -try=5s story/lock echo inside
    """,
    "the operator": """
        operator raft list-peers
        operator raft list-peers -stale
        operator raft remove-peer -id=nobody
        operator raft remove-peer -address=192.0.2.1:8300
        operator autopilot get-config
        operator autopilot set-config -max-trailing-logs=300 -cleanup-dead-servers=false
        operator autopilot get-config
        operator autopilot set-config -max-trailing-logs=250 -cleanup-dead-servers=true
    """,
    "snapshots": """
        kv put story/kept before
        snapshot save state.snap
        snapshot inspect state.snap
        kv put story/kept after
        snapshot restore state.snap
        kv get story/kept
        snapshot save -stale stale.snap
        snapshot restore broken.snap
        kv delete -recurse story/
    """,
    "watches that look once": """
        kv put story/watched now
        watch -type=key -key=story/watched
        watch -type=keyprefix -prefix=story/
        watch -type=nodes
        watch -type=services
        watch -type=service -service=consul -passingonly=true
        watch -type=checks -service=consul
        watch -type=checks -state=critical
        kv delete story/watched
    """,
    "events": """
        event
        event -name=story-deploy -service=web -tag=blue now
        event -name=story-deploy -node=nobody
        watch -type=event -name=story-deploy
        exec -wait=200ms -wait-repl=100ms true
    """,
    "refusals": f"""
        rtt nobody {NODE}
        debug -duration=1s
        watch -type=key
        kv get
        kv get a/?b
        operator autopilot set-config -last-contact-threshold=long
        nonsense
    """,
}

FILES = {
    "web.hcl": 'service { name = "web" port = 80 tags = ["a", "b"] meta { k = "v" } '
    'check { ttl = "30s" } weights { passing = 3 warning = 1 } }',
    "db.json": '{"Service": {"Name": "db", "Port": 5432, "Check": {"TTL": "10s"}}}',
    "wrong.json": '{"Service": {"Name": "wrong", "Check": {"Interval": "10s"}}}',
    "keys.json": json.dumps([{"key": "story/imported", "flags": 3, "value": "Z3LDvMOfZQ=="}]),
    "broken.snap": "this is no archive at all",
}


@pytest.fixture
def ours(our_server: Target, tmp_path: Path) -> CommandLine:
    """`consul` against this server."""
    return _at_home(our_server, tmp_path / "ours")


@pytest.fixture
def real(real_server: Target, tmp_path: Path) -> CommandLine:
    """`consul` against a real one."""
    return _at_home(real_server, tmp_path / "real")


def _at_home(target: Target, folder: Path) -> CommandLine:
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return CommandLine(target, folder)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_goes_as_with_a_real_server(
    name: str, ours: CommandLine, real: CommandLine
) -> None:
    lines = [line.strip() for line in STORIES[name].strip().splitlines()]
    for told, expected in zip(ours.play(lines), real.play(lines), strict=True):
        assert told == expected


@pytest.fixture(params=["ours", "real"])
def command(request: pytest.FixtureRequest) -> CommandLine:
    """`consul` against each of the two in turn."""
    line: CommandLine = request.getfixturevalue(request.param)
    return line


def test_info_tells_the_same_sections(ours: CommandLine, real: CommandLine) -> None:
    def names(ran: Ran) -> list[str]:
        assert ran.code == 0
        return [line.split("=")[0].strip() for line in ran.out.splitlines()]

    assert names(ours.run("info")) == names(real.run("info"))


def test_a_value_is_read_from_the_keyboard(command: CommandLine, place: str) -> None:
    assert command.run("kv", "put", place, "-", typed="typed\n").code == 0
    assert command.run("kv", "get", place).out == "typed\n\n"


def test_a_snapshot_of_ours_is_inspected_and_restored_by_the_real_ones(
    ours: CommandLine, real: CommandLine, place: str
) -> None:
    before = real.folder / "before.snap"
    assert real.run("snapshot", "save", str(before)).code == 0
    assert ours.run("kv", "put", place, "from ours").code == 0
    archive = real.folder / "ours.snap"
    assert ours.run("snapshot", "save", str(archive)).code == 0
    assert real.run("snapshot", "inspect", str(archive)).code == 0
    assert real.run("snapshot", "restore", str(archive)).code == 0
    assert real.run("kv", "get", place).out == "from ours\n"
    assert real.run("snapshot", "restore", str(before)).code == 0


def test_a_lock_is_held_while_its_child_runs(command: CommandLine, place: str) -> None:
    with command.running("lock", "-pass-stdin", place, "echo inside; cat") as first:
        assert first.screen.readline() == "inside\n"
        second = command.run("lock", "-try=100ms", place, "echo second")
        assert second.code == 1
        assert "second" not in second.out
        first.keyboard.close()  # so the child ends, and with it the lock
        assert first.process.wait(COMMAND_S_MAX) == 0
    assert command.run("lock", "-try=5s", place, "echo third").out == "third\n"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("-type=key -key={place}", "kv put {place} 2"),
        ("-type=keyprefix -prefix={place}", "kv put {place}/new 2"),
        ("-type=services", "services register -name={place}"),
        ("-type=service -service={place}", "services register -name={place}"),
        ("-type=checks", "maint -enable -reason={place}"),
    ],
)
def test_a_watch_calls_its_handler_at_each_change(
    kind: str, change: str, command: CommandLine, place: str
) -> None:
    command.run("kv", "put", place, "1")
    with command.running("watch", *kind.format(place=place).split(), "cat") as watch:
        before = watch.screen.readline()
        assert command.run(*change.format(place=place).split()).code == 0
        after = watch.screen.readline()
        assert place in after
        assert after != before
    command.run("services", "deregister", f"-id={place}")
    command.run("maint", "-disable")


def test_the_log_can_be_followed(ours: CommandLine) -> None:
    """Not tried on the real one: what 1.8.7 answers ends its own `consul monitor` at once."""
    with ours.running("monitor") as monitor, ThreadPoolExecutor(1) as pool:
        line = pool.submit(monitor.screen.readline)

        def followed() -> bool:  # it may not listen yet when the first reload is logged
            ours.run("reload")
            return line.done()

        assert eventually(followed)
        assert "[" in line.result()


@pytest.mark.slow
@pytest.mark.parametrize(("program", "host"), [(our_command, 213), (real_command, 214)])
def test_a_server_that_is_told_to_leave_ends(
    program: Callable[[], list[str]], host: int, tmp_path: Path
) -> None:
    with running(program(), address(host)) as target:
        line = _at_home(target, tmp_path / "home")
        assert line.run("leave") == Ran(("leave",), 0, "Graceful leave complete\n", "")
        assert eventually(lambda: line.run("members").code == 1)
