"""The servers that public clients are tried against: ours, and a real Consul where there is one.

Every scenario runs on both: on the real one it proves that the scenario is fair, on ours that
the client cannot tell the difference.
"""

import os
import uuid
from collections.abc import Iterator

import consul
import consulate  # type: ignore[import-untyped]
import pytest

from server_tests.compat.clients import py_consul_client, py_consulate_client
from server_tests.differential.target import Target, our_command, real_command, running
from server_tests.loopback import address

OUR_HOST, REAL_HOST = 211, 212

needs_real_consul = pytest.mark.skipif(
    not os.environ.get("CONSUL_REAL"), reason="CONSUL_REAL names no Consul 1.8.7"
)


@pytest.fixture(scope="session")
def our_server() -> Iterator[Target]:
    """This server, shared by the scenarios: each keeps to names of its own."""
    with running(our_command(), address(OUR_HOST)) as target:
        yield target


@pytest.fixture(scope="session")
def real_server() -> Iterator[Target]:
    """A real Consul, shared in the same way."""
    with running(real_command(), address(REAL_HOST)) as target:
        yield target


@pytest.fixture(
    params=["our_server", pytest.param("real_server", marks=needs_real_consul)],
    ids=["ours", "consul"],
    scope="session",
)
def server(request: pytest.FixtureRequest) -> Target:
    """Each of the two in turn."""
    target: Target = request.getfixturevalue(request.param)
    return target


@pytest.fixture
def place() -> str:
    """A name that no other scenario uses: for keys, services, nodes."""
    return f"place-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def py_consul(server: Target) -> Iterator[consul.Consul]:
    """The client of the package py-consul."""
    with py_consul_client(server.address) as client:
        yield client


@pytest.fixture
def py_consulate(server: Target) -> Iterator[consulate.Consul]:
    """The client of the package py-ms-consulate."""
    with py_consulate_client(server.address) as client:
        yield client
