"""The method table: the same raw calls to a real Consul 1.8.7 and to this server.

Both have ACLs and Connect off, which is how either starts without settings.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from proconsul.rpc.msgpack_rpc import Reply
from proconsul.wire import msgpack
from server_tests.differential.compare import differences
from server_tests.differential.target import Target, our_command, real_command, running
from server_tests.loopback import address
from server_tests.runtime.cases_rpc import ID, LATER, STORIES, here
from server_tests.runtime.cases_rpc_config import CONFIG_STORIES, WAITING, Waiting
from server_tests.runtime.rpc_twins import (
    PATIENCE_S,
    Story,
    Wire,
    config_entry,
    normalised,
    opened,
    tell,
)

REAL_HOST, OUR_HOST, RESTORED_HOST = 213, 214, 215
ANSWER_S = 0.4  # in which who was woken has answered
WAITS_S = 1.0  # in which a query has been read, and has found nothing to answer yet

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("CONSUL_REAL"), reason="CONSUL_REAL names no Consul 1.8.7"
    ),
    pytest.mark.slow,
    pytest.mark.real_clock,
    pytest.mark.timeout(120),
]

Servers = tuple[Target, Target]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The real one and ours, both fresh."""
    with (
        running(real_command(), address(REAL_HOST)) as real,
        running(our_command(), address(OUR_HOST)) as ours,
    ):
        yield real, ours


@pytest.mark.parametrize("story", [*STORIES, *CONFIG_STORIES], ids=lambda story: story.name)
def test_both_answer_alike(story: Story, servers: Servers) -> None:
    real, ours = servers
    there = normalised(tell(story, real.address), real.address)
    here = normalised(tell(story, ours.address), ours.address)
    lines = list(differences(there, here))
    assert not lines, "\n" + "\n".join(lines)


@pytest.mark.parametrize("waiting", WAITING, ids=lambda waiting: waiting.name)
def test_a_blocking_query_ends_with_the_same_change(waiting: Waiting, servers: Servers) -> None:
    for server in servers:
        assert woken_by(waiting, server.address) == waiting.woken_by, server.address


def woken_by(waiting: Waiting, server: str) -> str:
    """The name of the first change after which the query has answered; "" for none."""
    with closing(Wire(server)) as writer, closing(Wire(server)) as reader:
        for method, args in waiting.before:
            assert writer.ask(method, args).error == ""
        found = opened(waiting.method, reader.ask(waiting.method, waiting.args))
        index = next(one["Index"] for one in found if isinstance(one, dict) and "Index" in one)
        reader.say(waiting.method, {**waiting.args, "MinQueryIndex": index})
        assert not reader.has_heard(WAITS_S), reader.hear()
        woken = ""
        for name, (method, args) in waiting.changes.items():
            assert writer.ask(method, args).error == ""
            patience_s = PATIENCE_S if name == waiting.woken_by else ANSWER_S
            if not woken and reader.has_heard(patience_s):
                assert (answer := reader.hear()).error == "", answer
                woken = name
        for method, args in waiting.after:
            assert writer.ask(method, args).error == ""
        return woken


@pytest.mark.parametrize(("method", "args"), LATER, ids=lambda value: str(value)[:30])
def test_what_is_not_served_yet_says_so(method: str, args: object, servers: Servers) -> None:
    _, ours = servers
    with closing(Wire(ours.address)) as wire:
        for _ in range(2):
            reply = wire.ask(method, args)
            assert reply.error == f"{method} is not implemented by this server yet"


# ---------------------------------------------------------------- what a snapshot brings

INTENTIONS = [
    {"SourceName": source, "DestinationName": destination, "Action": "allow", "Meta": meta}
    for source, destination, meta in (
        ("*", "*", None),
        ("web", "db", {"a": "b"}),
        ("web", "*", {}),
        ("*", "db", None),
        ("api", "db", None),
    )
]
QUERIES: list[dict[str, Any]] = [
    {"Name": "q1", "Service": {"Service": "web", "Tags": ["a"]}, "Token": "t"},
    {"Name": "q2", "Service": {"Service": "db", "Failover": {"NearestN": 1}}, "DNS": {"TTL": "5s"}},
    {
        "Name": "x-",
        "Template": {"Type": "name_prefix_match"},
        "Service": {"Service": "${name.full}"},
    },
]
ENTRIES: list[tuple[str, dict[str, Any]]] = [
    ("proxy-defaults", {"Name": "global", "Config": {"protocol": "http", "n": 1.5}}),
    ("service-resolver", {"Name": "web", "Subsets": {"v1": {}}}),
    ("terminating-gateway", {"Name": "gate", "Services": [{"Name": "db"}, {"Name": "*"}]}),
]
FILTERS = ("", "SourceName == web", "Action == deny", "Meta.a == b", "Precedence == 9")


def test_what_a_real_server_stored_is_told_alike_from_its_snapshot() -> None:
    with (
        running(real_command(), address(REAL_HOST + 10)) as real,
        running(our_command(), address(RESTORED_HOST)) as ours,
        closing(Wire(real.address)) as there,
    ):
        intentions = [
            created(there, "Intention.Apply", here(Op="create", Intention={**one, **NAMESPACES}))
            for one in INTENTIONS
        ]
        queries = [
            created(there, "PreparedQuery.Apply", here(Op="create", Query=one)) for one in QUERIES
        ]
        for kind, fields in ENTRIES:
            created(there, "ConfigEntry.Apply", config_entry(kind, fields))
        archive = real.ask("GET", "/v1/snapshot").body
        assert ours.ask("PUT", "/v1/snapshot", archive).status == 200

        calls: list[tuple[str, dict[str, Any]]] = [
            *(("Intention.List", here(Filter=one)) for one in FILTERS),
            *(("Intention.Get", here(IntentionID=one)) for one in (*intentions, ID + "5")),
            *(("PreparedQuery.Get", here(QueryID=one)) for one in (*queries, ID + "5")),
            ("PreparedQuery.List", here()),
            ("FederationState.List", here()),
            ("FederationState.Get", {"Datacenter": "dc1", "TargetDatacenter": "dc1"}),
            ("ConfigEntry.ListAll", here()),
            ("ConfigEntry.ResolveServiceConfig", here(Name="web", Upstreams=["db"])),
            ("Catalog.GatewayServices", here(ServiceName="gate")),
        ]
        with closing(Wire(ours.address)) as wire:
            for method, args in calls:
                wanted, got = there.ask(method, args), wire.ask(method, args)
                assert got.error == wanted.error, method
                assert found_in(method, got) == found_in(method, wanted), method


NAMESPACES = {"SourceNS": "default", "DestinationNS": "default", "SourceType": "consul"}


def created(wire: Wire, method: str, args: Any) -> str:
    reply = wire.ask(method, args)
    assert reply.error == "", f"{method}: {reply.error}"
    return str(msgpack.unpack(reply.body))


def found_in(method: str, reply: Reply) -> list[Any]:
    """All but how long ago the leader was heard of."""
    values = opened(method, reply)
    for value in values:
        if isinstance(value, dict):
            value.pop("LastContact", None)
    return values
