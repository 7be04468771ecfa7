"""The servers as the catalog shows them."""

from collections.abc import Iterable
from functools import partial

from proconsul.leader.catalog_node import due, forgotten
from proconsul.leader.pool import LanMember, PoolMember, Status
from proconsul.model.catalog import DeregisterRequest, RegisterRequest
from proconsul.model.health import HealthCheck
from proconsul.store import catalog, checks, nodes, services
from server_tests.leader.pool_and_raft import alive, failed, left, server
from server_tests.store.stories import ID_A, ID_B, World

ME = server("s1", id_="11111111-0000-0000-0000-000000000000")


def agent(one: PoolMember) -> LanMember:
    """A server as a member of the pool."""
    return LanMember(
        node=one.server.node,
        node_id=one.server.node_id,
        address=one.server.address,
        status=one.status,
        server=one.server,
    )


def write_due(world: World, members: Iterable[PoolMember]) -> list[RegisterRequest]:
    """Write what is due; what of it registers."""
    commands = due(world.state.read(), ME, map(agent, members))
    for command in commands:
        if isinstance(command, DeregisterRequest):
            world.apply(partial(catalog.deregister, request=command))
        else:
            world.apply(partial(catalog.register, request=command))
    return [command for command in commands if isinstance(command, RegisterRequest)]


def status_of(world: World, node: str) -> tuple[str, str]:
    """Of its `serfHealth`: the status, and what is said of it."""
    _, check = checks.node_check(world.state.read(), None, node, "serfHealth")
    assert check is not None
    return check.status, check.output


def test_each_server_that_lives_is_a_node_with_a_service_and_a_check() -> None:
    world = World()
    write_due(world, [alive(ME), alive(server("s2", id_=ID_A))])
    state = world.state.read()
    for name, node_id in (("s1", ME.node_id), ("s2", ID_A)):
        _, node = nodes.get_node(state, name)
        assert node is not None
        assert (node.id, node.address) == (node_id, f"10.0.0.{name[1:]}")
        _, service = services.node_service(state, name, "consul")
        assert service is not None
        assert service.meta is not None
        assert (service.port, service.meta["raft_version"]) == (8300, "3")
        assert status_of(world, name) == ("passing", "Agent alive and reachable")


def test_what_is_written_is_not_due_again() -> None:
    world = World()
    members = [alive(ME), alive(server("s2", id_=ID_A)), failed(server("s3", id_=ID_B))]
    assert len(write_due(world, members)) == 2
    assert write_due(world, members) == []


def test_this_server_lives_whatever_the_pool_says() -> None:
    world = World()
    write_due(world, [failed(ME)])
    assert status_of(world, "s1")[0] == "passing"
    assert write_due(world, [failed(ME)]) == []


def test_a_failed_server_is_critical_until_it_is_back_and_keeps_its_services() -> None:
    world, other = World(), server("s2", id_=ID_A)
    write_due(world, [alive(other)])
    write_due(world, [failed(other)])
    assert status_of(world, "s2") == ("critical", "Agent not live or unreachable")
    assert services.node_service(world.state.read(), "s2", "consul")[1] is not None
    assert write_due(world, [failed(other)]) == []
    write_due(world, [alive(other)])
    assert status_of(world, "s2") == ("passing", "Agent alive and reachable")


def test_a_failure_leaves_the_node_as_it_was() -> None:
    world = World()
    world.register("s2", node_id=ID_A, address="10.9.9.9", meta={"rack": "7"})
    write_due(world, [failed(server("s2", id_=ID_A))])
    _, node = nodes.get_node(world.state.read(), "s2")
    assert node is not None
    assert (node.address, node.meta) == ("10.9.9.9", {"rack": "7"})
    assert status_of(world, "s2")[0] == "critical"


def test_a_server_that_moved_keeps_what_else_is_known_of_its_node() -> None:
    world = World()
    world.register("s2", node_id=ID_A, meta={"rack": "7"})
    write_due(world, [alive(server("s2", id_=ID_A, host=7))])
    _, node = nodes.get_node(world.state.read(), "s2")
    assert node is not None
    assert (node.address, node.meta) == ("10.0.0.7", {"rack": "7"})


def test_who_failed_before_it_was_in_the_catalog_does_not_get_there() -> None:
    world = World()
    write_due(world, [failed(server("s2", id_=ID_A)), left(server("s3", id_=ID_B))])
    assert nodes.get_node(world.state.read(), "s2")[1] is None
    assert nodes.get_node(world.state.read(), "s3")[1] is None


def test_who_is_leaving_is_let_be() -> None:
    world, other = World(), server("s2", id_=ID_A)
    write_due(world, [alive(other)])
    assert write_due(world, [PoolMember(other, Status.LEAVING, 0.0)]) == []
    assert nodes.get_node(world.state.read(), "s2")[1] is not None


def test_who_has_left_is_taken_out_and_nobody_else_of_that_name() -> None:
    world, other = World(), server("s2", id_=ID_A)
    write_due(world, [alive(other)])
    assert due(world.state.read(), ME, [agent(left(server("s2", id_=ID_B)))]) == []
    assert write_due(world, [left(other)]) == []
    assert nodes.get_node(world.state.read(), "s2")[1] is None
    assert due(world.state.read(), ME, [agent(left(other))]) == []


def test_a_name_that_lives_under_a_new_id_at_once_takes_the_place_of_the_old_one() -> None:
    world = World()
    write_due(world, [alive(server("s2", id_=ID_A))])
    reborn = [alive(server("s2", id_=ID_B))]  # without its disk, and before anybody missed it
    assert [(one.id, one.check and one.check.status) for one in write_due(world, reborn)] == [
        (ID_A, "critical"),
        (ID_B, "passing"),
    ]
    _, node = nodes.get_node(world.state.read(), "s2")
    assert node is not None
    assert node.id == ID_B
    assert status_of(world, "s2") == ("passing", "Agent alive and reachable")
    assert write_due(world, reborn) == []


def test_this_server_takes_its_name_from_who_had_it_in_a_restored_state() -> None:
    world = World()
    world.apply(partial(catalog.register, request=_passing("s1", ID_A)))
    write_due(world, [alive(ME)])
    _, node = nodes.get_node(world.state.read(), "s1")
    assert node is not None
    assert node.id == ME.node_id


def _passing(node: str, node_id: str) -> RegisterRequest:
    check = HealthCheck(node=node, check_id="serfHealth", status="passing")
    return RegisterRequest(datacenter="dc1", node=node, id=node_id, address="10.9.9.9", check=check)


# -------------------------------------------------------------------- client agents


def client(status: Status = Status.ALIVE, **fields: str) -> LanMember:
    """An agent that is no server."""
    return LanMember(
        node=fields.get("node", "c1"),
        node_id=fields.get("node_id", ID_A),
        address="10.0.0.21",
        status=status,
    )


def write(world: World, *members: LanMember) -> int:
    """Write what is due; how much it was."""
    commands = due(world.state.read(), ME, members)
    for command in commands:
        if isinstance(command, DeregisterRequest):
            world.apply(partial(catalog.deregister, request=command))
        else:
            world.apply(partial(catalog.register, request=command))
    return len(commands)


def test_a_client_agent_is_a_node_with_a_check_and_no_service() -> None:
    world = World()
    assert write(world, client()) == 1
    state = world.state.read()
    _, node = nodes.get_node(state, "c1")
    assert node is not None
    assert (node.id, node.address) == (ID_A, "10.0.0.21")
    assert services.node_service(state, "c1", "consul")[1] is None
    assert status_of(world, "c1") == ("passing", "Agent alive and reachable")
    assert write(world, client()) == 0


def test_a_client_agent_that_fails_is_critical_and_one_that_leaves_is_gone() -> None:
    world = World()
    write(world, client())
    assert write(world, client(Status.FAILED)) == 1
    assert status_of(world, "c1")[0] == "critical"
    assert write(world, client(Status.FAILED)) == 0
    assert write(world, client(Status.LEFT)) == 1
    assert nodes.get_node(world.state.read(), "c1")[1] is None


def test_a_node_that_was_a_member_and_is_none_any_more_is_reaped_and_no_other() -> None:
    world = World()
    write(world, client(), client(node="C2", node_id=ID_B))
    world.register("external")  # by somebody's hand: it has no serfHealth
    reaped = forgotten(world.state.read(), "dc1", {"s1", "c2"})  # names differ in case only
    assert [command.node for command in reaped] == ["c1"]
    assert forgotten(world.state.read(), "dc1", {"s1", "c1", "c2"}) == []
