"""What tests on an API server share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from operator_tests.bare_kubernetes import GIVEN, PROGRAMS, REASON, BareKubernetes, bare_kubernetes
from operator_tests.bench import Bench
from server_tests.loopback import address
from server_tests.process import ServerProcess


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareKubernetes]:
    """An API server without controllers."""
    if not (GIVEN or PROGRAMS):
        pytest.skip(REASON)
    with bare_kubernetes(tmp_path_factory.mktemp("kubernetes")) as made:
        yield made


@pytest.fixture
def bench(kubernetes: BareKubernetes, tmp_path: Path) -> Iterator[Bench]:
    """With a namespace of its own."""
    with Bench(kubernetes, tmp_path) as made:
        yield made


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, ServerProcess]]:
    """Three of them, as their pods are called."""
    hosts = {f"c-{number}": address(101 + number) for number in range(3)}
    with ExitStack() as stack:
        made = {}
        for name, host in hosts.items():
            joins = [f"-retry-join={other}" for other in hosts.values()]
            flags = ["-bootstrap-expect=3", f"-node={name}", *joins]
            made[name] = ServerProcess(host, tmp_path / name, *flags)
            made[name].launch()
            stack.callback(made[name].kill)
        yield made
