"""Certificates by a real API server in a real server: the whole way to a new CA, move by move.

The API server is the one that KUBE_REAL names; the test is the kubelet, which brings a changed
Secret into a folder. The server is never started again.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from operator_tests.actions.test_kube import Bench, with_bench
from proconsul_operator.actions.acting import Actor, StaleError
from proconsul_operator.actions.consul import Access, Servers, UnreachableError, session
from proconsul_operator.actions.job_acts import JobActs
from proconsul_operator.actions.job_pods import Images
from proconsul_operator.actions.kube import ConflictError
from proconsul_operator.actions.memory import Memory
from proconsul_operator.actions.observing import View
from proconsul_operator.actions.reading import authority_of, secret_text, tls_of
from proconsul_operator.actions.tls import trust_only
from proconsul_operator.api.cluster import ClusterSpec, ProconsulCluster
from proconsul_operator.api.values import Metadata, read
from proconsul_operator.plans import actions as a
from proconsul_operator.plans.observe import Authority, Fresh, Observed, TlsSecret, Unknown
from server_tests.loopback import address
from server_tests.process import ServerProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("KUBE_REAL", ""), reason="KUBE_REAL names no kubeconfig of a cluster"
    ),
]
UID = "0c9c0b3e-0f0a-4c8e-9d1b-2a3c4d5e6f70"
CA, LEAF = "c-ca", "c-tls"
LOOK_S = 0.1
PATIENCE_S = 120.0  # for a slow machine: a server starts in it, too


class Site:
    """A cluster's Secrets, and one server."""

    def __init__(self, bench: Bench, servers: Servers, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        memory = Memory()
        jobs = JobActs(gateway=bench.gateway, images=Images(operator="o", server="s"))
        self.actor = Actor(gateway=bench.gateway, memory=memory, jobs=jobs)
        meta = Metadata(name="c", namespace=bench.namespace, uid=UID)
        self.view = View(
            observed=Observed(
                now_s=time.time(),
                cluster=ProconsulCluster(metadata=meta, spec=read(ClusterSpec, {"tls": {}})),
                operator_version="1.0.0",
                fresh=Fresh(cluster_id="", gossip_key="", token=""),
                leader=Unknown(why="nobody is asked", since_s=0.0),
            ),
            servers=servers,
            hosts={},
            body={},
            token="",
        )

    async def act(self, action: a.Action) -> None:
        await self.actor.carry_out(self.view, action)

    async def secret(self, name: str) -> dict[str, Any]:
        found = await self.bench.gateway.get("Secret", self.bench.namespace, name)
        assert found is not None
        return found

    async def authority(self) -> Authority:
        found = authority_of(await self.secret(CA))
        assert found is not None
        return found

    async def leaf(self) -> TlsSecret:
        found = tls_of(await self.secret(LEAF))
        assert found is not None
        return found

    async def mount(self) -> TlsSecret:
        """As the kubelet does: all of it at once."""
        body = await self.secret(LEAF)
        made = self.folder / body["metadata"]["resourceVersion"]
        made.mkdir(exist_ok=True)
        for key in ("tls.crt", "tls.key", "ca.crt"):
            (made / key).write_text(secret_text(body, key))
        (self.folder / "next").symlink_to(made)
        (self.folder / "next").rename(self.folder / "now")
        return await self.leaf()


def started(folder: Path, host: str) -> ServerProcess:
    """With the certificates of that folder, which it looks at."""
    files = " ".join(
        f'{key} = "{folder}/now/{name}"'
        for key, name in (("ca_file", "ca.crt"), ("cert_file", "tls.crt"), ("key_file", "tls.key"))
    )
    strict = "verify_incoming_rpc = true verify_outgoing = true verify_server_hostname = true"
    settings = f"{files} {strict} auto_reload_config = true ports {{ https = 8501 }}"
    return ServerProcess(host, folder / "data", "-node=c-0", f"-hcl={settings}")


def on_the_way(act: Callable[[Site], Awaitable[None]], folder: Path, host: str) -> None:
    """With connections, a namespace, and an end."""

    async def run(bench: Bench) -> None:
        async with session() as connections:
            await act(Site(bench, Servers(connections, Access(port=8501)), folder))

    with_bench(run)


async def taken(site: Site, host: str) -> None:
    """The server shows what is in the Secret, and trusts whom it names; a client verifies it."""
    held = await site.mount()
    trusted = secret_text(await site.secret(LEAF), "ca.crt")
    secure = Access(port=8501, tls=trust_only([trusted]), server_name="server.dc1.consul")
    deadline_s = time.monotonic() + PATIENCE_S
    async with session() as connections:
        servers = Servers(connections, secure)
        while time.monotonic() < deadline_s:
            with contextlib.suppress(UnreachableError):
                shown = await site.view.servers.certificate(host)
                if (shown, await servers.trusts(host)) == (held.fingerprint, held.authorities):
                    return
            await asyncio.sleep(LOOK_S)
    raise AssertionError("the server has not taken what is in its Secret")


def test_a_ca_goes_and_another_comes_and_the_server_runs_on(tmp_path: Path) -> None:
    host = address(244)
    process = started(tmp_path, host)

    async def act(site: Site) -> None:
        await site.act(a.IssueAuthority(secret=CA))
        first = await site.authority()
        issue = a.IssueCertificate(
            secret=LEAF, authority=CA, signer=first.fingerprint, authorities=(first.fingerprint,)
        )
        await site.act(issue)
        held = await site.leaf()
        assert (held.issuer, held.authorities) == (first.fingerprint, (first.fingerprint,))
        await site.act(issue)
        assert (await site.leaf()).fingerprint == held.fingerprint, "it is made if absent"
        await site.mount()
        process.launch()
        pid = process.pid
        await taken(site, host)

        await site.act(a.RotateAuthority(secret=CA, resource_version=first.resource_version))
        second = await site.authority()
        assert second.previous == first.fingerprint
        both = (first.fingerprint, second.fingerprint)
        held = await site.leaf()
        await site.act(
            a.TrustAuthorities(
                secret=LEAF, authority=CA, authorities=both, resource_version=held.resource_version
            )
        )
        assert (await site.leaf()).fingerprint == held.fingerprint
        await taken(site, host)

        held = await site.leaf()
        await site.act(
            a.IssueCertificate(
                secret=LEAF,
                authority=CA,
                signer=second.fingerprint,
                authorities=both,
                resource_version=held.resource_version,
            )
        )
        assert (await site.leaf()).issuer == second.fingerprint
        await taken(site, host)

        held = await site.leaf()
        await site.act(
            a.TrustAuthorities(
                secret=LEAF,
                authority=CA,
                authorities=(second.fingerprint,),
                resource_version=held.resource_version,
            )
        )
        await taken(site, host)
        await site.act(a.ForgetAuthority(secret=CA, resource_version=second.resource_version))
        assert (await site.authority()).previous == ""
        assert set((await site.secret(CA))["data"]) == {"tls.crt", "tls.key", "ca.crt"}
        assert process.is_running
        assert process.pid == pid

    try:
        on_the_way(act, tmp_path, host)
    finally:
        process.kill()


def test_nothing_is_changed_on_an_old_view(tmp_path: Path) -> None:
    async def act(site: Site) -> None:
        await site.act(a.IssueAuthority(secret=CA))
        first = await site.authority()
        issue = a.IssueCertificate(
            secret=LEAF, authority=CA, signer=first.fingerprint, authorities=(first.fingerprint,)
        )
        await site.act(issue)
        rotate = a.RotateAuthority(secret=CA, resource_version=first.resource_version)
        await site.act(rotate)
        with pytest.raises(ConflictError):
            await site.act(rotate)
        unknown = a.IssueCertificate(
            secret=LEAF, authority=CA, signer="ab" * 32, authorities=(), resource_version="1"
        )
        with pytest.raises(StaleError, match="another CA"):
            await site.act(unknown)
        with pytest.raises(StaleError, match="in no Secret"):
            await site.act(
                a.TrustAuthorities(
                    secret=LEAF, authority=CA, authorities=("ab" * 32,), resource_version="1"
                )
            )

    on_the_way(act, tmp_path, "")
