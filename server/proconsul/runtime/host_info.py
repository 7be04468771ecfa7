"""What `/v1/agent/host` tells about the machine, as gopsutil's structs are printed."""

import os
import platform
import socket
import time
from typing import Any

_DISK_PATH = "/"  # where Consul looks
_FILESYSTEMS = {"ext4": "ext2/ext3", "ext3": "ext2/ext3", "ext2": "ext2/ext3"}

# gopsutil's names in its order, and the kernel's; "" is what Linux does not have.
_MEMORY = (
    *(("active", "Active"), ("inactive", "Inactive"), ("wired", ""), ("laundry", "")),
    *(("buffers", "Buffers"), ("cached", ""), ("writeback", "Writeback"), ("dirty", "Dirty")),
    *(("writebacktmp", "WritebackTmp"), ("shared", "Shmem"), ("slab", "Slab")),
    *(("sreclaimable", "SReclaimable"), ("sunreclaim", "SUnreclaim")),
    *(("pagetables", "PageTables"), ("swapcached", "SwapCached")),
    *(("commitlimit", "CommitLimit"), ("committedas", "Committed_AS")),
    *(("hightotal", "HighTotal"), ("highfree", "HighFree")),
    *(("lowtotal", "LowTotal"), ("lowfree", "LowFree")),
    *(("swaptotal", "SwapTotal"), ("swapfree", "SwapFree"), ("mapped", "Mapped")),
    *(("vmalloctotal", "VmallocTotal"), ("vmallocused", "VmallocUsed")),
    *(("vmallocchunk", "VmallocChunk"), ("hugepagestotal", ""), ("hugepagesfree", "")),
    ("hugepagesize", "Hugepagesize"),
)
_COUNTS = {"hugepagestotal": "HugePages_Total", "hugepagesfree": "HugePages_Free"}


def host_info() -> dict[str, Any]:
    """Memory, CPUs, host and disk; collected now, which takes some milliseconds."""
    return {
        "Memory": _memory(),
        "CPU": _cpus(),
        "Host": _host(),
        "Disk": _disk(_DISK_PATH),
        "CollectionTime": time.time_ns(),
        "Errors": None,
    }


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _fields(path: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in _lines(path) if ":" in line)
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _memory() -> dict[str, Any]:
    figures = {name: int(value.split()[0]) for name, value in _fields("/proc/meminfo") if value}

    def octets(name: str) -> int:
        return figures.get(name, 0) * 1024

    total = octets("MemTotal")
    cached = octets("Cached") + octets("SReclaimable")
    used = total - octets("MemFree") - octets("Buffers") - cached
    shown: dict[str, Any] = {
        "total": total,
        "available": octets("MemAvailable"),
        "used": used,
        "usedPercent": used / total * 100 if total else 0.0,
        "free": octets("MemFree"),
    }
    for name, kernel_name in _MEMORY:
        shown[name] = octets(kernel_name)
    shown["cached"] = cached
    for name, kernel_name in _COUNTS.items():
        shown[name] = figures.get(kernel_name, 0)
    return shown


def _cpus() -> list[dict[str, Any]]:
    cpus: list[dict[str, str]] = []
    for name, value in _fields("/proc/cpuinfo"):
        if name == "processor":
            cpus.append({})
        if cpus:
            cpus[-1][name] = value
    return [_cpu(cpu) for cpu in cpus]


def _cpu(cpu: dict[str, str]) -> dict[str, Any]:
    return {
        "cpu": int(cpu["processor"]),
        "vendorId": cpu.get("vendor_id", ""),
        "family": cpu.get("cpu family", ""),
        "model": cpu.get("model", ""),
        "stepping": int(cpu.get("stepping", "0") or 0),
        "physicalId": cpu.get("physical id", ""),
        "coreId": cpu.get("core id", ""),
        "cores": 1,
        "modelName": cpu.get("model name", ""),
        "mhz": float(cpu.get("cpu MHz", "0") or 0),
        "cacheSize": int(cpu.get("cache size", "0").split()[0]),
        "flags": cpu.get("flags", "").split(),
        "microcode": cpu.get("microcode", ""),
    }


def _host() -> dict[str, Any]:
    with open("/proc/uptime", encoding="ascii") as file:
        uptime_s = int(float(file.read().split()[0]))
    release = platform.freedesktop_os_release() if os.path.exists("/etc/os-release") else {}
    system = release.get("ID", "")
    exact = _lines("/etc/debian_version") if system == "debian" else []
    return {
        "hostname": socket.gethostname(),
        "uptime": uptime_s,
        "bootTime": int(time.time()) - uptime_s,
        "procs": sum(name.isdigit() for name in os.listdir("/proc")),
        "os": "linux",
        "platform": system,
        "platformFamily": (release.get("ID_LIKE") or system).partition(" ")[0],
        "platformVersion": exact[0] if exact else release.get("VERSION_ID", ""),
        "kernelVersion": platform.release(),
        "kernelArch": platform.machine(),
        "virtualizationSystem": "",
        "virtualizationRole": "",
        "hostid": _host_id(),
    }


def _host_id() -> str:
    product = _lines("/sys/class/dmi/id/product_uuid")
    boot = _lines("/proc/sys/kernel/random/boot_id")
    return ((product or boot or [""])[0]).lower()


def _disk(path: str) -> dict[str, Any]:
    stats = os.statvfs(path)
    used = (stats.f_blocks - stats.f_bfree) * stats.f_frsize
    free = stats.f_bavail * stats.f_frsize
    inodes_used = stats.f_files - stats.f_ffree
    return {
        "path": path,
        "fstype": _filesystem(path),
        "total": stats.f_blocks * stats.f_frsize,
        "free": free,
        "used": used,
        "usedPercent": used / (used + free) * 100 if used + free else 0.0,
        "inodesTotal": stats.f_files,
        "inodesUsed": inodes_used,
        "inodesFree": stats.f_ffree,
        "inodesUsedPercent": inodes_used / stats.f_files * 100 if stats.f_files else 0.0,
    }


def _filesystem(path: str) -> str:
    """gopsutil's word for the file system that is mounted there; the last mount counts."""
    found = ""
    for line in _lines("/proc/mounts"):
        words = line.split()
        if len(words) > 2 and words[1] == path:
            found = words[2]
    return _FILESYSTEMS.get(found, found)
