"""Who may talk to the servers, and to whom they may talk.

RPC and gossip are for servers and agents, HTTP and DNS for every pod of the cluster, the probe port
for all, as no selector can name a kubelet. Out go DNS, servers and agents, and the Kubernetes API.
"""

from proconsul_operator.specs.labels import client_selector, metadata, selector
from proconsul_operator.specs.wanted import Manifest, Wanted

_API_PORTS = (443, 6443)  # behind its Service, and on a control plane's node


def network_policy(wanted: Wanted) -> Manifest:
    """The policy of the members."""
    ports = wanted.spec.ports
    members = [_pods(selector(wanted)), _pods(client_selector(wanted))]
    between = [_port(ports.server), _port(ports.serf_lan), _port(ports.serf_lan, "UDP")]
    served = [_port(ports.http)] if wanted.has_plain_http else []
    if wanted.has_tls:
        served.append(_port(ports.https))
    served += [_port(ports.dns), _port(ports.dns, "UDP")]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(wanted, wanted.name),
        "spec": {
            "podSelector": {"matchLabels": selector(wanted)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": members, "ports": between},
                {"from": [{"namespaceSelector": {}}], "ports": served},
                {"ports": [_port(ports.probe)]},
            ],
            "egress": [
                {"ports": [_port(53, "UDP"), _port(53)]},
                {"to": members, "ports": between},
                {"ports": [_port(number) for number in _API_PORTS]},
            ],
        },
    }


def _pods(labels: dict[str, str]) -> Manifest:
    return {"podSelector": {"matchLabels": labels}}


def _port(number: int, protocol: str = "TCP") -> Manifest:
    return {"port": number, "protocol": protocol}
