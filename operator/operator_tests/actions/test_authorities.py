"""An authority that says nothing of key usage is trusted, wherever the API server is asked.

Python 3.13 and newer are strict by default; on older ones the second test cannot fail.
"""

import asyncio
import ssl
from pathlib import Path

import kopf

from proconsul_operator.actions.authorities import lenient
from proconsul_operator.actions.kube import KubeGateway
from proconsul_operator.handlers import Connection

CONFIG = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
current-context: x
"""


def test_only_the_rule_about_the_authoritys_own_certificate_goes() -> None:
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert lenient(context) is context
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_the_watches_are_as_lenient_and_otherwise_the_same() -> None:
    given = kopf.ConnectionInfo(server="https://127.0.0.1:9", token="t", default_namespace="n")
    ours = Connection.of(given)
    assert (ours.server, ours.token, ours.default_namespace) == ("https://127.0.0.1:9", "t", "n")
    assert not ours.as_ssl_context().verify_flags & ssl.VERIFY_X509_STRICT


def test_the_calls_are_as_lenient(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(CONFIG)

    async def act() -> bool:
        gateway = await KubeGateway.open(str(tmp_path / "config"), lambda _: None)
        try:
            return gateway.is_lenient
        finally:
            await gateway.close()

    assert asyncio.run(act())
