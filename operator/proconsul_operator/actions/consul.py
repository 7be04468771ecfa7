"""The servers' HTTP API: what each says of itself, what the leader says, and what is asked of them.

Rules: every call has one deadline (2 s), and none is tried twice: the next cycle looks again. No
answer is `Unreachable` and becomes `Unknown`, which is never the same as down; an answer that says
no is `Refused`. Servers are asked in parallel, so one that hangs costs one deadline. TLS is
verified against the name that all servers share, as pods are called by their address.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from proconsul_operator.actions import answers
from proconsul_operator.plans.observe import Configuration, Keyring, Leader, Local, Unknown

CALL_S: Final = 2.0
TRANSFER_S: Final = 10.0  # an election timeout, at any raft_multiplier that is in use
LEAVE_S: Final = 15.0  # a removal is committed before it is answered
ANSWER_BYTES_MAX: Final = 16 * 2**20  # a server's own documents are kilobytes
CONNECTIONS_MAX: Final = 16  # to one server
NO_SUCH_KEY: Final = "/v1/kv/.proconsul/quorum?consistent"

_UNHEALTHY: Final = 429  # autopilot says so, with its document
_T = TypeVar("_T")


class ConsulError(Exception):
    """A call that did not do what it was for."""


class UnreachableError(ConsulError):
    """No answer, or none that can be read: nothing is known, whatever was asked may be done."""


class RefusedError(ConsulError):
    """The server answered, and it said no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text.strip() or 'no reason was given'}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the servers of one cluster are called: `server_name` is what certificates must say."""

    port: int
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    token: str = ""

    def url(self, host: str, path: str) -> str:
        """Of a path on a server, which is an address of either family or a name."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What `readyz` says."""

    ready: bool
    reason: str
    message: str


class _Verdict(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    ok: bool = msgspec.field(name="OK")
    reason: str
    message: str


class Servers:
    """The servers of one cluster."""

    def __init__(self, session: aiohttp.ClientSession, access: Access) -> None:
        self._session = session
        self._access = access

    async def call(
        self,
        host: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        timeout_s: float = CALL_S,
        also: frozenset[int] = frozenset(),
        token: str = "",
    ) -> bytes:
        """The body of a 200, or of a status in `also`. `token` goes in the place of the usual one.

        Raises UnreachableError without an answer, RefusedError for any other status.
        """
        secret = token or self._access.token
        headers = {"X-Consul-Token": secret} if secret else {}
        extra: dict[str, Any] = {}
        if self._access.tls is not None:
            extra = {"ssl": self._access.tls, "server_hostname": self._access.server_name}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method,
                    self._access.url(host, path),
                    data=None if body is None else msgspec.json.encode(body),
                    headers=headers,
                    allow_redirects=False,
                    **extra,
                ) as answer,
            ):
                content = await _bounded(answer)
                status = answer.status
        except TimeoutError:
            raise UnreachableError(f"{host}: no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"{host}: {error or type(error).__name__}") from error
        if status != 200 and status not in also:
            raise RefusedError(status, content[:500].decode(errors="replace"))
        return content

    async def ask(
        self,
        host: str,
        path: str,
        kind: type[_T],
        *,
        also: frozenset[int] = frozenset(),
    ) -> _T:
        """A document. What cannot be read as one is UnreachableError as well."""
        content = await self.call(host, "GET", path, also=also)
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise UnreachableError(f"{host}{path}: {error}") from error

    async def ready(self, host: str) -> Readiness:
        """Its own readiness."""
        verdict = await self.ask(host, "/v1/proconsul/readyz", _Verdict, also=frozenset({503}))
        return Readiness(ready=verdict.ok, reason=verdict.reason, message=verdict.message)

    async def local(self, host: str, names: Mapping[str, str] | None = None) -> Local:
        """What it says of its own raft. `names`: node names by server ID, if they are known."""
        document = await self.ask(host, "/v1/proconsul/raft/local", answers.RaftLocal)
        return answers.local_of(document, dict(names or {}))

    async def locals(self, hosts: Mapping[str, str]) -> dict[str, Local | UnreachableError]:
        """All at once, by pod name; `hosts` are addresses by pod name."""
        told = await asyncio.gather(*(self._told(host) for host in hosts.values()))
        names = {
            document.node_id: document.node_name
            for document in told
            if isinstance(document, answers.RaftLocal)
        }
        return {
            pod: answers.local_of(document, names)
            if isinstance(document, answers.RaftLocal)
            else document
            for pod, document in zip(hosts, told, strict=True)
        }

    async def _told(self, host: str) -> "answers.RaftLocal | UnreachableError":
        try:
            return await self.ask(host, "/v1/proconsul/raft/local", answers.RaftLocal)
        except ConsulError as error:
            return UnreachableError(str(error))

    async def leader(
        self, host: str, local: Local, *, name: str, encrypted: bool, now_s: float
    ) -> Leader:
        """What the leader at `host` says, once it answered a linearizable read.

        Raises ConsulError if it did not: then nobody is known to lead.
        """
        await self.call(host, "GET", NO_SUCH_KEY, also=frozenset({404}))
        configuration, health = await asyncio.gather(
            self.configuration(host),
            self.ask(
                host,
                "/v1/operator/autopilot/health",
                answers.AutopilotHealth,
                also=frozenset({_UNHEALTHY}),
            ),
        )
        keyring = await self._keyring_or_unknown(host, now_s) if encrypted else None
        return Leader(
            id=local.id,
            name=name,
            term=local.term,
            configuration=configuration,
            healths=answers.healths_of(health),
            commit_index=local.commit_index,
            keyring=keyring,
        )

    async def configuration(self, host: str) -> Configuration:
        """The members, by the leader's account."""
        path = "/v1/operator/raft/configuration"
        return answers.configuration_of(await self.ask(host, path, answers.RaftConfiguration))

    async def keyring(self, host: str) -> Keyring | None:
        """The gossip keys of all members and agents; None if gossip is in the clear."""
        pools, members = await asyncio.gather(
            self.ask(host, "/v1/operator/keyring", list[answers.KeyringAnswer]),
            self.ask(host, "/v1/agent/members", list[answers.AgentMember]),
        )
        return answers.keyring_of(pools, members)

    async def _keyring_or_unknown(self, host: str, now_s: float) -> Keyring | Unknown | None:
        try:
            return await self.keyring(host)
        except ConsulError as error:
            return Unknown(why=str(error), since_s=now_s)

    async def version(self, host: str) -> str:
        """Of the agent that answers."""
        return (await self.ask(host, "/v1/agent/self", answers.AgentSelf)).config.version

    async def transfer_leader(self, host: str, to_id: str) -> None:
        """The leader at `host` gives its leadership to `to_id`."""
        path = f"/v1/operator/raft/transfer-leader?id={quote(to_id, safe='')}"
        await self.call(host, "POST", path, timeout_s=TRANSFER_S)

    async def decommission(self, host: str) -> None:
        """The server at `host` leaves for good. Once is as good as often."""
        await self.call(host, "PUT", "/v1/proconsul/decommission", timeout_s=LEAVE_S)

    async def recommission(self, host: str) -> bool:
        """Its mark goes; whether there was one."""
        path = "/v1/proconsul/decommission"
        content = await self.call(host, "DELETE", path, timeout_s=LEAVE_S)
        return msgspec.json.decode(content, type=answers.Cleared).cleared

    async def remove_peer(self, host: str, server_id: str) -> None:
        """A member is taken out of the configuration. One that is out already is out."""
        path = f"/v1/operator/raft/peer?id={quote(server_id, safe='')}"
        try:
            await self.call(host, "DELETE", path, timeout_s=LEAVE_S)
        except RefusedError:
            configuration = await self.configuration(host)
            if configuration.by_id(server_id) is not None:
                raise

    async def keyring_install(self, host: str, key: str) -> None:
        """All take a key in."""
        await self._keyring("POST", host, key)

    async def keyring_use(self, host: str, key: str) -> None:
        """All encrypt with it."""
        await self._keyring("PUT", host, key)

    async def keyring_remove(self, host: str, key: str) -> None:
        """All forget it."""
        await self._keyring("DELETE", host, key)

    async def _keyring(self, method: str, host: str, key: str) -> None:
        path = "/v1/operator/keyring"
        await self.call(host, method, path, body={"Key": key}, timeout_s=LEAVE_S)

    async def bootstrap_acl(self, host: str, token: str) -> None:
        """`token` becomes the first one.

        A Consul before 1.11 makes up a secret of its own: then ours is made with that one, which
        goes. A crash in between leaves nobody who knows it; Consul's way out is its reset file.
        """
        body = {"BootstrapSecret": token}
        content = await self.call(host, "PUT", "/v1/acl/bootstrap", body=body, timeout_s=LEAVE_S)
        try:
            made = msgspec.json.decode(content, type=answers.FirstToken)
        except msgspec.DecodeError as error:
            raise UnreachableError(f"{host}/v1/acl/bootstrap: {error}") from error
        if made.secret_id == token:
            return
        ours = {
            "SecretID": token,
            "Description": "Bootstrap Token of the operator",
            "Policies": [{"ID": answers.MANAGEMENT_POLICY}],
        }
        await self.call(
            host, "PUT", "/v1/acl/token", body=ours, timeout_s=LEAVE_S, token=made.secret_id
        )
        path = f"/v1/acl/token/{quote(made.accessor_id, safe='')}"
        await self.call(host, "DELETE", path, timeout_s=LEAVE_S, token=token)

    async def certificate(self, host: str) -> str:
        """SHA-256, in hex, of the certificate that the server at `host` shows; unverified.

        Raises UnreachableError if there is no handshake.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it is to be looked at, not trusted
        try:
            async with asyncio.timeout(CALL_S):
                _, writer = await asyncio.open_connection(
                    host,
                    self._access.port,
                    ssl=context,
                    server_hostname=self._access.server_name or None,
                )
        except (OSError, TimeoutError) as error:
            raise UnreachableError(f"{host}: {error or type(error).__name__}") from error
        try:
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.transport.abort()
        return hashlib.sha256(shown).hexdigest()

    async def trusts(self, host: str) -> tuple[str, ...]:
        """SHA-256, in hex, of the CAs that it trusts, in the order of its file."""
        document = await self.ask(host, "/v1/proconsul/tls", answers.TlsLocal)
        return tuple(document.authorities)


def session() -> aiohttp.ClientSession:
    """The connections to all servers. Close it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit_per_host=CONNECTIONS_MAX, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None),  # each call has its own
    )


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in answer.content.iter_chunked(2**16):
        content += piece
        if len(content) > ANSWER_BYTES_MAX:
            raise UnreachableError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
    return bytes(content)
