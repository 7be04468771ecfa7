"""The few calls of the Kubernetes API, over real TLS."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from proconsul.config.schema import Kubernetes
from proconsul.runtime.kube_api import (
    DEADLINE_S,
    KubeApi,
    KubeError,
    KubeSettingsError,
    api_url,
    own_namespace,
    own_pod,
)
from server_tests.loopback import address
from server_tests.runtime.certificates import Authority
from server_tests.runtime.kube_world import Cluster, kubernetes

pytestmark = pytest.mark.real_clock

HOST = address(231)


def api_of(cluster: Cluster) -> KubeApi:
    return KubeApi(cluster.url, str(cluster.credentials), "infra")


async def test_an_object_is_read_and_changed_in_its_namespace(tmp_path: Path) -> None:
    with kubernetes(tmp_path, HOST) as cluster:
        cluster.objects.put("configmaps", "guard", data={"a": "1"})
        api = api_of(cluster)
        assert (await api.read("configmaps", "guard"))["data"] == {"a": "1"}
        changed = await api.patch("configmaps", "guard", {"data": {"b": "2"}})
        assert changed["data"] == {"a": "1", "b": "2"}
        path = "/api/v1/namespaces/infra/configmaps/guard"
        patch = "application/merge-patch+json"
        assert cluster.seen == [("GET", path, ""), ("PATCH", path, patch)]


async def test_a_renewed_token_is_used_at_once(tmp_path: Path) -> None:
    with kubernetes(tmp_path, HOST) as cluster:
        cluster.objects.put("configmaps", "guard", data={})
        api = api_of(cluster)
        cluster.tokens.clear()
        with pytest.raises(KubeError, match="401 Unauthorized") as refused:
            await api.read("configmaps", "guard")
        assert refused.value.status == 401
        cluster.tokens.add("token-2")
        (cluster.credentials / "token").write_text("token-2\n")
        await api.read("configmaps", "guard")


async def test_a_refusal_says_what_kubernetes_said(tmp_path: Path) -> None:
    with kubernetes(tmp_path, HOST) as cluster:
        api = api_of(cluster)
        with pytest.raises(KubeError, match=r"GET configmaps/none: 404 .*not found"):
            await api.read("configmaps", "none")


async def test_whoever_has_not_the_clusters_certificate_gets_no_token(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with kubernetes(tmp_path, HOST) as cluster, kubernetes(tmp_path / "other", HOST) as other:
        cluster.objects.put("configmaps", "guard", data={})
        api = KubeApi(cluster.url, str(other.credentials), "infra")
        with pytest.raises(KubeError, match="CERTIFICATE_VERIFY_FAILED") as failed:
            await api.read("configmaps", "guard")
        assert failed.value.status == 0
        assert cluster.seen == []


async def test_an_api_that_is_not_there_is_an_error_like_any_other(tmp_path: Path) -> None:
    with kubernetes(tmp_path, HOST) as cluster:
        api = api_of(cluster)
    with pytest.raises(KubeError, match="Connection refused"):
        await api.read("configmaps", "guard")
    with pytest.raises(KubeError, match="No such file"):
        await KubeApi(cluster.url, str(tmp_path / "nowhere"), "infra").read("configmaps", "guard")


@contextmanager
def answering(
    folder: Path, pieces: Callable[[], Iterator[bytes]], deadline_s: float
) -> Iterator[KubeApi]:
    """A port with the right certificate that answers each connection with these pieces."""
    authority = Authority(folder, "kubernetes", address=HOST)
    pair = authority.pair("apiserver")
    (folder / "ca.crt").write_bytes(Path(authority.ca_file).read_bytes())
    (folder / "token").write_text("token-1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert_file, pair.key_file)

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(raw, server_side=True) as connection:
            connection.recv(65536)
            for piece in pieces():
                connection.sendall(piece)

    with socket.create_server((HOST, 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,), daemon=True)
        serving.start()
        port = listener.getsockname()[1]
        yield KubeApi(f"https://{HOST}:{port}", str(folder), "infra", deadline_s)
        serving.join(30)
        assert not serving.is_alive()


HEAD = b"HTTP/1.1 200 OK\r\n"


def slowly(beginning: bytes) -> Callable[[], Iterator[bytes]]:
    """Then a byte now and then, for ever."""

    def pieces() -> Iterator[bytes]:
        yield beginning
        never = threading.Event()
        while not never.wait(0.05):
            yield b" "

    return pieces


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        HEAD + b"X-Slow: ",
        HEAD + b"Content-Length: 4000000\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n{",
        HEAD + b"\r\n{",
    ],
    ids=["status", "head", "body", "chunk", "body without an end"],
)
async def test_an_api_that_sends_a_byte_now_and_then_is_waited_for_so_long(
    tmp_path: Path, beginning: bytes
) -> None:
    with (
        answering(tmp_path, slowly(beginning), 0.5) as api,
        pytest.raises(KubeError, match=r"no whole answer in 0\.5 s"),
    ):
        await api.read("configmaps", "guard")


@pytest.mark.parametrize(
    ("head", "body", "told"),
    [
        (b"HTTP/1.1 200 OK", b"[" * 100_000, "no JSON"),
        (b"HTTP/1.1 200 OK", b"[]", "no object"),
        (b"HTTP/1.1 200 OK", b"\xff\xfe", "no JSON"),
        (b"HTTP/1.1 403 Forbidden", b"[" * 100_000, "403$"),
        (b"HTTP/1.1 403 Forbidden", b'{"message": {"a": 1}}', "403 {'a': 1}"),
        (b"HTTP/1.1 500 No", b'{"message": "' + b"x" * 100_000 + b'"}', r"x\.\.\.$"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/", b"{}", "302$"),
        (b"\x00\x01\x02", b"", "GET configmaps/guard: "),
    ],
    ids=lambda value: repr(value[:24]),
)
async def test_an_answer_that_no_api_gives_is_an_error_like_any_other(
    tmp_path: Path, head: bytes, body: bytes, told: str
) -> None:
    answer = head + f"\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with (
        answering(tmp_path, lambda: iter([answer]), DEADLINE_S) as api,
        pytest.raises(KubeError, match=told) as failed,
    ):
        await api.read("configmaps", "guard")
    assert len(str(failed.value)) < 500


def settings(credentials: Path, **given: str) -> Kubernetes:
    return Kubernetes(
        label_own_pod=True,
        bootstrap_guard="guard",
        credentials=str(credentials),
        api_url=given.get("api_url", ""),
        namespace=given.get("namespace", ""),
        pod_name=given.get("pod_name", ""),
    )


def test_a_pod_knows_where_it_runs_by_what_kubernetes_gives_it(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("infra\n")
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    bare = settings(tmp_path)
    assert api_url(bare, pod) == "https://10.0.0.1:6443"
    assert api_url(bare, {"KUBERNETES_SERVICE_HOST": "fd00::1"}) == "https://[fd00::1]:443"
    assert api_url(settings(tmp_path, api_url="https://x"), pod) == "https://x"
    assert own_namespace(bare, {}) == "infra"
    assert own_namespace(bare, {"POD_NAMESPACE": "other"}) == "other"
    assert own_namespace(settings(tmp_path, namespace="third"), {"POD_NAMESPACE": "x"}) == "third"
    assert own_pod(bare, {}, "s-0") == "s-0"
    assert own_pod(bare, {"POD_NAME": "p-0"}, "s-0") == "p-0"


def test_who_is_no_pod_is_told_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(KubeSettingsError, match=r"kubernetes\.api_url"):
        api_url(settings(tmp_path), {})
    with pytest.raises(KubeSettingsError, match="POD_NAMESPACE"):
        own_namespace(settings(tmp_path), {})
