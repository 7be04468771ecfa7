"""What the kernel says of a machine and its processes."""

from pathlib import Path

import pytest

from bench import machine
from bench.failure import BenchError

DISKSTATS = """\
   8       0 sda 5 0 1 2 3 4 5 6 7 8 9 10 11 12 13 4711 99
   8       1 sda1 5 0 1 2 3 4 5 6 7 8 9 10 11 12 13 0 0
   7       0 loop0 1 2 3 4 5 6 7 8 9 10 11
"""
MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:26 / /home rw shared:2 - btrfs /dev/sdb rw
"""
TICK_S = 1 / machine._TICK_HZ


def stat(parent: int, name: str = "a program") -> str:
    return f"9 ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 300 40 5 6 20 0 1"


def test_one_core_is_too_few_and_the_text_says_so() -> None:
    with pytest.raises(BenchError, match="two cores"):
        machine.choose_placement(frozenset({3}), both_cores=False)


def test_servers_and_load_have_a_core_each_or_all_of_them() -> None:
    placed = machine.choose_placement(frozenset({2, 5, 7}), both_cores=False)
    assert placed.server_cores == frozenset({2})
    assert placed.load_cores == frozenset({5})
    assert machine.choose_placement(frozenset({2, 5}), both_cores=True).server_cores is None


def test_flushes_are_those_of_the_device() -> None:
    assert machine.flushes(DISKSTATS, (8, 0)) == 4711
    assert machine.flushes(DISKSTATS, (7, 0)) is None
    assert machine.flushes(DISKSTATS, (0, 31)) is None


def test_time_of_waiting_is_no_work() -> None:
    assert machine.busy_s("cpu  1 2 3 1000 2000 4 5 0 0 0\ncpu0 ...") == pytest.approx(15 * TICK_S)


def test_a_process_has_the_time_of_its_ended_children_too() -> None:
    assert machine.cpu_s(stat(1, "odd) (name")) == pytest.approx(351 * TICK_S)


def test_children_of_children_are_found() -> None:
    parent_of = machine.parents({1: stat(0), 5: stat(1), 6: stat(5), 7: stat(2)})
    assert machine.with_descendants(frozenset({1}), parent_of) == {1, 5, 6}


def test_memory_is_read_in_bytes() -> None:
    assert machine.rss_bytes("Name:\tx\nVmRSS:\t  12 kB\n") == 12288
    assert machine.rss_bytes("") == 0


def test_a_folder_is_on_the_nearest_mount() -> None:
    assert machine.file_system(MOUNTS, Path("/home/ann/tree")) == "btrfs on /dev/sdb"
    assert machine.file_system(MOUNTS, Path("/homestead")) == "ext4 on /dev/sda1"


def test_a_processor_has_a_name() -> None:
    assert machine.processor("processor\t: 0\nmodel name\t: Fast One\n") == "Fast One"


def test_how_python_was_built_is_told_as_far_as_it_matters() -> None:
    profiled = machine.interpreter("'--prefix=/a' '--enable-optimizations' '--with-lto'", "")
    assert profiled.endswith(
        ", configured with --enable-optimizations --with-lto, a static program)"
    )
    library = "7f00-7f01 r-xp 0 8:1 9 /lib/libpython3.11.so.1.0\n"
    plain = machine.interpreter("'CFLAGS=-g --with-lto'", library)
    assert plain.endswith(
        ", configured with neither --enable-optimizations nor --with-lto, a shared library)"
    )
