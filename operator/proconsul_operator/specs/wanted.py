"""A cluster as the builders see it: its name, its place, its spec.

The names of a cluster's objects are a promise to its users and to servers that run already, so
they are all here. The chart in mode standalone uses the same ones.
"""

from dataclasses import dataclass
from typing import Any

from proconsul_operator.api.cluster import ClusterSpec

Manifest = dict[str, Any]
"""A Kubernetes object as JSON has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for.

    `version` is the operator's own: the tag of an image that names none.
    """

    name: str
    namespace: str
    uid: str
    spec: ClusterSpec
    version: str

    @property
    def headless(self) -> str:
        """The Service by which members find each other, ready or not."""
        return f"{self.name}-headless"

    @property
    def leader(self) -> str:
        """The Service that leads to the leader."""
        return f"{self.name}-leader"

    @property
    def stale(self) -> str:
        """The Service that leads to any member, for stale reads."""
        return f"{self.name}-stale"

    @property
    def config(self) -> str:
        """The ConfigMap with the servers' configuration."""
        return f"{self.name}-config"

    @property
    def guard(self) -> str:
        """The ConfigMap that remembers that the cluster was founded."""
        return f"{self.name}-bootstrap"

    @property
    def recovery(self) -> str:
        """The ConfigMap that is there while a cluster is, or was, recovered."""
        return f"{self.name}-recovery"

    @property
    def dashboards(self) -> str:
        """The ConfigMap with Grafana's dashboard."""
        return f"{self.name}-dashboards"

    @property
    def gossip_secret(self) -> str:
        """The Secret with the gossip keys; empty if gossip is in the clear."""
        if self.spec.gossip is None:
            return ""
        return self.spec.gossip.secret_name or f"{self.name}-gossip"

    @property
    def tls_secret(self) -> str:
        """The Secret with the servers' certificate; empty without TLS."""
        if not self.has_tls or self.spec.tls is None:
            return ""
        return self.spec.tls.secret_name or f"{self.name}-tls"

    @property
    def has_tls(self) -> bool:
        """TLS is asked for."""
        return self.spec.tls is not None and self.spec.tls.enabled

    @property
    def has_plain_http(self) -> bool:
        """The HTTP API is served without TLS, too."""
        return not (self.has_tls and self.spec.tls is not None and self.spec.tls.https_only)

    @property
    def server_name(self) -> str:
        """The name that a server's certificate must have."""
        return f"server.{self.spec.datacenter}.{self.spec.domain}"

    @property
    def image(self) -> str:
        """The servers' image; a digest goes before the tag."""
        image = self.spec.image
        if image.digest:
            return f"{image.repository}@{image.digest}"
        return f"{image.repository}:{image.tag or self.version}"

    def pod(self, ordinal: int) -> str:
        """The name of a member and of its pod."""
        return f"{self.name}-{ordinal}"
