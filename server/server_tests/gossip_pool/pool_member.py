"""A member of a pool of all kinds, as a process: our agents, real Consul clients, real serf agents.

Whatever its kind, a member is started, killed, frozen and told to leave in the same way, and says
whom it sees, which user events it heard and whom it took for failed. A serf agent bears the tags of
a Consul client, so that Consul's rules of who may join let it in. It keeps its keys in a file, as
Consul does by itself. All calls block; those that ask a member may come from any thread.
"""

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proconsul.endpoints.user_events import GOSSIP_PREFIX, UserEvent, to_gossip
from proconsul.gossip.effects import Change, MemberStatus
from server_tests.process import die_with_the_tests

PORT = 8301
DATACENTER = "dc1"
START_S_MAX = 60.0
END_S_MAX = 60.0  # of a leave, or of a stop
ANSWER_S_MAX = 30.0
LOOK_S = 0.1
RETRY_JOIN_S = 1

CONSUL = "CONSUL_REAL"
SERFS = ("SERF_REAL", "SERF_REAL_NEW", "SERF_REAL_NEWEST")

_SUSPECTS = re.compile(r"memberlist: Suspect (\S+) has failed")
_FAILED = re.compile(rf"{Change.FAILED.value}: (\S+)")


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """How one member takes another to be."""

    host: str
    port: int
    status: MemberStatus

    def __str__(self) -> str:
        return f"{self.status.name.lower()} at {self.host}:{self.port}"


class UnansweredError(Exception):
    """A member that should answer did not, or not as it should."""


class PoolMember(ABC):
    """One; its data stay where they are between an end and a start."""

    kind: str

    def __init__(self, name: str, host: str, folder: Path, key: bytes) -> None:
        """`key`: b"" for a pool without encryption."""
        self.name = name
        self.host = host
        self.folder = folder / name
        self.key = key
        self.log_path = folder / f"{name}.log"
        self.id = str(uuid.uuid4())
        self.process: subprocess.Popen[bytes] | None = None
        self._log_read_bytes = 0
        self._log_lock = threading.Lock()
        self.folder.mkdir()

    # ---------------------------------------------------------------- life

    @abstractmethod
    def command(self, joins: Sequence[str]) -> list[str]:
        """What starts it; `joins` are hosts of other members."""

    def start(self, joins: Sequence[str]) -> None:
        """Start it and wait until it answers. For the main thread, with which it dies."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(joins),
                stdout=log,
                stderr=log,
                preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )
        until_s = time.monotonic() + START_S_MAX
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until_s:
                raise UnansweredError(f"{self.name} did not start:\n{self.log()[-3000:]}")
            wait_s(LOOK_S)

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            return self.name in self.members()
        except UnansweredError:
            return False

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, which is no leave."""
        self._end(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Freeze it, thaw it."""
        assert self.process is not None
        self.process.send_signal(number)

    def leave(self) -> None:
        """Have it leave the pool; it ends by itself."""
        assert self.process is not None
        self.ask_to_leave()
        self.process.wait(END_S_MAX)
        self.process = None

    @abstractmethod
    def ask_to_leave(self) -> None:
        """Say so."""

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(END_S_MAX)
            self.process = None

    # ---------------------------------------------------------------- what it knows

    @abstractmethod
    def members(self) -> dict[str, Seen]:
        """All that it sees, by name. Raises UnansweredError."""

    @abstractmethod
    def fire(self, name: str) -> None:
        """Fire a user event of Consul's. Raises UnansweredError."""

    @abstractmethod
    def events(self) -> set[str]:
        """The names of the user events that it heard lately. Raises UnansweredError."""

    def log(self) -> str:
        """All that it said."""
        return self.log_path.read_text(errors="replace")

    def failures_said(self) -> list[str]:
        """The members that it took for failed since this was asked last, by its log."""
        with self._log_lock, self.log_path.open("rb") as log:
            log.seek(self._log_read_bytes)
            data = log.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._log_read_bytes += len(whole)
        return _FAILED.findall(whole.decode(errors="replace"))

    def suspicions(self) -> list[str]:
        """The members of which it had no answer, ever, by its log."""
        return _SUSPECTS.findall(self.log())

    def cpu_s(self) -> float:
        """What its process has used of the processors."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wanted_s(self) -> float:
        """How long its first thread ran, or waited for a processor that others had."""
        assert self.process is not None
        pid = self.process.pid
        ran_ns, waited_ns, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
        return (int(ran_ns) + int(waited_ns)) / 1e9


class Agent(PoolMember):
    """One with Consul's HTTP API."""

    program: tuple[str, ...]
    flags: tuple[str, ...] = ()

    def command(self, joins: Sequence[str]) -> list[str]:
        """An agent that knows whom to join."""
        return [
            *(*self.program, "agent", f"-node={self.name}", f"-node-id={self.id}"),
            *(f"-bind={self.host}", f"-client={self.host}", f"-data-dir={self.folder}"),
            *("-dns-port=-1", "-log-level=info", f"-retry-interval={RETRY_JOIN_S}s"),
            "-hcl=leave_on_terminate = false",
            *([f"-encrypt={base64.b64encode(self.key).decode()}"] if self.key else []),
            *(f"-retry-join={host}" for host in joins),
            *self.flags,
        ]

    def call(self, method: str, path: str, body: bytes = b"") -> Any:
        """The decoded answer. Raises UnansweredError."""
        connection = http.client.HTTPConnection(self.host, 8500, timeout=ANSWER_S_MAX)
        try:
            connection.request(method, path, body)
            reply = connection.getresponse()
            answer = reply.read()
        except (OSError, http.client.HTTPException) as failure:
            raise UnansweredError(f"{self.name}: {method} {path}: {failure!r}") from failure
        finally:
            connection.close()
        if reply.status != 200:
            raise UnansweredError(f"{self.name}: {method} {path}: {reply.status} {answer!r}")
        return json.loads(answer) if answer.strip() else None

    def members(self) -> dict[str, Seen]:
        """By its API."""
        return {
            one["Name"]: Seen(one["Addr"], one["Port"], MemberStatus(one["Status"]))
            for one in self.call("GET", "/v1/agent/members")
        }

    def ask_to_leave(self) -> None:
        """By its API, which may end before it has answered."""
        try:
            self.call("PUT", "/v1/agent/leave")
        except UnansweredError:
            assert self.process is not None
            self.process.wait(END_S_MAX)

    def fire(self, name: str) -> None:
        """By its API."""
        self.call("PUT", f"/v1/event/fire/{name}")

    def events(self) -> set[str]:
        """The newest 256."""
        return {one["Name"] for one in self.call("GET", "/v1/event/list") or []}


class ConsulClient(Agent):
    """A client agent of Consul 1.8.7."""

    kind = "Consul 1.8.7 client"
    program = (os.environ.get(CONSUL, ""),)


class OurClient(Agent):
    """A client agent of ours."""

    kind = "our client"
    program = (sys.executable, "-m", "proconsul")


class OurServer(Agent):
    """The server."""

    kind = "our server"
    program = (sys.executable, "-m", "proconsul")
    # All clients of the load have one address.
    flags = ("-server", "-bootstrap-expect=1", "-hcl=limits { http_max_conns_per_client = 4000 }")

    def answers(self) -> bool:
        """It leads."""
        try:
            return super().answers() and self.call("GET", "/v1/kv/?keys&consistent") is not None
        except UnansweredError as failure:
            return ": 404 " in str(failure)  # it leads, and there are no keys


class SerfAgent(PoolMember):
    """A serf agent, with the tags of a Consul client."""

    def __init__(
        self, name: str, host: str, folder: Path, key: bytes, binary: str, version: str
    ) -> None:
        super().__init__(name, host, folder, key)
        self.kind = f"serf {version}"
        self._binary = binary
        self._events = self.folder / "events"
        self._keyring = self.folder / "keyring"
        if key:
            self._keyring.write_text(json.dumps([base64.b64encode(key).decode()]))

    def command(self, joins: Sequence[str]) -> list[str]:
        """An agent that knows whom to join."""
        tags = {
            **{"role": "node", "dc": DATACENTER, "id": self.id, "segment": "", "acls": "0"},
            **{"vsn": "2", "vsn_min": "2", "vsn_max": "3", "build": "1.8.7:"},
        }
        return [
            *(self._binary, "agent", f"-node={self.name}", f"-bind={self.host}:{PORT}"),
            *(f"-rpc-addr={self.host}:7373", "-log-level=info"),
            *(f"-tag={name}={value}" for name, value in tags.items()),
            f'-event-handler=user=echo "$SERF_USER_EVENT" >> {self._events}',
            *([f"-keyring-file={self._keyring}"] if self.key else []),
            *(f"-retry-join={host}:{PORT}" for host in joins),
            *([f"-retry-interval={RETRY_JOIN_S}s"] if joins else []),
        ]

    def _run(self, *words: str | bytes) -> bytes:
        try:
            done = subprocess.run(
                [self._binary, words[0], f"-rpc-addr={self.host}:7373", *words[1:]],
                capture_output=True,
                timeout=ANSWER_S_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired as failure:
            raise UnansweredError(f"{self.name}: serf {words[0]!r}: {failure}") from failure
        if done.returncode:
            raise UnansweredError(f"{self.name}: serf {words[0]!r}: {done.stdout + done.stderr!r}")
        return done.stdout

    def members(self) -> dict[str, Seen]:
        """By its command line."""
        found = {}
        for one in json.loads(self._run("members", "-format=json"))["members"]:
            host, _, port = one["addr"].rpartition(":")
            found[one["name"]] = Seen(host, int(port), MemberStatus[one["status"].upper()])
        return found

    def ask_to_leave(self) -> None:
        """By its command line."""
        self._run("leave")

    def fire(self, name: str) -> None:
        """As a Consul agent would: Consul ignores events of other forms."""
        event = UserEvent(
            id=str(uuid.uuid4()),
            name=name,
            payload=b"serf",
            node_filter="",
            service_filter="",
            tag_filter="",
        )
        # Lengths in one byte, not in two of which one is zero: an argument cannot hold that.
        payload = to_gossip(event).replace(b"\xda\x00", b"\xd9")
        self._run("event", "-coalesce=false", GOSSIP_PREFIX + name, payload)

    def events(self) -> set[str]:
        """All that it ever heard from a Consul agent."""
        if not self._events.exists():
            return set()
        heard = self._events.read_text().split()
        return {one.removeprefix(GOSSIP_PREFIX) for one in heard if one.startswith(GOSSIP_PREFIX)}


def wait_s(duration_s: float) -> None:
    """Stand still; there is no event loop here, other processes are waited for."""
    time.sleep(duration_s)  # noqa: TID251


def missing_binaries() -> list[str]:
    """The variables that should name real peers and do not."""
    return [name for name in (CONSUL, *SERFS) if not os.environ.get(name)]
