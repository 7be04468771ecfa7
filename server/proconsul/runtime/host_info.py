"""What `/v1/agent/host` tells about the machine, as gopsutil's structs are printed."""

import os
import platform
import socket
import time
from typing import Any


def host_info(data_dir: str) -> dict[str, Any]:
    """Memory, CPUs, host, disk of the data directory; collected now."""
    return {
        "Memory": _memory(),
        "CPU": _cpus(),
        "Host": _host(),
        "Disk": _disk(data_dir),
        "CollectionTime": time.time_ns(),
        "Errors": None,
    }


def _fields(path: str) -> list[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    pairs = (line.partition(":") for line in lines if ":" in line)
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _memory() -> dict[str, Any]:
    kilobytes = {name: int(value.split()[0]) for name, value in _fields("/proc/meminfo") if value}

    def octets(name: str) -> int:
        return kilobytes.get(name, 0) * 1024

    total, available = octets("MemTotal"), octets("MemAvailable")
    cached = octets("Cached") + octets("SReclaimable")
    used = total - octets("MemFree") - octets("Buffers") - cached
    return {
        "total": total,
        "available": available,
        "used": used,
        "usedPercent": used / total * 100 if total else 0.0,
        "free": octets("MemFree"),
        "active": octets("Active"),
        "inactive": octets("Inactive"),
        "buffers": octets("Buffers"),
        "cached": cached,
        "dirty": octets("Dirty"),
        "shared": octets("Shmem"),
        "slab": octets("Slab"),
        "swaptotal": octets("SwapTotal"),
        "swapfree": octets("SwapFree"),
    }


def _cpus() -> list[dict[str, Any]]:
    cpus: list[dict[str, Any]] = []
    for name, value in _fields("/proc/cpuinfo"):
        if name == "processor":
            cpus.append({"cpu": int(value), "vendorId": "", "modelName": "", "mhz": 0.0})
        elif cpus and name == "vendor_id":
            cpus[-1]["vendorId"] = value
        elif cpus and name == "model name":
            cpus[-1]["modelName"] = value
        elif cpus and name == "cpu MHz":
            cpus[-1]["mhz"] = float(value)
    return cpus


def _host() -> dict[str, Any]:
    with open("/proc/uptime", encoding="ascii") as file:
        uptime_s = int(float(file.read().split()[0]))
    release = platform.freedesktop_os_release() if os.path.exists("/etc/os-release") else {}
    return {
        "hostname": socket.gethostname(),
        "uptime": uptime_s,
        "bootTime": int(time.time()) - uptime_s,
        "procs": sum(name.isdigit() for name in os.listdir("/proc")),
        "os": "linux",
        "platform": release.get("ID", ""),
        "platformFamily": release.get("ID_LIKE", release.get("ID", "")),
        "platformVersion": release.get("VERSION_ID", ""),
        "kernelVersion": platform.release(),
        "kernelArch": platform.machine(),
        "virtualizationSystem": "",
        "virtualizationRole": "",
        "hostid": _boot_id(),
    }


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _disk(path: str) -> dict[str, Any]:
    stats = os.statvfs(path)
    total = stats.f_blocks * stats.f_frsize
    free = stats.f_bavail * stats.f_frsize
    used = (stats.f_blocks - stats.f_bfree) * stats.f_frsize
    inodes_used = stats.f_files - stats.f_ffree
    return {
        "path": path,
        "fstype": "",
        "total": total,
        "free": free,
        "used": used,
        "usedPercent": used / (used + free) * 100 if used + free else 0.0,
        "inodesTotal": stats.f_files,
        "inodesUsed": inodes_used,
        "inodesFree": stats.f_ffree,
        "inodesUsedPercent": inodes_used / stats.f_files * 100 if stats.f_files else 0.0,
    }
