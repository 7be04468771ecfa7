"""A pool of all kinds: our server and clients, real Consul clients, three versions of serf agents.

    python -m server_tests.gossip_pool.everyone --seconds 600 [--encrypt]
    python -m server_tests.gossip_pool.everyone --faults [--encrypt]

With `--seconds` one core of the machine is saturated by our server's HTTP, which holds a thousand
blocked queries and lists a thousand instances each second (pool_load.py), and for so long nobody
may take anybody for failed (pool_watch.py). With `--faults` members of each kind are killed,
frozen, restarted, leave and come back elsewhere, and with `--encrypt` the key is rotated
(pool_faults.py). The exit code is 1 if anything is not as it should be, and the last lines say
what. Needs CONSUL_REAL, SERF_REAL, SERF_REAL_NEW and SERF_REAL_NEWEST.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from server_tests.gossip_pool.pool_faults import (
    Faults,
    Pool,
    Rotation,
    Tell,
    all_faults,
    one_of_each_kind,
)
from server_tests.gossip_pool.pool_load import BLOCKED, Result
from server_tests.gossip_pool.pool_member import (
    SERFS,
    ConsulClient,
    OurClient,
    OurServer,
    PoolMember,
    SerfAgent,
    UnansweredError,
    missing_binaries,
    wait_s,
)
from server_tests.gossip_pool.pool_watch import Pinger, Watch
from server_tests.process import die_with_the_tests
from server_tests.runtime.gossip_node import place

FIRST_PLACE = 101  # of the addresses that this pool uses, and the next ones
CONSULS, OURS = 2, 2  # clients of each
SERF_VERSIONS = ("0.9.4", "0.10.1", "0.11.0")  # of ../shared/peers/install, in the order of SERFS
KEY, NEW_KEY = b"k" * 32, b"n" * 32
QUIET_S = 5.0  # before the load: whoever has just started is done with that
AFTER_S = 15.0  # the load: who was suspected at its end is dead by then, or is not
LOAD_ENDS_S_MAX = 60.0
LISTING_SHARE_LEAST = 0.5  # of one a second: a server that is busy may be late with some


def say(text: str) -> None:
    """A line, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def members_of_all_kinds(folder: Path, key: bytes) -> list[PoolMember]:
    """Not started yet; the server is the first."""
    hosts = map(place, range(FIRST_PLACE, FIRST_PLACE + 1 + CONSULS + len(SERFS) + OURS))
    return [
        OurServer("server", next(hosts), folder, key),
        *(ConsulClient(f"consul{n}", next(hosts), folder, key) for n in range(1, CONSULS + 1)),
        *(
            SerfAgent(f"serf-{version}", next(hosts), folder, key, os.environ[variable], version)
            for variable, version in zip(SERFS, SERF_VERSIONS, strict=True)
        ),
        *(OurClient(f"ours{n}", next(hosts), folder, key) for n in range(1, OURS + 1)),
    ]


@contextmanager
def pool_up(folder: Path, key: bytes, tell: Tell) -> Iterator[Pool]:
    """All have joined, and are watched."""
    members = members_of_all_kinds(folder, key)
    with ExitStack() as ending:
        for member in members:
            ending.callback(member.kill)
        pool = Pool(members, Watch(members), tell)
        pool.start()
        tell(", ".join(f"{one.name} ({one.kind})" for one in members))
        ending.enter_context(pool.watch.watching())
        yield pool


# ---------------------------------------------------------------- faults


def with_faults(folder: Path, key: bytes, tell: Tell) -> list[str]:
    """Everything that can be done to members; what is wrong, a sentence each."""
    wrong: list[str] = []
    with pool_up(folder, key, tell) as pool:
        try:
            _do_all(pool, key)
        except (AssertionError, UnansweredError, subprocess.TimeoutExpired) as failure:
            wrong.append(str(failure))
    return wrong + _told_of(pool.watch, tell)


def _do_all(pool: Pool, key: bytes) -> None:
    first = FIRST_PLACE + len(pool.members)
    free_hosts = [place(last) for last in range(first, first + len(pool.members))]
    all_faults(pool, free_hosts)
    if key:
        through = next(one for one in pool.members if isinstance(one, OurServer))
        Rotation(pool, through).run(KEY, NEW_KEY)
        # Each must have kept the other key: the one that it was given first is gone.
        Faults(pool).restart(one_of_each_kind(pool.members))


def _told_of(watch: Watch, tell: Tell) -> list[str]:
    """The watch's figures; what is wrong with them."""
    looks = sum(watch.looks.values())
    tell(f"{looks} looks at members, {sum(watch.unanswered.values())} without an answer")
    tell(f"false failures: {len(watch.false_failures)}")
    return list(watch.found)


# ---------------------------------------------------------------- load


def under_load(folder: Path, key: bytes, seconds: float, tell: Tell) -> list[str]:
    """The load for so long; what is wrong, a sentence each."""
    wrong: list[str] = []
    with pool_up(folder, key, tell) as pool:
        wait_s(QUIET_S)
        try:
            wrong += _load(pool, seconds)
            wait_s(AFTER_S)
            pool.until_all_agree("the load is over")
        except (AssertionError, UnansweredError, subprocess.TimeoutExpired) as failure:
            wrong.append(str(failure))
    slowest = max(pool.watch.longest_answer_s.items(), key=lambda one: one[1])
    tell(f"slowest look: {slowest[0]}, {slowest[1]:.2f} s")
    return wrong + _told_of(pool.watch, tell)


def _load(pool: Pool, seconds: float) -> list[str]:
    # A real agent is pinged, too: is that late as well, then the machine is.
    pingers = [Pinger(one) for one in pool.members[:2]]
    suspicions = _suspicions(pool.members)
    with _loading(pool.members[0], seconds) as process:
        began_s, wanted_s = time.monotonic(), pool.members[0].wanted_s()
        cpu_s = [one.cpu_s() for one in pool.members]
        with pingers[0].pinging(), pingers[1].pinging():
            assert process.stdout is not None
            last = process.stdout.readline()
        passed_s = time.monotonic() - began_s
        wanted_s = pool.members[0].wanted_s() - wanted_s
        used = [one.cpu_s() - before_s for one, before_s in zip(pool.members, cpu_s, strict=True)]
    if not last:
        raise UnansweredError("the load ended without a result")
    result = Result(**json.loads(last))
    _tell_load(result, pool.tell)
    by_name = zip((one.name for one in pool.members), used, strict=True)
    shares = [f"{name} {one_s / passed_s:.2f}" for name, one_s in by_name]
    pool.tell(
        f"cores used: {', '.join(shares)}, load {result.cpu_s / passed_s:.2f}; "
        f"the machine has {os.cpu_count()}, and {os.getloadavg()[0]:.1f} processes that want one"
    )
    pool.tell(
        f"the server's main thread ran or waited to run {wanted_s / passed_s:.2f} of the time"
    )
    pool.tell(f"pings, 50 % / 99 % / longest: {'; '.join(one.told() for one in pingers)}")
    suspicions = _suspicions(pool.members) - suspicions
    told = [f"{one} of {other} {count}" for (one, other), count in sorted(suspicions.items())]
    pool.tell(f"suspicions: {', '.join(told) or 'none'}")
    return _wrong_with(result, seconds)


@contextmanager
def _loading(server: PoolMember, seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """The load's process, which has all on the way."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server_tests.gossip_pool.pool_load", server.host, str(seconds)],
        stdout=subprocess.PIPE,
        preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if ready.strip() != b"ready":
            raise UnansweredError(f"the load did not start: {ready!r}")
        yield process
        process.wait(LOAD_ENDS_S_MAX)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _suspicions(members: Sequence[PoolMember]) -> Counter[tuple[str, str]]:
    return Counter((one.name, other) for one in members for other in one.suspicions())


def _tell_load(result: Result, tell: Tell) -> None:
    tell(
        f"load: {result.seconds:.0f} s, {result.requests / result.seconds:.0f} requests/s (longest "
        f"{result.longest_request_s:.2f} s), {result.blocked_least} queries blocked at least "
        f"({result.blocked_answers} answered), {result.listings} listings of "
        f"{result.listing_bytes} bytes (longest {result.longest_listing_s:.2f} s), "
        f"errors {result.error_count}"
    )


def _wrong_with(result: Result, seconds: float) -> list[str]:
    wrong = [f"load: {one}" for one in result.errors]
    # A query whose time is over is asked again at once; the next look may fall between.
    if result.blocked_least < BLOCKED and not result.blocked_answers:
        wrong.append(f"only {result.blocked_least} queries were blocked")
    if result.listings < LISTING_SHARE_LEAST * seconds:
        wrong.append(f"only {result.listings} listings in {seconds:.0f} s")
    return wrong


# ---------------------------------------------------------------- the command


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, help="of load")
    parser.add_argument("--faults", action="store_true", help="before the load, if that is wanted")
    parser.add_argument("--encrypt", action="store_true", help="a pool with a key")
    parser.add_argument("--keep", type=Path, help="a new folder for the members' logs and data")
    asked = parser.parse_args()
    if not asked.faults and asked.seconds is None:
        parser.error("--seconds, --faults, or both")
    if missing := missing_binaries():
        say(f'not set: {", ".join(missing)}; eval "$(../shared/peers/install)" sets them')
        return 1
    wrong: list[str] = []
    key = KEY if asked.encrypt else b""
    with ExitStack() as ending:
        folder = asked.keep or Path(ending.enter_context(tempfile.TemporaryDirectory()))
        for name, is_wanted in (("faults", asked.faults), ("load", asked.seconds is not None)):
            if not is_wanted:
                continue
            (folder / name).mkdir(parents=True)
            if name == "faults":
                wrong += with_faults(folder / name, key, say)
            else:
                wrong += under_load(folder / name, key, asked.seconds, say)
    for line in wrong:
        say(f"WRONG: {line}")
    say("all is well" if not wrong else f"{len(wrong)} things are wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
