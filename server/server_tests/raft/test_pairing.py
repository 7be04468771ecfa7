"""Order is all that pairs replies with requests."""

from itertools import pairwise

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.raft import codec
from proconsul.raft.codec import CodecError
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    Lost,
    Message,
    Peer,
    PreVote,
    PreVoteReply,
    Reply,
    Request,
    RequestVote,
    ServerAddress,
    ServerId,
    Term,
    Token,
    VoteReply,
)
from proconsul.raft.pairing import (
    ADDRESS_BYTES_MAX,
    REPLY_BYTES_MAX,
    Answering,
    Asking,
    PreVotes,
    Signature,
    WrongServerError,
)

ME = Peer(ServerId("me"), ServerAddress("me:8300"))
LONG_S = 10.0


def append(token: int) -> AppendEntries:
    return AppendEntries(token=Token(token), term=Term(1), leader=ME)


def vote(token: int) -> RequestVote:
    return RequestVote(token=Token(token), term=Term(4), candidate=ME, last_index=9, last_term=3)  # type: ignore[arg-type]


def pre_vote(token: int) -> PreVote:
    return PreVote(token=Token(token), term=Term(4), candidate=ME, last_index=9, last_term=3)  # type: ignore[arg-type]


def answer_to(request: Request) -> Reply:
    """A reply that says by its term to whom it belongs."""
    term = Term(100 + request.token)
    if isinstance(request, AppendEntries):
        return AppendReply(token=request.token, term=term, accepted=True)
    if isinstance(request, RequestVote):
        return VoteReply(token=request.token, term=term, granted=True)
    return PreVoteReply(token=request.token, term=term, granted=True)


def asking(*requests: Request, pre_votes: PreVotes | None = None) -> Asking:
    """A connection of the server "them" on which these were written."""
    connection = Asking("them", pre_votes or PreVotes())
    for at, request in enumerate(requests):
        connection.asked(request, at + LONG_S)
    return connection


@given(
    kinds=st.lists(st.sampled_from([append, vote, pre_vote]), max_size=12),
    answered=st.integers(0, 12),
    cuts=st.lists(st.integers(0, 2000), max_size=8),
)
def test_each_request_has_one_outcome_however_the_bytes_come_and_wherever_they_end(
    kinds: list[object], answered: int, cuts: list[int]
) -> None:
    requests: list[Request] = [kind(token) for token, kind in enumerate(kinds)]  # type: ignore[operator]
    pre_votes = PreVotes()
    pre_votes.are_known = True
    connection = asking(*requests, pre_votes=pre_votes)
    expected: list[Message] = [answer_to(request) for request in requests[:answered]]
    data = b"".join(codec.encode_reply(answer_to(one)) for one in requests[:answered])
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]

    outcomes: list[Message] = []
    for begin, end in pairwise(edges):
        outcomes += connection.feed(data[begin:end])
    outcomes += connection.end(closed_by_peer=True)

    expected += [Lost(token=request.token) for request in requests[answered:]]
    assert outcomes == expected
    assert connection.end(closed_by_peer=True) == []


@given(st.permutations(range(8)))
def test_replies_leave_in_the_order_of_the_requests_whichever_is_ready_first(
    ready: list[int],
) -> None:
    connection = Answering()
    for token in range(8):
        connection.asked(Token(token))
    written = [connection.answered(Token(token), b"%d" % token) for token in ready]
    assert b"".join(written) == b"01234567"
    assert len(connection) == 0


def test_an_error_text_is_a_lost_request_and_the_next_reply_belongs_to_the_next() -> None:
    connection = asking(vote(1), vote(2))
    data = codec.encode_error("not now") + codec.encode_reply(answer_to(vote(2)))
    assert list(connection.feed(data)) == [Lost(token=Token(1)), answer_to(vote(2))]


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1",
        b"\x05\x80",
        b"\xa0\xc0",
        b"\xa0\x05",
        b"\xa0\x81\xa4Term\xa1x",
        b"\xa0\x81\x80\x80",
        b"\x81\x90\x80",
        b"\xa0" + b"\x91" * 2000,
        b"\xa0\xdd\xff\xff\xff\xff",
        b"\xa0\xdb\x7f\xff\xff\xff" + bytes(REPLY_BYTES_MAX),
    ],
)
def test_after_garbage_all_requests_are_lost(data: bytes) -> None:
    connection = asking(append(1), append(2))
    with pytest.raises(CodecError):
        list(connection.feed(data))
    assert connection.end(closed_by_peer=False) == [Lost(token=Token(1)), Lost(token=Token(2))]


def test_a_reply_that_nobody_asked_for_is_an_error() -> None:
    with pytest.raises(CodecError, match="nobody asked"):
        list(asking().feed(codec.encode_reply(answer_to(append(1)))))


def test_the_deadline_is_that_of_the_oldest_request() -> None:
    connection = asking(append(1), append(2))
    assert connection.deadline_s == LONG_S
    list(connection.feed(codec.encode_reply(answer_to(append(1)))))
    assert connection.deadline_s == LONG_S + 1
    list(connection.feed(codec.encode_reply(answer_to(append(2)))))
    assert connection.deadline_s is None


# Who answers.


def test_a_signed_reply_tells_where_its_server_is_and_another_one_nothing() -> None:
    plain = codec.encode_reply(answer_to(append(1)))
    here = ServerAddress("1.2.3.4:8300")
    connection = asking(append(1), append(2), append(3))
    list(connection.feed(plain))
    assert connection.peer_address == ""
    list(connection.feed(Signature(Peer(ServerId("them"), here)).sign(plain)))
    assert connection.peer_address == here
    too_long = ServerAddress("x" * (ADDRESS_BYTES_MAX + 1))
    list(connection.feed(Signature(Peer(ServerId("them"), too_long)).sign(plain)))
    assert connection.peer_address == here


@pytest.mark.parametrize("request_", [append(1), vote(1), pre_vote(1)])
def test_a_signed_reply_is_the_same_reply_with_the_name_of_who_answers(request_: Request) -> None:
    plain = codec.encode_reply(answer_to(request_))
    signed = Signature(Peer(ServerId("them"), ServerAddress("1.2.3.4:8300"))).sign(plain)
    assert list(asking(request_).feed(signed)) == [answer_to(request_)]
    added = {b"ID": b"them", b"Addr": b"1.2.3.4:8300"}
    assert msgpack.unpackb(signed[1:], raw=True) == msgpack.unpackb(plain[1:], raw=True) | added


def test_what_another_server_says_at_that_address_does_not_count() -> None:
    connection = asking(append(1))
    other = Signature(Peer(ServerId("other"), ServerAddress("them:8300")))
    with pytest.raises(WrongServerError, match="in place of"):
        list(connection.feed(other.sign(codec.encode_reply(answer_to(append(1))))))
    assert connection.end(closed_by_peer=False) == [Lost(token=Token(1))]


# Peers that do not know pre-vote.


def granted(token: int) -> PreVoteReply:
    return PreVoteReply(token=Token(token), term=Term(3), granted=True)


def test_a_peer_that_closes_on_a_pre_vote_grants_it_and_is_remembered() -> None:
    pre_votes = PreVotes()
    connection = asking(pre_vote(1), vote(2), pre_votes=pre_votes)
    assert connection.end(closed_by_peer=True) == [granted(1), Lost(token=Token(2))]
    assert pre_votes.are_known is False


def test_what_was_remembered_is_forgotten_with_the_next_connection() -> None:
    pre_votes = PreVotes()
    asking(pre_vote(1), pre_votes=pre_votes).end(closed_by_peer=True)
    asking(vote(2), pre_votes=pre_votes).end(closed_by_peer=True)
    assert pre_votes.are_known is None


def test_a_silent_peer_grants_nothing() -> None:
    assert asking(pre_vote(1)).end(closed_by_peer=False) == [Lost(token=Token(1))]


def test_a_peer_that_closes_on_something_else_grants_nothing() -> None:
    lost = [Lost(token=Token(1)), Lost(token=Token(2))]
    assert asking(vote(1), pre_vote(2)).end(closed_by_peer=True) == lost


def test_a_peer_that_has_answered_a_pre_vote_grants_none_by_closing() -> None:
    pre_votes = PreVotes()
    connection = asking(pre_vote(1), pre_vote(2), pre_votes=pre_votes)
    assert list(connection.feed(codec.encode_reply(answer_to(pre_vote(1))))) == [
        answer_to(pre_vote(1))
    ]
    assert connection.end(closed_by_peer=True) == [Lost(token=Token(2))]


def test_unexpected_command_grants_a_pre_vote_and_nothing_else() -> None:
    data = codec.encode_error("unexpected command")
    assert list(asking(pre_vote(1)).feed(data)) == [granted(1)]
    assert list(asking(vote(1)).feed(data)) == [Lost(token=Token(1))]
