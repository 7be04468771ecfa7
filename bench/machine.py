"""What machine this is, and what it does meanwhile: from /proc and /sys of Linux.

The parsers are pure and take the text of a file. Flush requests are those of the whole device
that holds the folder: whoever else writes there is counted, too.
"""

import os
import platform
import shlex
import statistics
import sysconfig
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.failure import BenchError
from server_tests.differential.target import pause

# How Python was built, as far as it makes a server faster or slower.
SPEED_OPTIONS = ("--enable-optimizations", "--with-lto")
SYNCS = 60  # of 4 KiB each, to see how fast the disk is
LOOK_S = 0.5
_TICK_HZ = os.sysconf("SC_CLK_TCK")
_FLUSHES_FIELD = 18  # of a line of /proc/diskstats, from 0 (kernel: admin-guide/iostats)


@dataclass(frozen=True, slots=True)
class Placement:
    """Which cores the servers and the load run on; None is wherever the kernel likes."""

    server_cores: frozenset[int] | None = None
    load_cores: frozenset[int] | None = None

    @property
    def text(self) -> str:
        """For the head of a table."""
        if self.server_cores is None or self.load_cores is None:
            return "nothing pinned"
        return (
            f"all servers of a side on core {_numbers(self.server_cores)}, "
            f"wrk and the samplers on core {_numbers(self.load_cores)}"
        )


def _numbers(cores: frozenset[int]) -> str:
    return ", ".join(str(core) for core in sorted(cores))


def choose_placement(cores: frozenset[int], *, both_cores: bool) -> Placement:
    """Servers on the first core, the load on the second. Raises BenchError: there is only one."""
    if len(cores) < 2:
        raise BenchError(
            f"only core {_numbers(cores)} may be used here: the load would take the server's time. "
            "Give this process two cores."
        )
    if both_cores:
        return Placement()
    first, second, *_ = sorted(cores)
    return Placement(frozenset({first}), frozenset({second}))


def our_cores() -> frozenset[int]:
    """The cores that this process may use."""
    return frozenset(os.sched_getaffinity(0))


# ------------------------------------------------------------ what it does


def busy_s(stat: str) -> float:
    """Seconds that all cores together were busy since the start, from /proc/stat."""
    user, nice, system, _, _, irq, softirq, *_ = stat.split("\n", 1)[0].split()[1:]
    return sum(int(one) for one in (user, nice, system, irq, softirq)) / _TICK_HZ


def flushes(diskstats: str, device: tuple[int, int]) -> int | None:
    """Flush requests that a device has completed; None: the kernel does not count them for it."""
    for line in diskstats.splitlines():
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == device:
            return int(fields[_FLUSHES_FIELD]) if len(fields) > _FLUSHES_FIELD else None
    return None


def device_of(folder: Path) -> tuple[int, int]:
    """(major, minor) of the disk under a folder; a partition's flushes are its disk's."""
    number = folder.stat().st_dev
    device = os.major(number), os.minor(number)
    sysfs = Path(f"/sys/dev/block/{device[0]}:{device[1]}")
    if (sysfs / "partition").exists():
        major, minor = (sysfs.resolve().parent / "dev").read_text().strip().split(":")
        return int(major), int(minor)
    return device


@dataclass(frozen=True, slots=True)
class Moment:
    """The machine's counters at one time."""

    at_s: float
    busy_s: float
    flushes: int | None


class Watch:
    """Reads the counters of the machine and of the disk under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._device = device_of(folder)

    def now(self) -> Moment:
        """The counters of now."""
        return Moment(
            time.monotonic(),
            busy_s(Path("/proc/stat").read_text()),
            flushes(Path("/proc/diskstats").read_text(), self._device),
        )


def other_cores(watch: Watch) -> float:
    """How many cores somebody else uses; call it while the benchmark does nothing."""
    before = watch.now()
    pause(LOOK_S)
    after = watch.now()
    return (after.busy_s - before.busy_s) / (after.at_s - before.at_s)


# ------------------------------------------------------------ processes


def parents(stats: Mapping[int, str]) -> dict[int, int]:
    """The parent of each process, from the texts of /proc/<pid>/stat."""
    return {pid: int(text.rpartition(")")[2].split()[1]) for pid, text in stats.items()}


def with_descendants(roots: frozenset[int], parent_of: Mapping[int, int]) -> frozenset[int]:
    """These processes, their children, theirs..."""
    found = set(roots)
    while True:
        new = {pid for pid, parent in parent_of.items() if parent in found} - found
        if not new:
            return frozenset(found)
        found |= new


@dataclass(frozen=True, slots=True)
class Usage:
    """Of some processes and their children."""

    cpu_s: float
    rss_bytes: int


def cpu_s(stat: str) -> float:
    """User and system time of a process and of its children that have ended."""
    fields = stat.rpartition(")")[2].split()
    return sum(int(one) for one in fields[11:15]) / _TICK_HZ


def rss_bytes(status: str) -> int:
    """VmRSS of /proc/<pid>/status; 0 for a process that has ended."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def usage(pids: frozenset[int]) -> Usage:
    """What processes and all below them have used."""
    stats = {pid: text for pid in _processes() if (text := _read(pid, "stat"))}
    all_pids = with_descendants(pids, parents(stats)) & stats.keys()
    return Usage(
        sum(cpu_s(stats[pid]) for pid in all_pids),
        sum(rss_bytes(_read(pid, "status")) for pid in all_pids),
    )


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended meanwhile


# ------------------------------------------------------------ what it is


def file_system(mountinfo: str, folder: Path) -> str:
    """ "ext4 on /dev/sda1", from the mount that holds the folder (proc(5), mountinfo)."""
    best: tuple[int, str] = (-1, "unknown")
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        mounted = Path(fields.split()[4])
        kind, source, *_ = rest.split()
        if folder.is_relative_to(mounted):
            best = max(best, (len(mounted.parts), f"{kind} on {source}"))
    return best[1]


def processor(cpuinfo: str) -> str:
    """The name of the first core's model."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def sync_us(folder: Path) -> tuple[float, float]:
    """Median and worst fdatasync of an append of 4 KiB, in microseconds."""
    path = folder / "sync-probe"
    block = os.urandom(4096)
    took_us = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    try:
        for _ in range(SYNCS):
            began_s = time.perf_counter()
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            took_us.append((time.perf_counter() - began_s) * 1e6)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(took_us), max(took_us)


def interpreter(configured: str, maps: str) -> str:
    """For the head of a table: what Python was configured with, and whether it is a library.

    From its CONFIG_ARGS and the text of /proc/self/maps. A distribution may profile it in a way of
    its own, which no option tells.
    """
    given = [option for option in SPEED_OPTIONS if option in shlex.split(configured)]
    options = "configured with " + (" ".join(given) or f"neither {' nor '.join(SPEED_OPTIONS)}")
    shape = "a shared library" if "/libpython" in maps else "a static program"
    return f"Python {platform.python_version()} ({platform.python_compiler()}, {options}, {shape})"


def our_interpreter() -> str:
    """The one that runs this, and the servers."""
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return interpreter(configured, Path("/proc/self/maps").read_text())


def description(folder: Path) -> dict[str, str]:
    """What a reader must know of the machine to judge a figure."""
    median_us, worst_us = sync_us(folder)
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cores = len(our_cores())
    return {
        "cores": f"{cores} x {processor(Path('/proc/cpuinfo').read_text())}",
        "memory": f"{memory_bytes / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "file system": file_system(Path("/proc/self/mountinfo").read_text(), folder.resolve()),
        "fdatasync of 4 KiB": f"{median_us:.0f} us (median), {worst_us:.0f} us (worst of {SYNCS})",
        "other load at the start": f"{other_cores(Watch(folder)):.2f} cores",
    }
