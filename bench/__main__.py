"""`python -m bench [WHAT...]`: measure, or show again what was measured (`report`)."""

import argparse
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from bench import growth, lives, machine, mixed, plots, report, results, rows, watchers
from bench.failure import BenchError
from bench.machine import Placement
from bench.options import FOLDER, NETWORK, Options
from bench.pairs import WARM_S, measure_rows
from bench.results import Measured, Rows
from bench.servers import CONNECTIONS_MAX, GO_THREADS, require_consul
from bench.wrk import require_wrk
from compiling.modules import build
from proconsul import __version__

FILES_WANTED = 65536
Part = Callable[[Options, Placement, dict[str, str], Callable[[str], None]], Path]
PARTS: dict[str, Part] = {
    "watchers": watchers.measure,
    "lives": lives.measure,
    "growth": growth.measure,
    "mixed": mixed.measure,
}
PLOTS = Path("docs/performance")
ALL = ("rows", "watchers", "lives")  # that have goals


def say(text: str) -> None:
    """To the terminal, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(words: Sequence[str]) -> int:
    """The exit status: 0, or 2 when it could not be measured."""
    chosen, options = parse(words)
    try:
        if chosen == ["plots"]:
            for path in plots.write(options.results, PLOTS):
                say(str(path))
            return 0
        if chosen[:1] == ["report"]:
            paths = [Path(word) for word in chosen[1:]] or report.newest(options.results)
        else:
            paths = measure(chosen, options)
        for path in paths:
            say(f"\n{report.rendered(path)}\n({path})")
    except BenchError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 2
    return 0


def parse(words: Sequence[str]) -> tuple[list[str], Options]:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure this server beside a real Consul 1.8.7 (CONSUL_REAL).",
    )
    names = ", ".join(["all", *rows.GROUPS, *rows.BY_NAME, *PARTS])
    parser.add_argument(
        "what",
        nargs="*",
        help=f"of: {names}; or report [FILE...]; or plots; default: all ({', '.join(ALL)})",
    )
    parser.add_argument("--servers", default="1,3", help="sizes of cluster (1,3)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs a row (5)")
    parser.add_argument("--seconds", type=int, default=3, help="that each run lasts (3)")
    parser.add_argument("--largest", type=int, default=1_000_000, help="of growth (1000000)")
    parser.add_argument("--mixed-seconds", type=int, default=300, help="of the mixed load (300)")
    parser.add_argument("--both-cores", action="store_true", help="pin nothing")
    parser.add_argument("--network", default=NETWORK, help=f"/24 of loopback ({NETWORK})")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"for data, results ({FOLDER})")
    found = parser.parse_args(words)
    try:
        servers = tuple(int(one) for one in found.servers.split(","))
    except ValueError:
        servers = ()
    if not servers or not set(servers) <= {1, 3}:
        parser.error("--servers is 1, 3 or 1,3")
    if found.pairs < 1 or found.seconds < 1:
        parser.error("--pairs and --seconds are at least 1")
    return list(found.what) or ["all"], Options(
        servers=servers,
        pairs=found.pairs,
        seconds=found.seconds,
        both_cores=found.both_cores,
        largest=found.largest,
        mixed_seconds=found.mixed_seconds,
        network=found.network,
        folder=found.folder,
    )


def measure(words: Sequence[str], options: Options) -> list[Path]:
    """Do what was chosen: the files that hold the results. Raises BenchError."""
    wanted = [part for word in words for part in (ALL if word == "all" else (word,))]
    parts = [name for name in PARTS if name in wanted]
    chosen = rows.chosen((word for word in wanted if word not in PARTS), PARTS)
    options.folder.mkdir(parents=True, exist_ok=True)
    placement = machine.choose_placement(machine.our_cores(), both_cores=options.both_cores)
    settings = settings_of(options, placement)
    if placement.load_cores is not None:
        os.sched_setaffinity(0, placement.load_cores)  # samplers are load, too
    allow_many_files()
    paths = []
    if chosen:
        paths.append(measure_chosen_rows(chosen, options, placement, settings))
    paths += [PARTS[name](options, placement, settings, say) for name in parts]
    return paths


def settings_of(options: Options, placement: Placement) -> dict[str, str]:
    """What is printed with every table. Raises BenchError: Consul or wrk are missing."""
    consul = require_consul()
    wrk = require_wrk()
    go = "as Go likes" if options.both_cores else GO_THREADS
    return {
        **machine.description(options.folder),
        "placement": placement.text,
        "Consul": f"1.8.7 ({Path(consul).name}), GOMAXPROCS {go}, never -dev",
        "ours": f"{__version__}, commit {commit()}, {build()}, {machine.our_interpreter()}",
        "load": f"{wrk}, runs of {options.seconds} s after {WARM_S} s to warm up",
        "limits": f"http_max_conns_per_client and rpc_max_conns_per_client {CONNECTIONS_MAX}, "
        "all else by default, on both sides",
        "data": "fresh for each pair, both sides beside each other on this file system",
    }


def commit() -> str:
    """Of this tree; with a + when it has been changed since."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


def allow_many_files() -> None:
    """As many as the hard limit allows: a connection is a file, for the servers as well."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if most == resource.RLIM_INFINITY else min(FILES_WANTED, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def measure_chosen_rows(
    chosen: Sequence[rows.Row], options: Options, placement: Placement, settings: dict[str, str]
) -> Path:
    """Each result is on the disk as soon as it is there: what was measured survives a ^C."""
    path = results.new_path(options.results, "rows")
    found = Rows(settings=settings)

    def keep(one: Measured) -> None:
        found.measured.append(one)
        results.save(path, found)

    measure_rows(chosen, options, placement, keep, say)
    return path


def end(*_: object) -> NoReturn:
    """SIGTERM: as ^C, so that the servers end and their data go."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.stderr.write("bench: ended; `python -m bench report` shows what is there\n")
        sys.exit(130)
