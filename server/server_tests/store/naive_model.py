"""What the state should be, written from the rules (wire/fsm.md) with dictionaries and loops.

It knows nodes, services, checks, sessions, keys, tombstones and the index table. Commands are
methods; a refused command raises Refused and its caller throws the changed copy away.
"""

from dataclasses import dataclass, field, replace


class Refused(Exception):  # noqa: N818 - what the real store says with RpcError
    """The command is refused and changes nothing."""


@dataclass(frozen=True)
class Key:
    value: bytes
    flags: int
    lock_index: int
    session: str
    create: int
    modify: int


@dataclass(frozen=True)
class Node:
    name: str
    id: str
    address: str
    create: int
    modify: int


@dataclass(frozen=True)
class Service:
    node: str
    id: str
    name: str
    kind: str
    tags: tuple[str, ...] | None
    create: int
    modify: int


@dataclass(frozen=True)
class Check:
    node: str
    id: str
    service_id: str
    service_name: str
    tags: tuple[str, ...] | None
    status: str
    output: str
    create: int
    modify: int


@dataclass(frozen=True)
class Session:
    id: str
    node: str
    checks: tuple[str, ...]
    behavior: str
    create: int


@dataclass
class Model:
    """The state; `index` is the one of the command that is applied."""

    index: int = 0
    keys: dict[str, Key] = field(default_factory=dict)
    tombs: dict[str, int] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)  # by lower-cased name
    services: dict[tuple[str, str], Service] = field(default_factory=dict)
    checks: dict[tuple[str, str], Check] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    indexes: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "Model":
        return Model(
            self.index,
            dict(self.keys),
            dict(self.tombs),
            dict(self.nodes),
            dict(self.services),
            dict(self.checks),
            dict(self.sessions),
            dict(self.indexes),
        )

    def bump(self, *names: str) -> None:
        for name in names:
            self.indexes[name] = self.index

    # ------------------------------------------------------------ keys

    def set(self, key: str, value: bytes, flags: int) -> bool:
        old = self.keys.get(key)
        return self._store(key, value, flags, 0, old.session if old else "")

    def _store(self, key: str, value: bytes, flags: int, lock_index: int, session: str) -> bool:
        old = self.keys.get(key)
        if old and (old.value, old.flags, old.lock_index, old.session) == (
            value,
            flags,
            lock_index,
            session,
        ):
            return True
        create = old.create if old else self.index
        self.keys[key] = Key(value, flags, lock_index, session, create, self.index)
        self.bump("kvs")
        return True

    def _is_at(self, key: str, index: int) -> bool:
        old = self.keys.get(key)
        return old is None if index == 0 else old is not None and old.modify == index

    def known_index(self, key: str) -> int:
        return self.keys[key].modify if key in self.keys else 0

    def cas(self, key: str, value: bytes, flags: int, index: int) -> bool:
        return self._is_at(key, index) and self.set(key, value, flags)

    def delete(self, key: str) -> bool:
        if key in self.keys:
            del self.keys[key]
            self.tombs[key] = self.index
            self.bump("kvs", "tombstones")
        return True

    def delete_cas(self, key: str, index: int) -> bool:
        if key in self.keys and self.keys[key].modify != index:
            return False
        return self.delete(key)

    def delete_tree(self, prefix: str) -> bool:
        doomed = [key for key in self.keys if key.startswith(prefix)]
        for key in doomed:
            del self.keys[key]
        if doomed:
            self.bump("kvs")
            if prefix:
                self.tombs[prefix] = self.index
                self.bump("tombstones")
        return True

    def lock(self, key: str, value: bytes, flags: int, session: str) -> bool:
        if session not in self.sessions:
            raise Refused
        old = self.keys.get(key)
        if old and old.session not in ("", session):
            return False
        if old and old.session == session:
            lock_index = old.lock_index
        else:
            lock_index = old.lock_index + 1 if old else 1
        return self._store(key, value, flags, lock_index, session)

    def unlock(self, key: str, value: bytes, flags: int, session: str) -> bool:
        old = self.keys.get(key)
        if old is None or old.session != session:
            return False
        return self._store(key, value, flags, old.lock_index, "")

    def reap(self, up_to: int) -> None:
        self.tombs = {key: at for key, at in self.tombs.items() if at > up_to}

    def list_index(self, prefix: str) -> int:
        at = [key.modify for name, key in self.keys.items() if name.startswith(prefix)]
        at += [at for name, at in self.tombs.items() if name.startswith(prefix)]
        if prefix and at:
            return max(at)
        return max(self.indexes.get("kvs", 0), self.indexes.get("tombstones", 0))

    # ------------------------------------------------------------ sessions

    def create_session(
        self, session: str, node: str, checks: tuple[str, ...], behavior: str
    ) -> None:
        if node.lower() not in self.nodes:
            raise Refused
        for check in checks:
            found = self.checks.get((node.lower(), check.lower()))
            if found is None or found.status == "critical":
                raise Refused
        self.sessions[session] = Session(session, node, checks, behavior, self.index)
        self.bump("sessions")

    def destroy_session(self, session: str) -> None:
        gone = self.sessions.pop(session, None)
        if gone is None:
            return
        self.bump("sessions")
        for name, key in list(self.keys.items()):
            if key.session == session:
                if gone.behavior == "delete":
                    self.delete(name)
                else:
                    self._store(name, key.value, key.flags, key.lock_index, "")

    def _end_sessions_of_check(self, node: str, check: str) -> None:
        for session in list(self.sessions.values()):
            bound = {name.lower() for name in session.checks}
            if session.node.lower() == node.lower() and check.lower() in bound:
                self.destroy_session(session.id)

    # ------------------------------------------------------------ the catalog

    def _of_node(self, node: str) -> list[Service]:
        return [row for key, row in sorted(self.services.items()) if key[0] == node.lower()]

    def _shown_with(self, service: Service) -> None:
        self.bump(f"service.{service.name}", f"service_kind.{service.kind or 'typical'}")

    def _shown_with_node(self, node: str) -> None:
        for service in self._of_node(node):
            self._shown_with(service)

    def put_node(self, name: str, node_id: str, address: str) -> None:
        old = self.nodes.get(name.lower())
        if node_id:
            same_id = [node for node in self.nodes.values() if node.id == node_id]
            renamed = bool(same_id) and same_id[0].name != name
            if renamed or not same_id:
                self._refuse_taken(name, node_id, nameless_gives_way=not same_id)
            if same_id:
                old = same_id[0]
            if renamed and old:
                self.delete_node(old.name)
        if old and (old.name, old.id, old.address) == (name, node_id, address):
            return
        create = old.create if old else self.index
        self.nodes[name.lower()] = Node(name, node_id, address, create, self.index)
        self.bump("nodes")
        self._shown_with_node(name)

    def _refuse_taken(self, name: str, node_id: str, *, nameless_gives_way: bool) -> None:
        holder = self.nodes.get(name.lower())
        if holder is None or holder.id == node_id or (not holder.id and nameless_gives_way):
            return
        serf = self.checks.get((name.lower(), "serfhealth"))
        if serf and serf.status != "critical":
            raise Refused

    def put_service(
        self, node: str, service_id: str, name: str, kind: str, tags: tuple[str, ...] | None
    ) -> None:
        key = (node.lower(), service_id.lower())
        old = self.services.get(key)
        new = Service(node, service_id, name, kind, tags, self.index, self.index)
        if old:
            new = replace(new, create=old.create)
            if replace(new, modify=old.modify) == old:
                return
        self.services[key] = new
        self.bump("services")
        self._shown_with(new)

    def put_check(
        self, node: str, check_id: str, service_id: str, status: str, output: str
    ) -> None:
        key = (node.lower(), check_id.lower())
        if node.lower() not in self.nodes:
            raise Refused
        name, tags = "", None
        service = None
        if service_id:
            service = self.services.get((node.lower(), service_id.lower()))
            if service is None:
                raise Refused
            name, tags = service.name, service.tags
        at = self.index
        new = Check(node, check_id, service_id, name, tags, status, output, at, at)
        old = self.checks.get(key)
        if old:
            new = replace(new, create=old.create)
        if old and replace(new, modify=old.modify) == old:
            new = old
        elif service:
            self._shown_with(service)
        else:
            self._shown_with_node(node)
        if status == "critical":
            self._end_sessions_of_check(node, check_id)
        self.checks[key] = new
        self.bump("checks")

    def delete_check(self, node: str, check_id: str) -> None:
        gone = self.checks.pop((node.lower(), check_id.lower()), None)
        if gone is None:
            return
        if gone.service_id:
            self.bump(f"service.{gone.service_name}")
            service = self.services[node.lower(), gone.service_id.lower()]
            self.bump(f"service_kind.{service.kind or 'typical'}")
        else:
            self._shown_with_node(node)
            self.bump("services")
        self.bump("checks")
        self._end_sessions_of_check(node, check_id)

    def delete_service(self, node: str, service_id: str) -> None:
        key = (node.lower(), service_id.lower())
        gone = self.services.get(key)
        if gone is None:
            return
        for check in [row for _, row in sorted(self.checks.items())]:
            if (check.node.lower(), check.service_id.lower()) == key:
                self.delete_check(node, check.id)
        del self.services[key]
        self.bump("checks", "services", f"service_kind.{gone.kind or 'typical'}")
        if any(row.name.lower() == gone.name.lower() for row in self.services.values()):
            self.bump(f"service.{gone.name}")
        else:
            self.indexes.pop(f"service.{gone.name}", None)
            self.bump("service_last_extinction")

    def delete_node(self, node: str) -> None:
        if node.lower() not in self.nodes:
            return
        for service in self._of_node(node):
            self.delete_service(node, service.id)
        for key, check in sorted(self.checks.items()):
            if key[0] == node.lower():
                self.delete_check(node, check.id)
        del self.nodes[node.lower()]
        self.bump("nodes")
        for session in list(self.sessions.values()):
            if session.node.lower() == node.lower():
                self.destroy_session(session.id)

    def restored(self) -> None:
        """What a snapshot does not keep: spellings of node names, and names and tags in checks.

        They follow the node and the service as they are now.
        """
        for key, service in self.services.items():
            self.services[key] = replace(service, node=self.nodes[key[0]].name)
        for key, check in self.checks.items():
            if check.service_id:
                service = self.services[key[0], check.service_id.lower()]
                self.checks[key] = replace(check, service_name=service.name, tags=service.tags)
