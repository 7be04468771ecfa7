"""Sessions: what they need, what they leave, and what those outside hear of it."""

import pytest
from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.health import HealthCheck
from proconsul.model.prepared_query import PreparedQuery
from proconsul.model.session import ServiceCheck, Session
from proconsul.store import kv, prepared_queries, sessions
from proconsul.store.events import SessionCreated, SessionDestroyed, TombstoneAdded
from proconsul.wire.golang import SECOND, Duration
from server_tests.store.stories import ID_A, ID_B, World

SESSION = Session(id=ID_A, node="n1", ttl="10s", lock_delay=Duration(90 * SECOND))


@pytest.fixture
def world() -> World:
    world = World()
    world.register("n1", checks=[HealthCheck(node="n1", check_id="up", status="passing")])
    return world


def create(world: World, session: Session) -> Session:
    return world.apply(lambda txn: sessions.create(txn, session))


def test_a_session_keeps_its_keys_by_default_and_is_announced(world: World) -> None:
    made = create(world, SESSION)
    assert (made.behavior, made.create_index, made.modify_index) == ("release", 2, 2)
    assert world.events == [SessionCreated(ID_A, "10s")]
    assert sessions.list_all(world.read(), None) == (2, [made])
    assert sessions.of_node(world.read(), None, "N1") == (2, [made])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"id": ""}, "Missing session ID"),
        ({"behavior": "odd"}, "Invalid session behavior: odd"),
        ({"node": "n9"}, "Missing node registration"),
        ({"node_checks": ["nope"]}, "Missing check 'nope' registration"),
        ({"service_checks": [ServiceCheck(id="nope")]}, "Missing check 'nope' registration"),
        ({"checks": ["DOWN"]}, "Check 'DOWN' is in critical state"),
    ],
)
def test_a_session_is_refused_with_the_reason(
    world: World, change: dict[str, str], text: str
) -> None:
    world.register("n1", checks=[HealthCheck(node="n1", check_id="down")])
    with pytest.raises(RpcError) as refused:
        create(world, replace(SESSION, **change))
    assert str(refused.value) == text
    assert sessions.list_all(world.read(), None) == (0, [])


def test_its_end_is_told_with_its_keys_and_at_most_a_minute_of_delay(world: World) -> None:
    create(world, SESSION)
    for key in ("b", "a"):
        world.lock(key, ID_A)
    world.apply(lambda txn: sessions.destroy(txn, ID_A))
    minute = Duration(60 * SECOND)
    assert world.events == [SessionDestroyed(session_id=ID_A, keys=("a", "b"), lock_delay=minute)]
    _, entries = kv.list_entries(world.read(), None, "")
    assert [(entry.session, entry.lock_index, entry.modify_index) for entry in entries] == [
        ("", 1, 5),
        ("", 1, 5),
    ]


def test_keys_of_a_session_that_deletes_are_buried(world: World) -> None:
    create(world, replace(SESSION, behavior="delete"))
    world.lock("a", ID_A)
    world.apply(lambda txn: sessions.destroy(txn, ID_A))
    assert TombstoneAdded(4) in world.events
    assert kv.list_entries(world.read(), None, "a") == (4, [])


def test_a_check_that_turns_critical_ends_the_sessions_bound_to_it(world: World) -> None:
    create(world, replace(SESSION, node_checks=["UP"]))
    create(world, replace(SESSION, id=ID_B))
    world.register("n1", checks=[HealthCheck(node="n1", check_id="up", status="critical")])
    assert [session.id for session in sessions.list_all(world.read(), None)[1]] == [ID_B]


def test_its_prepared_queries_end_with_it(world: World) -> None:
    create(world, SESSION)
    query = PreparedQuery(id=ID_B, name="q", session=ID_A)
    world.apply(lambda txn: prepared_queries.set_prepared_query(txn, query))
    world.apply(lambda txn: sessions.destroy(txn, ID_A))
    assert prepared_queries.prepared_queries(world.read(), None) == (4, [])


def test_destroying_what_is_not_there_changes_nothing(world: World) -> None:
    world.apply(lambda txn: sessions.destroy(txn, ID_B))
    assert sessions.list_all(world.read(), None) == (0, [])
    with pytest.raises(RpcError) as refused:
        world.apply(lambda txn: sessions.destroy(txn, "bad"))
    assert str(refused.value) == "failed session lookup: index error: UUID must be 36 characters"
