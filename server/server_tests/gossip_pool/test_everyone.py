"""A pool of all kinds: everybody agrees, whatever happens, and a busy server fails nobody."""

import sys
from pathlib import Path

import pytest

from server_tests.gossip_pool.everyone import KEY, pool_up, say, under_load, with_faults
from server_tests.gossip_pool.pool_member import missing_binaries
from server_tests.gossip_pool.pool_watch import Watch
from server_tests.runtime.gossip_node import until

LOAD_S = 30.0

pytestmark = [
    pytest.mark.skipif(bool(missing_binaries()), reason=f"set {', '.join(missing_binaries())}"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, uses all of 127.0.0.0/8"),
    pytest.mark.real_clock,
    pytest.mark.slow,
]
plain_and_encrypted = pytest.mark.parametrize("key", [b"", KEY], ids=["plain", "encrypted"])


@plain_and_encrypted
@pytest.mark.timeout(2400)  # who was frozen may have to wait for several turns of chance
def test_all_lists_agree_whatever_becomes_of_members_and_no_event_is_lost(
    key: bytes, tmp_path: Path
) -> None:
    assert with_faults(tmp_path, key, say) == []


@plain_and_encrypted
@pytest.mark.timeout(900)
def test_nobody_fails_while_our_server_is_busy(key: bytes, tmp_path: Path) -> None:
    assert under_load(tmp_path, key, LOAD_S, say) == []


@pytest.mark.timeout(600)
async def test_a_failure_without_a_fault_is_found_in_lists_and_logs_of_every_kind(
    tmp_path: Path,
) -> None:
    with pool_up(tmp_path, b"", say) as pool:
        *others, lost = pool.members
        expected = {
            text
            for one in others
            for text in (
                f"{one.name} listed {lost.name} as failed",
                f"{one.name} said in its log that {lost.name} failed",
            )
        }
        lost.kill()
        await until(lambda: expected <= sentences(pool.watch), lambda: sentences(pool.watch))
    assert {(one.name, lost.name) for one in others} <= set(pool.watch.false_failures)


def sentences(watch: Watch) -> set[str]:
    """What it found, without the time."""
    return {one.partition(": ")[2] for one in watch.found}
