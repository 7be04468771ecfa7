"""A cluster of Consul 1.8.7 moves to our servers and back without losing anything."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from server_tests.fsm.real_server import requires_real_consul
from server_tests.with_consul.migration import Migration

pytestmark = [
    requires_real_consul,
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # nine servers come and go, and each has to be stable for ten seconds
]


def test_a_cluster_moves_there_and_back_under_load_and_nothing_is_lost(tmp_path: Path) -> None:
    with ExitStack() as ending:
        migration = Migration(tmp_path, ending)
        migration.run()
    assert len(migration.writer.acknowledged) > 100
    assert "back on Consul 1.8.7: " in migration.seen.lines[-1]
