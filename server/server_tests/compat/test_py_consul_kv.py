"""py-consul: keys and values, and what is built from them with sessions."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor

import consul
import pytest

from server_tests.compat.clients import eventually, py_consul_client
from server_tests.differential.target import Target

pytestmark = pytest.mark.real_clock

VALUE_SIZE_BYTES_MAX = 512 * 1024


def test_a_value_comes_back_as_it_was_put(py_consul: consul.Consul, place: str) -> None:
    for value in (b"", b"plain", bytes(range(256)), "grüße, 世界 🎈".encode()):
        assert py_consul.kv.put(place, value)
        index, found = py_consul.kv.get(place)
        assert (found["Value"] or b"") == value
        assert found["ModifyIndex"] == int(index)


def test_keys_may_hold_any_text(py_consul: consul.Consul, place: str) -> None:
    names = ["grün", "世界", "with space", "semi;colon", "plus+sign", "a/b/c", "dots..in", "🎈"]
    for name in names:
        assert py_consul.kv.put(f"{place}/{name}", name)
    found = {name: py_consul.kv.get(f"{place}/{name}")[1]["Value"].decode() for name in names}
    assert found == {name: name for name in names}
    _, listed = py_consul.kv.get(f"{place}/", keys=True)
    assert len(listed) == len(names)


def test_a_value_of_the_largest_size_fits_and_one_byte_more_is_refused(
    py_consul: consul.Consul, place: str
) -> None:
    largest = bytes(index % 251 for index in range(VALUE_SIZE_BYTES_MAX))
    assert py_consul.kv.put(place, largest)
    assert py_consul.kv.get(place)[1]["Value"] == largest
    with pytest.raises(consul.ConsulException, match="413"):
        py_consul.kv.put(place, largest + b"x")
    assert py_consul.kv.get(place)[1]["Value"] == largest


def test_a_tree_is_listed_folded_and_deleted(py_consul: consul.Consul, place: str) -> None:
    for name in ("web/a", "web/b/c", "db", "webx"):
        py_consul.kv.put(f"{place}/{name}", name, flags=7)
    _, records = py_consul.kv.get(f"{place}/web", recurse=True)
    assert [record["Key"] for record in records] == [
        f"{place}/{name}" for name in ("web/a", "web/b/c", "webx")
    ]
    assert {record["Flags"] for record in records} == {7}
    _, folded = py_consul.kv.get(f"{place}/", keys=True, separator="/")
    assert folded == [f"{place}/db", f"{place}/web/", f"{place}/webx"]
    assert py_consul.kv.delete(f"{place}/web/", recurse=True)
    _, left = py_consul.kv.get(f"{place}/", keys=True)
    assert left == [f"{place}/db", f"{place}/webx"]
    assert py_consul.kv.get(f"{place}/web/a")[1] is None


def test_check_and_set_lets_one_of_two_editors_win(py_consul: consul.Consul, place: str) -> None:
    assert py_consul.kv.put(place, "1", cas=0)
    assert not py_consul.kv.put(place, "again", cas=0)
    seen = py_consul.kv.get(place)[1]["ModifyIndex"]
    assert py_consul.kv.put(place, "alice", cas=seen)
    assert not py_consul.kv.put(place, "bob", cas=seen)
    assert not py_consul.kv.delete(place, cas=seen)
    now = py_consul.kv.get(place)[1]
    assert now["Value"] == b"alice"
    assert py_consul.kv.delete(place, cas=now["ModifyIndex"])


def test_reads_of_every_consistency_see_a_finished_write(server: Target, place: str) -> None:
    for mode in ("default", "consistent", "stale"):
        with py_consul_client(server.address, consistency=mode) as client:
            client.kv.put(f"{place}/{mode}", mode)
            assert client.kv.get(f"{place}/{mode}")[1]["Value"].decode() == mode


def test_a_configuration_watch_wakes_for_its_tree_only(
    server: Target, py_consul: consul.Consul, place: str
) -> None:
    py_consul.kv.put(f"{place}/config/colour", "red")
    index, _ = py_consul.kv.get(f"{place}/config/", recurse=True)
    with py_consul_client(server.address) as watcher, ThreadPoolExecutor(1) as pool:
        woken = pool.submit(
            watcher.kv.get, f"{place}/config/", index=index, recurse=True, wait="20s"
        )
        py_consul.kv.put(f"{place}/other", "noise")
        py_consul.kv.put(f"{place}/config/colour", "blue")
        now, records = woken.result()
    assert int(now) > int(index)
    assert [record["Value"] for record in records] == [b"blue"]


def test_many_threads_block_on_one_key_and_all_wake(
    server: Target, py_consul: consul.Consul, place: str
) -> None:
    watchers = 12
    py_consul.kv.put(place, "before")
    index, _ = py_consul.kv.get(place)
    ready = threading.Barrier(watchers + 1)

    def watch() -> bytes:
        with py_consul_client(server.address) as client:
            client.status.leader()
            ready.wait()
            return bytes(client.kv.get(place, index=index, wait="20s")[1]["Value"])

    with ThreadPoolExecutor(watchers) as pool:
        waiting = [pool.submit(watch) for _ in range(watchers)]
        ready.wait()
        py_consul.kv.put(place, "after")
        assert {each.result() for each in waiting} == {b"after"}


def test_a_watch_that_times_out_says_what_it_knew(py_consul: consul.Consul, place: str) -> None:
    py_consul.kv.put(place, "still")
    index, _ = py_consul.kv.get(place)
    again, found = py_consul.kv.get(place, index=index, wait="10ms")
    assert (int(again), found["Value"]) == (int(index), b"still")


def test_of_two_candidates_one_leads_until_it_resigns(
    server: Target, py_consul: consul.Consul, place: str
) -> None:
    with py_consul_client(server.address) as other:
        alice = py_consul.session.create("alice", lock_delay=0)
        bob = other.session.create("bob", lock_delay=0)
        assert py_consul.kv.put(place, "alice", acquire=alice)
        assert not other.kv.put(place, "bob", acquire=bob)
        index, leader = other.kv.get(place)
        assert (leader["Session"], leader["Value"]) == (alice, b"alice")
        with ThreadPoolExecutor(1) as pool:
            vacancy = pool.submit(other.kv.get, place, index=index, wait="20s")
            assert py_consul.kv.put(place, "", release=alice)
            assert "Session" not in vacancy.result()[1]
        assert other.kv.put(place, "bob", acquire=bob)
        assert other.kv.get(place)[1]["LockIndex"] == 2
        assert py_consul.session.destroy(alice)
        assert other.session.destroy(bob)


def test_the_lock_of_a_dead_leader_stays_closed_for_its_delay(
    py_consul: consul.Consul, place: str
) -> None:
    dead = py_consul.session.create(lock_delay=1)
    heir = py_consul.session.create(lock_delay=0)
    assert py_consul.kv.put(place, "dead", acquire=dead)
    assert py_consul.session.destroy(dead)
    assert py_consul.session.info(dead)[1] is None
    assert "Session" not in py_consul.kv.get(place)[1]
    assert not py_consul.kv.put(place, "heir", acquire=heir)
    assert eventually(lambda: py_consul.kv.put(place, "heir", acquire=heir))
    assert py_consul.kv.get(place)[1]["Session"] == heir


def test_a_session_that_deletes_takes_its_keys_with_it(
    py_consul: consul.Consul, place: str
) -> None:
    session = py_consul.session.create(behavior="delete", ttl=60, lock_delay=0)
    assert py_consul.session.renew(session)["TTL"] == "60s"
    assert py_consul.kv.put(f"{place}/member", "here", acquire=session)
    _, mine = py_consul.session.node(py_consul.session.info(session)[1]["Node"])
    assert session in {each["ID"] for each in mine}
    assert py_consul.session.destroy(session)
    assert py_consul.kv.get(f"{place}/member")[1] is None
    with pytest.raises(consul.NotFound):
        py_consul.session.renew(session)


def test_a_semaphore_admits_as_many_as_it_says(py_consul: consul.Consul, place: str) -> None:
    """As in HashiCorp's guide: contenders' keys, and a list of holders changed by CAS."""
    slots = 2
    sessions = [py_consul.session.create(lock_delay=0) for _ in range(3)]
    for session in sessions:
        assert py_consul.kv.put(f"{place}/{session}", "", acquire=session)

    def enter(session: str) -> bool:
        _, lock = py_consul.kv.get(f"{place}/.lock")
        _, contenders = py_consul.kv.get(f"{place}/", recurse=True)
        alive = {each["Session"] for each in contenders if "Session" in each}
        holders = set((lock["Value"] or b"").decode().split()) & alive if lock else set()
        if len(holders) >= slots:
            return False
        holders_now = " ".join(sorted(holders | {session}))
        index = lock["ModifyIndex"] if lock else 0
        return bool(py_consul.kv.put(f"{place}/.lock", holders_now, cas=index))

    assert [enter(session) for session in sessions] == [True, True, False]
    py_consul.session.destroy(sessions[0])
    assert enter(sessions[2])


def _kv(verb: str, key: str, value: str = "", **more: object) -> dict[str, object]:
    encoded = base64.b64encode(value.encode()).decode()
    return {"KV": {"Verb": verb, "Key": key, "Value": encoded, **more}}


def test_a_transaction_does_all_or_nothing(py_consul: consul.Consul, place: str) -> None:
    done = py_consul.txn.put([_kv("set", f"{place}/a", "1"), _kv("set", f"{place}/b", "2")])
    assert done["Errors"] is None
    assert [result["KV"]["Key"] for result in done["Results"]] == [f"{place}/a", f"{place}/b"]

    with pytest.raises(consul.ConsulException, match="409") as refusal:
        py_consul.txn.put([_kv("set", f"{place}/a", "9"), _kv("cas", f"{place}/b", "9", Index=1)])
    assert '"OpIndex":1' in str(refusal.value)
    assert [record["Value"] for record in py_consul.kv.get(place, recurse=True)[1]] == [b"1", b"2"]


def test_a_transaction_reads_what_it_wrote(py_consul: consul.Consul, place: str) -> None:
    answer = py_consul.txn.put(
        [
            _kv("set", f"{place}/x", "grüße", Flags=3),
            _kv("get-tree", f"{place}/"),
            _kv("delete", f"{place}/x"),
            _kv("check-not-exists", f"{place}/x"),
        ]
    )
    read = answer["Results"][1]["KV"]
    assert (base64.b64decode(read["Value"]).decode(), read["Flags"]) == ("grüße", 3)
