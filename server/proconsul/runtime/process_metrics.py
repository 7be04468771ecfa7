"""Memory and collection figures under the names that Consul's dashboards read.

Go's words, Python's figures: `alloc_bytes` and `sys_bytes` are the resident and the virtual size,
`num_goroutines` the asyncio tasks, `total_gc_runs` the collections of all generations.
"""

import asyncio
import gc
import resource

from proconsul.telemetry import Telemetry

_PAGE_BYTES = resource.getpagesize()


class ProcessMetrics:
    """Measures this process."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def measure(self) -> None:
        """Set the gauges."""
        virtual_pages, resident_pages = _pages()
        gauge = self._telemetry.gauge
        gauge("runtime.alloc_bytes", resident_pages * _PAGE_BYTES)
        gauge("runtime.sys_bytes", virtual_pages * _PAGE_BYTES)
        gauge("runtime.num_goroutines", len(asyncio.all_tasks()))
        gauge("runtime.heap_objects", sum(gc.get_count()))
        gauge("runtime.total_gc_runs", sum(one["collections"] for one in gc.get_stats()))


def _pages() -> tuple[int, int]:
    with open("/proc/self/statm", encoding="ascii") as file:
        fields = file.read().split()
    return int(fields[0]), int(fields[1])
