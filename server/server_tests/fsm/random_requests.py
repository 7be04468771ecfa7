"""Random HTTP writes over few names, so that they meet: in case, in time, in conflict."""

import base64
from random import Random
from typing import Any

NODES = ("a", "B", "b", "c-1", "Cé")
NODE_IDS = (*(f"40e4a748-2192-161a-0510-{number:012d}" for number in range(4)), "")
SERVICES = ("web", "Web", "api", "db")
CHECKS = ("c1", "C1", "c2")
STATUSES = ("passing", "warning", "critical", "")
KEYS = ("k", "k/a", "k/b", "K", "x/y/z")
VALUES = (b"", b"1", b"2")
GATEWAYS = ("g1", "g2", "g3")
KINDS = (
    *("service-defaults", "service-router", "service-splitter", "service-resolver"),
    *("ingress-gateway", "terminating-gateway", "proxy-defaults"),
)
SESSIONS_KEPT = 6

Request = tuple[str, str, Any]  # verb, path, body


class RandomRequests:
    """Makes one request after the other from a seed; `sessions` are those that were created."""

    def __init__(self, seed: int) -> None:
        self.die = Random(seed)
        self.sessions: list[str] = []
        weighted = (
            *((self.register, 30), (self.deregister, 12), (self.create_session, 8)),
            *((self.destroy_session, 3), (self.change_key, 20), (self.transact, 15)),
            *((self.configure, 12), (self.intend, 2), (self.prepare_query, 3)),
        )
        self.makers = [maker for maker, weight in weighted for _ in range(weight)]

    def next(self) -> Request:
        """Another request."""
        return self.die.choice(self.makers)()

    def created(self, session_id: str) -> None:
        """Use this session from now on."""
        self.sessions = [*self.sessions, session_id][-SESSIONS_KEPT:]

    def often(self, probability: float) -> bool:
        return self.die.random() < probability

    def session(self) -> str:
        return self.die.choice(self.sessions or [NODE_IDS[0]])

    def index(self) -> int:
        return self.die.choice([0, 1, self.die.randint(10, 400)])

    def instance(self) -> str:
        return self.die.choice(SERVICES) + self.die.choice(["", "1"])

    def service(self) -> dict[str, Any]:
        choice = self.die.choice
        made: dict[str, Any] = {"Service": choice(SERVICES), "Port": choice([0, 1, 2])}
        optional: list[tuple[float, dict[str, Any]]] = [
            (0.7, {"ID": self.instance()}),
            (0.3, {"Tags": choice([[], ["a"], ["a", "b"]])}),
            (0.2, {"Meta": choice([{}, {"v": "1"}, {"consul-x": "1"}])}),
            (0.2, {"Weights": {"Passing": choice([0, 1, 2]), "Warning": 1}}),
            (0.1, {"TaggedAddresses": {"lan": {"Address": "1.1.1.1", "Port": 1}}}),
            (0.2, {"Kind": "connect-proxy", "Proxy": self.proxy()}),
            (0.1, {"Kind": "terminating-gateway", "Proxy": {}}),
            (0.1, {"Connect": {"Native": True}}),
        ]
        for probability, fields in optional:
            if self.often(probability):
                made |= fields
        return made

    def proxy(self) -> dict[str, Any]:
        config = self.die.choice([{}, {"a": 1}, None])
        return {"DestinationServiceName": self.die.choice(SERVICES), "Config": config}

    def check(self, node: str) -> dict[str, Any]:
        choice = self.die.choice
        made = {"Node": node, "CheckID": choice(CHECKS), "Name": "n", "Status": choice(STATUSES)}
        if self.often(0.4):
            made["ServiceID"] = self.instance()
        if self.often(0.3):
            made["Output"] = choice(["", "1", "2"])
        return made

    def register(self) -> Request:
        choice = self.die.choice
        node = choice(NODES)
        made: dict[str, Any] = {"Node": node, "Address": choice(["1.1.1.1", "1.1.1.2"])}
        checked = node if self.often(0.95) else choice(NODES)
        optional: list[tuple[float, dict[str, Any]]] = [
            (0.4, {"ID": choice(NODE_IDS)}),
            (0.2, {"NodeMeta": choice([{}, {"m": "1"}])}),
            (0.2, {"SkipNodeUpdate": True}),
            (0.6, {"Service": self.service()}),
            (0.5, {"Check": self.check(checked)}),
            (0.2, {"Checks": [self.check(node), self.check(node)]}),
        ]
        for probability, fields in optional:
            if self.often(probability):
                made |= fields
        return "PUT", "/v1/catalog/register", made

    def deregister(self) -> Request:
        made = {"Node": self.die.choice(NODES)}
        what = self.die.random()
        if what < 0.5:
            made["ServiceID"] = self.instance()
        elif what < 0.85:
            made["CheckID"] = self.die.choice(CHECKS)
        return "PUT", "/v1/catalog/deregister", made

    def create_session(self) -> Request:
        choice = self.die.choice
        made: dict[str, Any] = {"Node": choice(NODES), "LockDelay": "0s"}
        made["NodeChecks"] = choice([[], ["c1"], ["c2"]])
        made["Behavior"] = choice(["release", "delete"])
        if self.often(0.2):
            made["ServiceChecks"] = [{"ID": choice(CHECKS)}]
        return "PUT", "/v1/session/create", made

    def destroy_session(self) -> Request:
        return "PUT", f"/v1/session/destroy/{self.session()}", None

    def change_key(self) -> Request:
        choice = self.die.choice
        key, value = choice(KEYS), choice(VALUES)
        return choice(
            [
                ("PUT", f"/v1/kv/{key}", value),
                ("PUT", f"/v1/kv/{key}?flags=1", value),
                ("PUT", f"/v1/kv/{key}?cas={self.index()}", value),
                ("PUT", f"/v1/kv/{key}?acquire={self.session()}", value),
                ("PUT", f"/v1/kv/{key}?acquire={self.session()}", value),
                ("PUT", f"/v1/kv/{key}?release={self.session()}", value),
                ("DELETE", f"/v1/kv/{key}", None),
                ("DELETE", f"/v1/kv/{choice([*KEYS, ''])}?recurse", None),
                ("DELETE", f"/v1/kv/{key}?cas={self.index()}", None),
            ]
        )

    def transact(self) -> Request:
        count = self.die.choice([1, 1, 2, 3])
        return "PUT", "/v1/txn", [self.operation() for _ in range(count)]

    def operation(self) -> dict[str, Any]:
        choice = self.die.choice
        if self.often(0.5):
            return {"KV": self.key_operation()}
        verb = choice(["set", "cas", "get", "delete", "delete-cas"])
        node = choice(NODES)
        what = choice(["Node", "Service", "Check"])
        if what == "Node":
            row: dict[str, Any] = {"Node": node, "Address": "2.2.2.2", "ID": choice(NODE_IDS)}
        else:
            row = self.service() if what == "Service" else self.check(node)
        made = {"Verb": verb, what: row | {"ModifyIndex": self.index()}}
        return {what: made | ({"Node": node} if what == "Service" else {})}

    def key_operation(self) -> dict[str, Any]:
        setting = ("set", "cas", "lock", "unlock")
        reading = ("get", "get-tree", "check-index", "check-session", "check-not-exists")
        verb = self.die.choice([*setting, *reading, "delete", "delete-cas", "delete-tree"])
        made: dict[str, Any] = {"Verb": verb, "Key": self.die.choice(KEYS), "Index": self.index()}
        if verb in setting:
            made["Value"] = base64.b64encode(self.die.choice(VALUES)).decode()
        if verb in ("lock", "unlock", "check-session"):
            made["Session"] = self.session()
        return made

    def configure(self) -> Request:
        choice = self.die.choice
        if self.often(0.1):
            name = choice([*SERVICES, *GATEWAYS, "global"])
            return "DELETE", f"/v1/config/{choice(KINDS)}/{name}", None
        cas = f"?cas={self.index()}" if self.often(0.2) else ""
        return "PUT", f"/v1/config{cas}", self.entry()

    def entry(self) -> dict[str, Any]:
        choice = self.die.choice
        name, other = choice(SERVICES), choice(SERVICES)
        subsets = {"Subsets": {"v1": {}}, "DefaultSubset": "v1"}
        resolver: dict[str, Any] = choice(
            [{}, {"Redirect": {"Service": other}}, subsets, {"Failover": {"*": {"Service": other}}}]
        )
        listed = [{"Name": choice([*SERVICES, "*"])}]
        listener = {"Port": choice([1, 2]), "Protocol": "http", "Services": listed}
        route = {"Match": {"HTTP": {"PathPrefix": "/x"}}, "Destination": {"Service": other}}
        splits = [{"Weight": 50, "Service": other}, {"Weight": 50}]
        protocol = choice(["http", "tcp", "grpc", "http"])
        return choice(
            [
                {"Kind": "service-defaults", "Name": name, "Protocol": protocol},
                {"Kind": "service-defaults", "Name": name, "Protocol": protocol},
                {"Kind": "service-router", "Name": name, "Routes": [route]},
                {"Kind": "service-splitter", "Name": name, "Splits": splits},
                {"Kind": "service-resolver", "Name": name, **resolver},
                {"Kind": "ingress-gateway", "Name": choice(GATEWAYS), "Listeners": [listener]},
                {"Kind": "terminating-gateway", "Name": choice(GATEWAYS), "Services": listed},
                {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": protocol}},
            ]
        )

    def intend(self) -> Request:
        source, destination = (self.die.choice([*SERVICES, "*"]) for _ in range(2))
        made = {"SourceName": source, "DestinationName": destination, "SourceType": "consul"}
        return "POST", "/v1/connect/intentions", made | {"Action": "allow"}

    def prepare_query(self) -> Request:
        made: dict[str, Any] = {"Name": self.die.choice(["q", "Q", "r", ""])}
        made["Service"] = {"Service": "web"}
        if self.often(0.5):
            made["Session"] = self.session()
        if self.often(0.3):
            made["Template"] = {"Type": "name_prefix_match"}
        return "POST", "/v1/query", made
