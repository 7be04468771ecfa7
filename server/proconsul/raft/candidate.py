"""Standing for election: the question whether one would win (pre-vote), then the vote itself.

A server asks first because a real candidacy raises the term, and one that was cut off would
unseat a leader that serves everybody else (thesis, 9.6). It asks nobody when it decides alone or
when the leader told it to stand.
"""

from proconsul.raft import leader
from proconsul.raft.effects import Role
from proconsul.raft.messages import (
    Lost,
    PreVote,
    PreVoteReply,
    Reply,
    RequestVote,
    Suffrage,
    Term,
    VoteReply,
)
from proconsul.raft.quorum import VoteResult, vote_result
from proconsul.raft.state import Candidacy, State


def stand_if_alone(state: State) -> None:
    """A server that decides alone need not wait for a timeout."""
    if state.role is Role.FOLLOWER and state.membership.is_only_voter(state.me.id):
        stand(state, "the only voter", transfer=False)


def stand(state: State, why: str, *, transfer: bool) -> None:
    """Begin an election."""
    assert state.may_stand, "a server without a vote stands for nothing"
    assert state.leadership is None, "a leader has won already"
    if transfer or state.membership.is_only_voter(state.me.id):
        _ask_for_votes(state, why, transfer=transfer)
    else:
        _ask_for_pre_votes(state, why)


def _ask_for_pre_votes(state: State, why: str) -> None:
    state.set_role(Role.PRE_CANDIDATE, why)
    state.candidacy = candidacy = Candidacy(is_pre_vote=True, transfer=False)
    candidacy.granted.add(state.me.id)
    _ask(state, candidacy)
    _settle(state, candidacy)


def _ask_for_votes(state: State, why: str, *, transfer: bool) -> None:
    state.set_hard_state(Term(state.term + 1), state.me)
    state.set_role(Role.CANDIDATE, why)
    state.candidacy = candidacy = Candidacy(is_pre_vote=False, transfer=transfer)
    _ask(state, candidacy)


def _ask(state: State, candidacy: Candidacy) -> None:
    """Ask all the other voters."""
    for server in state.membership.latest.servers:
        if server.id == state.me.id or server.suffrage is not Suffrage.VOTER:
            continue
        token = state.next_token()
        candidacy.asked[token] = server.id
        if candidacy.is_pre_vote:
            pre_vote = PreVote(
                token=token,
                term=Term(state.term + 1),
                candidate=state.me,
                last_index=state.log.last_index,
                last_term=state.log.last_term,
            )
            state.send(server, pre_vote)
        else:
            request = RequestVote(
                token=token,
                term=state.term,
                candidate=state.me,
                last_index=state.log.last_index,
                last_term=state.log.last_term,
                leadership_transfer=candidacy.transfer,
            )
            state.send(server, request)


def count_own_vote(state: State, candidacy: Candidacy) -> None:
    """Our vote for ourselves is on disk: until then it is no vote."""
    if candidacy.is_pre_vote or state.me.id in candidacy.granted:
        return
    candidacy.granted.add(state.me.id)
    _settle(state, candidacy)


def step_outcome(state: State, candidacy: Candidacy, message: Reply | Lost) -> None:
    """One of those who were asked has answered, or will not."""
    voter = candidacy.asked.pop(message.token, None)
    if voter is None:
        return None  # late: of an earlier candidacy
    match message:
        case PreVoteReply(granted=granted) | VoteReply(granted=granted):
            (candidacy.granted if granted else candidacy.refused).add(voter)
            return _settle(state, candidacy)
        case Lost():
            return None  # neither yes nor no: the next timeout asks again
        case _:
            return state.ignore(message, "no vote was asked for with its token")


def _settle(state: State, candidacy: Candidacy) -> None:
    result = vote_result(state.membership.voters, candidacy.granted, candidacy.refused)
    match result:
        case VoteResult.OPEN:
            return
        case VoteResult.WON if candidacy.is_pre_vote:
            _ask_for_votes(state, "a majority would vote for it", transfer=False)
        case VoteResult.WON:
            leader.begin(state)
        case VoteResult.LOST:
            state.become_follower(state.term, None, "a majority refused")
