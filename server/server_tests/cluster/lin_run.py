"""Is a cluster of real processes linearizable while its servers are killed, frozen and cut off?

    python -m server_tests.cluster.lin_run --seconds 60

Clients read and write a few keys through all servers (load.py) while faults happen (nemesis.py);
then all is healed, every key is read through every server, and the history is judged. The last
line says what came of it; the exit code is 0 only for `yes` and nothing lost.

`--external CHECKER` (or LIN_CHECK in the environment) lets another program be the clients and the
judge: it is run with `--addrs A,B,C --seconds S --reads MODE` and what follows `--`, while the
faults happen. No fault begins later than S, so every one that is counted met its clients.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from server_tests.cluster.load import Load
from server_tests.cluster.nemesis import FAULT_S, FAULTS, Nemesis
from server_tests.cluster.network import enter_isolation
from server_tests.cluster.servers import OURS, PORT, Cluster, real_consul
from server_tests.process import die_with_the_tests
from server_tests.sim.history import Judgement, Verdict, judge

MODULE = "server_tests.cluster.lin_run"


def say(text: str) -> None:
    """A line, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def nemesis_of(cluster: Cluster, asked: argparse.Namespace) -> Nemesis:
    """As it was asked for."""
    lasting_s = (asked.lasting, asked.lasting) if asked.lasting else FAULT_S
    return Nemesis(cluster, asked.seed, asked.faults, lasting_s)


def run(cluster: Cluster, asked: argparse.Namespace) -> bool:
    """Whether nothing was found."""
    query = {"consistent": "?consistent", "default": ""}[asked.reads]
    load = Load(cluster.servers, asked.seed, query, asked.epoch)
    nemesis = nemesis_of(cluster, asked)
    load.start(asked.clients)
    nemesis.run(math.inf if asked.rounds else asked.seconds, asked.rounds)
    load.stop()
    load.read_all()
    lost = load.lost(cluster.leader())
    judgement = judge(load.history)
    say(f"faults: {nemesis.told()}")
    say(f"clients: errors {dict(load.errors)}")
    _show(judgement)
    count = len(load.history) + len(load.acknowledged)
    say(
        f"linearizable: {judgement.verdict.value}, ops {count}, "
        f"acknowledged writes lost {len(lost)}"
    )
    return judgement.verdict is Verdict.YES and not lost


def _show(judgement: Judgement) -> None:
    if judgement.verdict is not Verdict.YES:
        say(f"key {judgement.key}:")
        for one in judgement.operations:
            say(f"  {one}")


def run_external(cluster: Cluster, asked: argparse.Namespace) -> bool:
    """The same by another program; whether it ended with 0."""
    addresses = ",".join(f"{one.place.client_address}:{PORT}" for one in cluster.servers)
    nemesis = nemesis_of(cluster, asked)
    options = ["--addrs", addresses, "--seconds", str(asked.seconds), "--reads", asked.reads]
    checker = subprocess.Popen(
        [sys.executable, asked.external, *options, *asked.rest],
        preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
    )
    try:
        nemesis.run(asked.seconds, asked.rounds)
        say(f"faults: {nemesis.told()}")
        return checker.wait() == 0
    finally:
        checker.kill()


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--rounds",
        type=int,
        default=0,
        help="of all faults, however long it takes; with --external within --seconds",
    )
    parser.add_argument("--epoch", type=float, default=1.0, help="seconds for which keys are used")
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--lasting", type=float, help="of each fault, seconds; else by chance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--multiplier", type=int, default=1)
    parser.add_argument("--reads", choices=("consistent", "default"), default="consistent")
    parser.add_argument("--faults", type=lambda text: text.split(","), help=", ".join(FAULTS))
    parser.add_argument("--launcher", default="proconsul", help="module that is the server")
    parser.add_argument("--real", action="store_true", help="the Consul of CONSUL_REAL")
    parser.add_argument("--external", default=os.environ.get("LIN_CHECK"), help="a checker")
    parser.add_argument("rest", nargs="*", help="behind --: for the checker")
    return parser.parse_args()


def main() -> None:
    """Run it."""
    asked = parsed()
    enter_isolation(MODULE)
    program = real_consul() if asked.real else (*OURS[:-1], asked.launcher)
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(asked.servers, Path(folder), program, asked.multiplier)
        try:
            cluster.start()
            good = run_external(cluster, asked) if asked.external else run(cluster, asked)
        finally:
            cluster.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
