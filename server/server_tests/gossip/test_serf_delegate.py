"""What comes from peers, sound or not. See gossip/serf_delegate.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip import packets, serf_codec
from proconsul.gossip.address import Address
from proconsul.gossip.admission import Everybody
from proconsul.gossip.effects import (
    Effect,
    Log,
    MemberStatus,
    PoolMember,
    QueryHeard,
    Remember,
    SendPacket,
    UserEventHeard,
)
from proconsul.gossip.messages import Alive, PacketMessage, Ping, PushPull, User
from proconsul.gossip.serf_delegate import BODY_BYTES_MAX, DECODED_MAX, TAGS_BYTES_MAX
from proconsul.gossip.serf_messages import (
    ConflictResponse,
    EventRow,
    EventSlot,
    Join,
    KeyRequest,
    Leave,
    Query,
    Relay,
    SerfMessage,
    State,
    UserEvent,
)
from proconsul.gossip.tags import tags_to_meta
from server_tests.gossip.bench import US, VSN, at, row
from server_tests.gossip.captured import GO, capture
from server_tests.gossip.serf_world import Host, SerfWorld


class Desk:
    """One member; the test is everybody else."""

    def __init__(self) -> None:
        self.world = SerfWorld()
        self.us: Host = self.world.start("us", address=US)

    def hear(self, *messages: SerfMessage | bytes) -> list[Effect]:
        """What comes of these."""
        effects: list[Effect] = []
        for message in messages:
            body = message if isinstance(message, bytes) else serf_codec.encode(message)
            self.us.serf.absorb(User(body), self.world.now_s)
            effects += self.us.serf.take_effects()
        return effects

    def exchange(self, state: State | bytes, *, join: bool = False) -> list[Effect]:
        data = state if isinstance(state, bytes) else serf_codec.encode(state)
        message = PushPull(join=join, nodes=(row("x"),), user_state=data)
        self.us.serf.absorb(message, self.world.now_s)
        return self.us.serf.take_effects()

    def told(self) -> list[bytes]:
        """What it tells others in its next packet, the answer to a ping."""
        self.packet(Ping(seq_no=1, node="us"))
        (packet,) = [
            effect for effect in self.us.serf.take_effects() if isinstance(effect, SendPacket)
        ]
        messages = self.us.framing.open(packet.data).messages
        return [message.body for message in messages if isinstance(message, User)]

    def packet(self, message: PacketMessage) -> None:
        """This comes by a packet."""
        datagram = self.us.framing.seal([packets.encode(message)], checksum=False)
        self.us.serf.receive(datagram, at(9), self.world.now_s)


def lines(effects: list[Effect]) -> list[str]:
    return [effect.text for effect in effects if isinstance(effect, Log)]


def event(ltime: int = 3, name: str = "e", payload: bytes = b"") -> UserEvent:
    return UserEvent(ltime=ltime, name=name, payload=payload, coalesce=False)


def state(events: tuple[EventSlot | None, ...] = (), event_ltime: int = 0) -> State:
    return State(
        ltime=5,
        status_ltimes={"x": 4},
        left_members=(),
        event_ltime=event_ltime,
        events=events,
        query_ltime=7,
    )


# -------------------------------------------------------------------- what is news


def test_news_is_told_on_in_the_same_bytes_and_old_news_is_not() -> None:
    """Others compare bytes, and there may be more in them than we know."""
    desk = Desk()
    later_version = bytes.fromhex("0183a54c54696d6503a44e6f6465a178a34e6577c3")
    assert serf_codec.decode(later_version) == Join(ltime=3, node="x")
    query = Query(
        ltime=3,
        id=9,
        address=at(77),
        source_node="them",
        filters=(),
        flags=0,
        relay_factor=0,
        timeout_ns=10**9,
        name="q",
        payload=b"",
    )
    news = [later_version, serf_codec.encode(query), serf_codec.encode(event())]
    heard = desk.hear(*news, *news)
    assert desk.told() == news
    assert [
        type(effect) for effect in heard if isinstance(effect, QueryHeard | UserEventHeard)
    ] == [
        QueryHeard,
        UserEventHeard,
    ]


def test_leaves_are_told_on_too() -> None:
    desk = Desk()
    desk.hear(Leave(ltime=3, node="x"), Join(ltime=2, node="x"))
    assert desk.told() == [serf_codec.encode(Leave(ltime=3, node="x"))]


def test_a_relay_is_sent_on_as_it_is() -> None:
    desk = Desk()
    inner = b"\x63whatever this is"
    (packet,) = [
        effect
        for effect in desk.hear(Relay(address=at(9), zone="", node="n", message=inner))
        if isinstance(effect, SendPacket)
    ]
    assert packet.to == at(9)
    assert desk.us.framing.open(packet.data).messages == [User(inner)]


@pytest.mark.parametrize(
    "relay",
    [
        Relay(address=Address(b"", 8301), zone="", node="n", message=b"x"),
        Relay(address=Address(b"\x01\x02\x03", 8301), zone="", node="n", message=b"x"),
        Relay(address=at(9, port=0), zone="", node="n", message=b"x"),
        Relay(address=at(9), zone="", node="n", message=b""),
    ],
)
def test_a_relay_to_nowhere_is_dropped(relay: Relay) -> None:
    assert not any(isinstance(effect, SendPacket) for effect in Desk().hear(relay))


# -------------------------------------------------------------------- what is none


@pytest.mark.parametrize("body", [b"\x00", b"\x01\xc1", b"\x63\x80", b"\x06\xc0", b"\x0980"])
def test_what_cannot_be_read_is_logged_and_dropped(body: bytes) -> None:
    effects = Desk().hear(body)
    assert len(lines(effects)) <= 1
    assert not any(isinstance(effect, SendPacket) for effect in effects)


@pytest.mark.parametrize("message", [state(), KeyRequest(b"")])
def test_what_has_no_business_here_is_logged_and_dropped(message: SerfMessage) -> None:
    desk = Desk()
    assert "Received message of unknown type" in lines(desk.hear(message))[0]
    assert desk.told() == []


def test_a_message_that_fits_in_no_packet_is_heard_but_not_told_on() -> None:
    desk = Desk()
    effects = desk.hear(event(payload=bytes(8 * 1024)))
    assert any(isinstance(effect, UserEventHeard) for effect in effects)
    assert desk.told() == []


def test_a_message_without_end_is_dropped() -> None:
    desk = Desk()
    around = len(serf_codec.encode(event(payload=bytes(1000)))) - 1000
    fits = event(payload=bytes(BODY_BYTES_MAX - around))
    assert not any("dropping a message of" in line for line in lines(desk.hear(fits)))
    too_large = event(payload=bytes(BODY_BYTES_MAX - around + 1))
    assert lines(desk.hear(too_large)) == [
        f"serf: dropping a message of {BODY_BYTES_MAX + 1} bytes"
    ]


@given(st.binary(max_size=200), st.integers(0, 9))
def test_any_bytes_can_come(body: bytes, kind: int) -> None:
    desk = Desk()
    desk.hear(bytes([kind]) + body, body)
    desk.exchange(bytes([kind]) + body)
    desk.us.serf.tick(desk.world.now_s + 100)
    assert desk.us.serf.member("us") is not None


# -------------------------------------------------------------------- full exchanges


def test_a_full_exchange_moves_all_clocks() -> None:
    desk = Desk()
    desk.exchange(state(event_ltime=6))
    stats = desk.us.serf.stats()
    assert (stats["member_time"], stats["event_time"], stats["query_time"]) == ("5", "6", "7")


def test_its_events_are_heard_and_not_told_on() -> None:
    desk = Desk()
    slot = EventSlot(ltime=3, events=(EventRow(name="e", payload=b"p"),))
    heard = desk.exchange(state((None, slot), event_ltime=4), join=True)
    assert [effect.name for effect in heard if isinstance(effect, UserEventHeard)] == ["e"]
    assert desk.told() == []
    assert "event-clock: 3" in [each.line for each in heard if isinstance(each, Remember)]


def test_our_state_is_read_by_another_as_it_is() -> None:
    desk = Desk()
    desk.hear(event(), Leave(ltime=3, node="x"))
    desk.exchange(state())
    answer = desk.us.serf.answer(PushPull(join=True, nodes=(), user_state=b""), desk.world.now_s)
    assert answer is not None
    pushed = desk.us.framing.stream_reader(is_answer=True).feed(answer)
    assert isinstance(pushed, PushPull)
    found = serf_codec.decode(pushed.user_state)
    assert isinstance(found, State)
    assert found.status_ltimes == {"us": 0, "x": 4}
    assert (found.ltime, found.event_ltime, found.query_ltime) == (5, 4, 7)
    assert len(found.events) == 512
    assert found.events[3] == EventSlot(ltime=3, events=(EventRow(name="e", payload=b""),))
    assert sum(slot is not None for slot in found.events) == 1


@pytest.mark.parametrize("data", [b"\x02\xc1", b"\x01\x80", b"\x63", b"\x02\x81\xa5LTime\xa1x"])
def test_a_state_that_cannot_be_read_is_dropped_but_the_members_are_taken(data: bytes) -> None:
    desk = Desk()
    effects = desk.exchange(data)
    assert any("state" in line for line in lines(effects))
    assert desk.us.status("x") is MemberStatus.ALIVE


@pytest.mark.parametrize("name", GO)
def test_what_agents_said_in_their_exchanges_is_understood(name: str) -> None:
    desk = Desk()
    states = [
        message.user_state
        for message in capture(name).stream_messages()
        if isinstance(message, PushPull)
    ]
    assert states
    for data in states:
        assert not any(
            "decode" in line or "bad type" in line for line in lines(desk.exchange(data))
        )
    assert int(desk.us.serf.stats()["member_time"]) > 1


@pytest.mark.parametrize("name", GO)
def test_what_agents_sent_is_understood(name: str) -> None:
    desk = Desk()
    bodies = [
        message.body for message in capture(name).packet_messages() if isinstance(message, User)
    ]
    for body in bodies:
        effects = desk.hear(body)
        assert not any("Error" in line or "unknown" in line for line in lines(effects))


# -------------------------------------------------------------------- members


def test_tags_that_cannot_be_read_are_none() -> None:
    desk = Desk()
    for number, meta in enumerate((b"\xff\xc1", b"\xff\x93\x01\x02\x03")):
        name = f"x{number}"
        alive = Alive(incarnation=1, node=name, address=at(number + 2), meta=meta, vsn=VSN)
        desk.packet(alive)
        member = desk.us.serf.member(name)
        assert member is not None
        assert member.tags == {}
    assert any("Failed to decode tags" in line for line in lines(desk.us.serf.take_effects()))


def test_tags_are_decoded_anew_when_many_were() -> None:
    desk = Desk()
    for number in range(DECODED_MAX + 2):
        meta = tags_to_meta({"number": str(number)})
        alive = Alive(incarnation=1, node=f"x{number}", address=at(number % 99), meta=meta, vsn=VSN)
        desk.packet(alive)
        member = desk.us.serf.member(f"x{number}")
        assert member is not None
        assert member.tags == {"number": str(number)}


def test_the_tags_of_old_versions_are_a_role() -> None:
    desk = Desk()
    alive = Alive(incarnation=1, node="x", address=at(2), meta=b"web", vsn=VSN)
    desk.packet(alive)
    member = desk.us.serf.member("x")
    assert member is not None
    assert member.tags == {"role": "web"}


def test_a_member_without_end_is_refused_as_an_answer_but_not_lost() -> None:
    """Its tags are longer than an answer may be: the asker gets none, and nothing breaks."""
    desk = Desk()
    meta = tags_to_meta({"k": "v" * 1000})
    alive = Alive(incarnation=1, node="x", address=at(2), meta=meta, vsn=VSN)
    desk.packet(alive)
    answer = ConflictResponse(
        name="x",
        address=at(2),
        tags={"k": "v" * 1000},
        status=1,
        protocol=(1, 5, 2),
        delegate=(2, 5, 4),
    )
    assert len(serf_codec.encode_conflict(answer)) > 1024
    query = Query(
        ltime=3, id=9, address=at(77), source_node="them", filters=(), flags=0,
        relay_factor=0, timeout_ns=10**9, name="_serf_conflict", payload=b"x",
    )  # fmt: skip
    assert any("response exceeds limit" in line for line in lines(desk.hear(query)))


class Doorman(Everybody):
    """Admits everybody, and notes who came."""

    def __init__(self) -> None:
        self.seen: list[PoolMember] = []

    def refuse_join(self, members: list[PoolMember]) -> str | None:
        self.seen += members
        return None


def test_tags_that_nobody_could_have_are_not_decoded() -> None:
    world, doorman = SerfWorld(), Doorman()
    us = world.start("us", address=US, admission=doorman)
    size = 1
    while len(bomb := tags_to_meta({f"{number:x}": "" for number in range(size)})) < 60_000:
        size *= 2
    largest = tags_to_meta({"t": "x" * (TAGS_BYTES_MAX - 8)})
    assert TAGS_BYTES_MAX - 8 < len(largest) <= TAGS_BYTES_MAX
    rows = (row("bomb", 8, meta=bomb), row("large", 9, meta=largest))
    us.serf.absorb(PushPull(join=True, nodes=rows, user_state=b""), world.now_s)
    assert [len(member.tags) for member in doorman.seen] == [0, 1]
    world.settle(us)
    assert f"serf: Failed to decode tags: {len(bomb)} bytes are too many" in us.log
    assert us.serf.member("bomb") is None
