"""Random stories: changes of everything with few names, so that they meet; views in between.

A seed is a story; the same seed makes the same requests on both servers. Session IDs, which each
server chooses by itself, are named by the order of their making.
"""

import base64
import random
from typing import Any

from server_tests.differential.run import Case, Options, Run, Story

SEEDS = 20
CHANGES = 50
VIEWS_AFTER_A_CHANGE = 3

NODES = ("ra", "rb", "rc", "RA")
SERVICES = ("sa", "sb", "SA")
SERVICE_IDS = ("i1", "i2", "sa")
CHECK_IDS = ("c1", "c2", "sa-check")
KEYS = ("r/a", "r/a/b", "r/b", "r/", "rs")
NOBODY = "aaaaaaaa-0000-4000-8000-00000000dead"

VIEWS = (
    "/v1/catalog/nodes",
    "/v1/catalog/nodes?node-meta=m:1",
    "/v1/catalog/services",
    "/v1/catalog/services?node-meta=m:1",
    "/v1/catalog/service/sa",
    "/v1/catalog/service/sb?tag=a",
    "/v1/catalog/connect/sb",
    "/v1/catalog/node/ra",
    "/v1/catalog/node-services/rb",
    "/v1/health/service/sa",
    "/v1/health/service/sb?passing",
    "/v1/health/service/none",
    "/v1/health/connect/sa",
    "/v1/health/checks/sa",
    "/v1/health/node/ra",
    "/v1/health/state/passing",
    "/v1/health/state/critical",
    "/v1/health/state/any?node-meta=m:2",
    "/v1/kv/r?recurse",
    "/v1/kv/r/a",
    "/v1/kv/r/?keys&separator=/",
    "/v1/kv/rs",
)


class Author:
    """Makes up the requests of one story."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.sessions: list[str] = []

    def views(self) -> list[str]:
        """Some of the views."""
        return self._dice.sample(VIEWS, VIEWS_AFTER_A_CHANGE)

    def change(self) -> tuple[str, str, object]:
        """Method, path and body of the next change."""
        kinds = (
            (30, self._registration),
            (12, self._deregistration),
            (18, self._key_write),
            (6, self._key_deletion),
            (8, self._session),
            (4, self._end_of_a_session),
            (22, self._transaction),
        )
        weights = [weight for weight, _ in kinds]
        make = self._dice.choices([made for _, made in kinds], weights)[0]
        return make()

    def _maybe(self, chance: float) -> bool:
        return self._dice.random() < chance

    def _address(self) -> str:
        return self._dice.choice(("10.7.0.1", "10.7.0.2"))

    def _some_session(self) -> str:
        known = self._dice.random() < 0.9
        at = self._dice.random()
        return self.sessions[int(at * len(self.sessions))] if known and self.sessions else NOBODY

    def _registration(self) -> tuple[str, str, object]:
        dice = self._dice
        body: dict[str, Any] = {"Node": dice.choice(NODES), "Address": self._address()}
        if self._maybe(0.2):
            body["NodeMeta"] = {"m": dice.choice("12")}
        if self._maybe(0.15):
            body["ID"] = f"aaaaaaaa-0000-4000-8000-00000000000{dice.randint(1, 3)}"
        if self._maybe(0.1):
            body["SkipNodeUpdate"] = True
        if self._maybe(0.6):
            body["Service"] = self._service()
        if self._maybe(0.3):
            body["Check"] = self._check()
        if self._maybe(0.3):
            body["Checks"] = [self._check() for _ in range(dice.randint(1, 2))]
        return "PUT", "/v1/catalog/register", body

    def _service(self) -> dict[str, Any]:
        dice = self._dice
        made: dict[str, Any] = {"Service": dice.choice(SERVICES), "Port": dice.randint(0, 2)}
        if self._maybe(0.7):
            made["ID"] = dice.choice(SERVICE_IDS)
        if self._maybe(0.5):
            made["Tags"] = dice.sample(["a", "b", "A"], dice.randint(0, 3))
        if self._maybe(0.3):
            made["Meta"] = {"k": dice.choice("12")}
        if self._maybe(0.15):
            proxy = {"DestinationServiceName": dice.choice(SERVICES)}
            made.update({"Kind": "connect-proxy", "Port": 5, "Proxy": proxy})
        elif self._maybe(0.1):
            made["Connect"] = {"Native": True}
        if self._maybe(0.2):
            made["Weights"] = {"Passing": dice.choice((1, 3)), "Warning": dice.choice((0, 1))}
        return made

    def _check(self) -> dict[str, Any]:
        dice = self._dice
        status = dice.choice(("passing", "passing", "warning", "critical"))
        made: dict[str, Any] = {"CheckID": dice.choice(CHECK_IDS), "Status": status}
        if self._maybe(0.5):
            made["ServiceID"] = dice.choice(SERVICE_IDS)
        if self._maybe(0.3):
            made["Output"] = dice.choice("xy")
        return made

    def _deregistration(self) -> tuple[str, str, object]:
        dice = self._dice
        body = {"Node": dice.choice(NODES)}
        if self._maybe(0.45):
            body["ServiceID"] = dice.choice(SERVICE_IDS)
        elif self._maybe(0.6):
            body["CheckID"] = dice.choice(CHECK_IDS)
        return "PUT", "/v1/catalog/deregister", body

    def _key_write(self) -> tuple[str, str, object]:
        dice = self._dice
        key, value = dice.choice(KEYS), dice.choice(("p", "q", ""))
        form = dice.choice(("", "?flags=1", "?cas=0", "?acquire=", "?acquire=", "?release="))
        session = self._some_session() if form in ("?acquire=", "?release=") else ""
        return "PUT", f"/v1/kv/{key}{form}{session}", value

    def _key_deletion(self) -> tuple[str, str, object]:
        form = self._dice.choice(("", "?recurse", "?cas=0"))
        return "DELETE", f"/v1/kv/{self._dice.choice(KEYS)}{form}", None

    def _session(self) -> tuple[str, str, object]:
        dice = self._dice
        body = {
            "Node": dice.choice(NODES),
            "Checks": dice.choice(([], ["c1"], ["c2"])),
            "LockDelay": "0s",
            "Behavior": dice.choice(("release", "delete")),
        }
        return "PUT", "/v1/session/create", body

    def _end_of_a_session(self) -> tuple[str, str, object]:
        return "PUT", f"/v1/session/destroy/{self._some_session()}", None

    def _transaction(self) -> tuple[str, str, object]:
        return "PUT", "/v1/txn", [self._operation() for _ in range(self._dice.randint(1, 4))]

    def _operation(self) -> dict[str, Any]:
        dice = self._dice
        verb = dice.choice(("set", "get", "cas", "delete", "delete-cas"))
        kind = dice.choice(("KV", "KV", "KV", "Node", "Service", "Check"))
        if kind == "KV":
            return self._key_operation()
        if kind == "Node":
            fields: dict[str, Any] = {"Node": dice.choice(NODES), "Address": self._address()}
        elif kind == "Service":
            fields = {"ID": dice.choice(SERVICE_IDS), "Service": dice.choice(SERVICES)}
            return {"Service": {"Verb": verb, "Node": dice.choice(NODES), "Service": fields}}
        else:
            fields = {**self._check(), "Node": dice.choice(NODES)}
        return {kind: {"Verb": verb, kind: fields}}

    def _key_operation(self) -> dict[str, Any]:
        dice = self._dice
        verbs = ("set", "set", "get", "cas", "delete", "delete-cas", "delete-tree", "get-tree")
        checks = ("lock", "unlock", "check-session", "check-index", "check-not-exists")
        verb = dice.choice((*verbs, *checks))
        fields = {
            "Verb": verb,
            "Key": dice.choice(KEYS),
            "Value": base64.b64encode(dice.choice((b"p", b"q"))).decode(),
        }
        if verb in ("lock", "unlock", "check-session"):
            fields["Session"] = self._some_session()
        return {"KV": fields}


def _written_by(seed: int) -> Story:
    def story(run: Run) -> None:
        author = Author(seed)
        for _ in range(CHANGES):
            method, path, body = author.change()
            answer = run.ask(method, path, body)
            if path == "/v1/session/create" and answer.status == 200:
                author.sessions.append(answer.json()["ID"])
            for view in author.views():
                run.ask("GET", view)
        for view in VIEWS:
            run.ask("GET", view)
        run.ask("GET", "/v1/session/list", options=Options(sort_by="CreateIndex"))
        for node in NODES:
            run.quietly("PUT", "/v1/catalog/deregister", {"Node": node})
        run.quietly("DELETE", "/v1/kv/r?recurse")

    return story


CASES = [Case("random", f"story {seed}", _written_by(seed)) for seed in range(SEEDS)]
