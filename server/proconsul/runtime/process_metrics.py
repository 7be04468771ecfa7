"""Memory and collection figures under the names that Consul's dashboards read.

Go's words, Python's figures: `alloc_bytes` and `sys_bytes` are the resident and the virtual size,
`heap_objects` the blocks in use, `num_goroutines` the asyncio tasks, `total_gc_runs` the
collections of all generations.
"""

import asyncio
import gc
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Literal

from proconsul.api.process import Figure
from proconsul.telemetry import Telemetry

_PAGE_BYTES = resource.getpagesize()


class ProcessMetrics:
    """Measures this process."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._pauses = GcPauses(telemetry)

    def start(self) -> None:
        """Measure the pauses of the collector from now on."""
        self._pauses.start()

    def stop(self) -> None:
        """Leave the collector alone again."""
        self._pauses.stop()

    def measure(self) -> None:
        """Set the gauges."""
        virtual_pages, resident_pages = _pages()
        gauge = self._telemetry.gauge
        gauge("runtime.alloc_bytes", resident_pages * _PAGE_BYTES)
        gauge("runtime.sys_bytes", virtual_pages * _PAGE_BYTES)
        gauge("runtime.num_goroutines", len(asyncio.all_tasks()))
        gauge("runtime.heap_objects", sys.getallocatedblocks())
        gauge("runtime.total_gc_runs", sum(one["collections"] for one in gc.get_stats()))
        gauge("runtime.total_gc_pause_ns", self._pauses.total_ns)

    def figures(self, started_unix_s: float) -> list[Figure]:
        """What Prometheus' exporters tell of every process."""
        virtual_pages, resident_pages = _pages()
        cpu = resource.getrusage(resource.RUSAGE_SELF)
        files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        rows: list[tuple[str, str, str, float]] = [
            (
                "process_cpu_seconds_total",
                "counter",
                "Total user and system CPU time spent in seconds.",
                cpu.ru_utime + cpu.ru_stime,
            ),
            (
                "process_max_fds",
                "gauge",
                "Maximum number of open file descriptors.",
                files_max,
            ),
            (
                "process_open_fds",
                "gauge",
                "Number of open file descriptors.",
                len(os.listdir("/proc/self/fd")),
            ),
            (
                "process_resident_memory_bytes",
                "gauge",
                "Resident memory size in bytes.",
                resident_pages * _PAGE_BYTES,
            ),
            (
                "process_start_time_seconds",
                "gauge",
                "Start time of the process since unix epoch in seconds.",
                started_unix_s,
            ),
            (
                "process_virtual_memory_bytes",
                "gauge",
                "Virtual memory size in bytes.",
                virtual_pages * _PAGE_BYTES,
            ),
        ]
        return [
            Figure(name=name, kind=kind, explanation=explanation, value=value)
            for name, kind, explanation, value in rows
        ]


class GcPauses:
    """How long the collector stops the program."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._began_ns = 0
        self.total_ns = 0
        self._callback: Callable[[Literal["start", "stop"], dict[str, int]], None] = self._tell

    def start(self) -> None:
        """Listen."""
        gc.callbacks.append(self._callback)

    def stop(self) -> None:
        """Listen no longer."""
        if self._callback in gc.callbacks:
            gc.callbacks.remove(self._callback)

    def _tell(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        if phase == "start":
            self._began_ns = time.perf_counter_ns()
            return
        pause_ns = time.perf_counter_ns() - self._began_ns
        self.total_ns += pause_ns
        self._telemetry.sample("runtime.gc_pause_ns", pause_ns)


def _pages() -> tuple[int, int]:
    with open("/proc/self/statm", encoding="ascii") as file:
        fields = file.read().split()
    return int(fields[0]), int(fields[1])
