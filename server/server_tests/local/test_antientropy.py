"""What the catalog is told, and in which order."""

import pytest
from msgspec.structs import replace

from proconsul.local.antientropy import Outcome, Step, Tokens, compare, settle, steps
from proconsul.local.failure import LocalError
from proconsul.local.state import LocalState, NodeIdentity, Source
from proconsul.model.catalog import DeregisterRequest, Node, NodeService, RegisterRequest
from proconsul.model.health import HealthCheck

IDENTITY = NodeIdentity(
    id="id-1", name="n1", datacenter="dc1", address="10.0.0.1", tagged_addresses={"lan": "10.0.0.1"}
)
TOKENS = Tokens(agent="agent", user="user")
NODE = Node(
    id="id-1", node="n1", address="10.0.0.1", tagged_addresses={"lan": "10.0.0.1"}, meta={"k": "v"}
)
WEB = NodeService(id="web", service="web", tags=["a"])
DISK = HealthCheck(check_id="disk", name="disk", status="passing")
WEB_CHECK = HealthCheck(
    check_id="service:web", name="w", status="passing", service_id="web", service_name="web"
)


class Ears:
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.syncs = 0
        self.health: list[str] = []
        self.deferred: list[float] = []

    def sync_needed(self) -> None:
        self.syncs += 1

    def service_changed(self, service_id: str) -> None:
        pass

    def health_changed(self, service_id: str) -> None:
        self.health.append(service_id)

    def output_deferred(self, until_s: float) -> None:
        self.deferred.append(until_s)


class World:
    """A local state, and a catalog that takes everything."""

    def __init__(self, update_interval_s: float = 300) -> None:
        self.ears = Ears()
        self.state = LocalState(
            IDENTITY,
            self.ears,
            check_update_interval_s=update_interval_s,
            discard_check_output=False,
        )
        self.state.set_node_meta({"k": "v"})

    def sync(self, outcome: Outcome = Outcome.DONE) -> list[Step]:
        done = []
        for step in steps(self.state, TOKENS):
            done.append(step)
            settle(self.state, step, outcome)
        return done

    def compare(self, services: list[NodeService], checks: list[HealthCheck]) -> None:
        compare(self.state, NODE, services, checks)


def registered(step: Step) -> RegisterRequest:
    assert isinstance(step.request, RegisterRequest)
    return step.request


def test_the_first_sync_registers_the_node_and_then_skips_it() -> None:
    world = World()
    world.state.set_service(WEB, "", Source.REMOTE)
    node, service = world.sync()
    assert registered(node) == RegisterRequest(
        datacenter="dc1",
        id="id-1",
        node="n1",
        address="10.0.0.1",
        tagged_addresses={"lan": "10.0.0.1"},
        node_meta={"k": "v"},
        token="agent",
    )
    assert registered(service).skip_node_update
    assert (registered(service).service, registered(service).token) == (WEB, "user")
    assert world.sync() == []


def test_the_checks_of_a_service_ride_with_it_unless_their_token_differs() -> None:
    world = World()
    world.state.set_service(WEB, "t", Source.REMOTE)
    world.state.set_check(WEB_CHECK, "t", Source.REMOTE)
    world.state.set_check(replace(WEB_CHECK, check_id="two"), "t", Source.REMOTE)
    world.state.set_check(replace(WEB_CHECK, check_id="own"), "other", Source.REMOTE)
    _, service, alone = world.sync()
    assert [check.check_id for check in registered(service).checks or ()] == ["service:web", "two"]
    check = registered(alone).check
    assert check is not None
    assert (check.check_id, registered(alone).token) == ("own", "other")
    assert registered(alone).service == WEB


def test_a_single_riding_check_has_the_field_of_its_own() -> None:
    world = World()
    world.state.set_service(WEB, "", Source.REMOTE)
    world.state.set_check(WEB_CHECK, "", Source.REMOTE)
    _, service = world.sync()
    assert registered(service).check == replace(WEB_CHECK, node="n1")
    assert registered(service).checks is None


def test_what_the_catalog_has_as_it_is_needs_nothing() -> None:
    world = World()
    world.state.set_service(WEB, "", Source.REMOTE)
    world.state.set_check(DISK, "", Source.REMOTE)
    theirs = replace(DISK, node="n1", create_index=5, modify_index=6)
    world.compare([replace(WEB, create_index=7)], [theirs])
    world.state.node_in_sync = True
    assert world.sync() == []


def test_what_differs_is_registered_and_what_only_the_catalog_has_is_removed() -> None:
    world = World()
    world.state.set_service(WEB, "", Source.REMOTE)
    consul = NodeService(id="consul", service="consul")
    serf = HealthCheck(node="n1", check_id="serfHealth")
    world.compare(
        [replace(WEB, port=9), NodeService(id="old", service="old"), consul],
        [HealthCheck(node="n1", check_id="gone"), serf],
    )
    _, web, old, gone = world.sync()
    assert registered(web).service == WEB
    assert old.request == DeregisterRequest(
        datacenter="dc1", node="n1", service_id="old", token="user"
    )
    assert gone.request == DeregisterRequest(
        datacenter="dc1", node="n1", check_id="gone", token="user"
    )
    assert "old" not in world.state.services
    assert "gone" not in world.state.checks


@pytest.mark.parametrize(
    "theirs",
    [
        None,
        replace(NODE, id="other"),
        replace(NODE, meta=None),
        replace(NODE, tagged_addresses={"lan": "10.9.9.9"}),
    ],
)
def test_a_node_that_differs_is_registered_again(theirs: Node | None) -> None:
    world = World()
    world.state.node_in_sync = True
    compare(world.state, theirs, [], [])
    assert [step.what for step in world.sync()] == ["node info"]


def test_tags_come_from_the_catalog_where_the_service_lets_others_set_them() -> None:
    world = World()
    open_web = replace(WEB, enable_tag_override=True)
    world.state.set_service(open_web, "", Source.REMOTE)
    world.state.node_in_sync = True
    world.compare([replace(open_web, tags=["theirs"])], [])
    assert world.sync() == []
    service = world.state.service("web")
    assert service is not None
    assert service.tags == ["theirs"]


def test_a_removed_service_is_deregistered_with_its_token_and_takes_its_checks_along() -> None:
    world = World()
    world.state.set_service(WEB, "secret", Source.REMOTE)
    world.state.set_check(WEB_CHECK, "secret", Source.REMOTE)
    world.sync()
    world.state.remove_check("service:web")
    assert world.state.remove_service("web")
    assert not world.state.remove_service("web"), "it is gone already"
    (step,) = world.sync()
    assert step.request == DeregisterRequest(
        datacenter="dc1", node="n1", service_id="web", token="secret"
    )
    assert not world.state.services
    assert not world.state.checks


def test_a_registration_that_acls_deny_is_not_repeated_before_the_next_full_sync() -> None:
    world = World()
    world.state.set_service(WEB, "", Source.REMOTE)
    world.sync(Outcome.DENIED)
    assert world.sync() == []
    world.compare([], [])
    assert [step.what for step in world.sync()] == ["service web"]


def test_a_change_during_a_sync_is_not_lost() -> None:
    world = World()
    world.state.node_in_sync = True
    world.state.set_check(DISK, "", Source.REMOTE)
    step = next(steps(world.state, TOKENS))
    world.state.update_check("disk", "critical", "full", now_s=1, die=0)
    settle(world.state, step, Outcome.DONE)
    (again,) = world.sync()
    check = registered(again).check
    assert check is not None
    assert check.status == "critical"


def test_a_service_that_comes_back_while_it_is_deregistered_stays() -> None:
    world = World()
    world.state.node_in_sync = True
    world.state.set_service(WEB, "", Source.REMOTE)
    world.sync()
    world.state.remove_service("web")
    step = next(steps(world.state, TOKENS))
    world.state.set_service(WEB, "", Source.REMOTE)
    settle(world.state, step, Outcome.DONE)
    assert [later.what for later in world.sync()] == ["service web"]


def test_a_change_of_output_alone_waits_for_its_time() -> None:
    world = World(update_interval_s=300)
    world.state.node_in_sync = True
    world.state.set_check(DISK, "", Source.REMOTE)
    world.sync()
    world.state.update_check("disk", "passing", "9 GB free", now_s=100, die=0.25)
    world.state.update_check("disk", "passing", "8 GB free", now_s=101, die=0.9)
    assert world.ears.deferred == [100 + 300 * 0.75]
    world.compare([], [replace(DISK, node="n1")])
    assert world.sync() == [], "the full sync leaves a deferred output alone"
    world.state.release_deferred(now_s=325)
    (step,) = world.sync()
    check = registered(step).check
    assert check is not None
    assert check.output == "8 GB free"


def test_without_an_update_interval_output_goes_at_once() -> None:
    world = World(update_interval_s=0)
    world.state.node_in_sync = True
    world.state.set_check(DISK, "", Source.REMOTE)
    world.sync()
    world.state.update_check("disk", "passing", "9 GB free", now_s=100, die=0)
    assert [step.what for step in world.sync()] == ["check disk"]


def test_discarded_output_never_leaves_the_agent() -> None:
    world = World()
    world.state.discard_check_output = True
    world.state.set_check(replace(DISK, output="x"), "", Source.REMOTE)
    world.state.update_check("disk", "critical", "secret", now_s=1, die=0)
    check = world.state.check("disk")
    assert check is not None
    assert (check.status, check.output) == ("critical", "")


def test_how_long_a_check_is_critical_counts_from_the_turn() -> None:
    world = World()
    world.state.set_check(DISK, "", Source.REMOTE)
    world.state.update_check("disk", "critical", "a", now_s=10, die=0)
    world.state.update_check("disk", "critical", "b", now_s=20, die=0)
    assert world.state.critical_for_s(now_s=35) == {"disk": 25}
    world.state.update_check("disk", "warning", "c", now_s=40, die=0)
    assert world.state.critical_for_s(now_s=50) == {}


def test_a_check_needs_its_service() -> None:
    with pytest.raises(LocalError, match='Check "service:web" refers to non-existent service'):
        World().state.set_check(WEB_CHECK, "", Source.REMOTE)


def test_aliases_hear_of_a_status_but_not_of_an_output() -> None:
    world = World()
    world.state.set_service(WEB, "", Source.REMOTE)
    world.state.set_check(WEB_CHECK, "", Source.REMOTE)
    world.ears.health.clear()
    world.state.update_check("service:web", "passing", "new text", now_s=1, die=0)
    assert world.ears.health == []
    world.state.update_check("service:web", "warning", "new text", now_s=2, die=0)
    assert world.ears.health == ["web"]
