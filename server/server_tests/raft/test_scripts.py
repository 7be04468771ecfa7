"""Conversations of servers, word for word: see scripts/*.txt.

Commands: `servers NAMES...` (new world), `bootstrap NAMES...`, `tick NAME count=N`,
`propose NAME DATA...`, `take NAME` (and do it), `sync NAME`, `deliver [from=] [to=] [kind=]`,
`drop` (the same, silently), `lose` (the same, and the one who asked is told), `settle`,
`elect NAME`, `crash NAME`, `compact NAME keep=N`, `restore NAME DATA...`, `read NAME`,
`add NAME voter|nonvoter WHO`, `remove NAME WHO`, `transfer NAME [to=]`, `show NAMES...`,
`ask NAME vote|pre-vote|append|timeout-now ...` (a message out of the blue), `gone NAME from=WHO`
(the transport tells it that the connection with that leader broke).
"""

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import pytest

from proconsul.raft.effects import (
    ConfigurationChanged,
    Effects,
    Event,
    LeaderChanged,
    MessageIgnored,
    RefusedError,
    RoleChanged,
    TransferEnded,
)
from proconsul.raft.entry import Entry
from proconsul.raft.membership import AddNonvoter, AddVoter, RemoveServer
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    Configuration,
    EntryKind,
    Index,
    InstallReply,
    InstallSnapshot,
    LeaderGone,
    PreVote,
    PreVoteReply,
    Reply,
    Request,
    RequestVote,
    Suffrage,
    Term,
    TimeoutNow,
    TimeoutNowReply,
    Token,
    VoteReply,
)
from server_tests import datadriven
from server_tests.datadriven import Command
from server_tests.raft.harness import Parcel, World, members, middle, peer

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_conversation_is_as_written(script: Path, request: pytest.FixtureRequest) -> None:
    stage = Stage()
    datadriven.run(script, stage.handle, rewrite=request.config.getoption("--rewrite"))


class Stage:
    """Plays one script."""

    def __init__(self) -> None:
        self.world = World((), middle)

    def handle(self, command: Command) -> str:
        play: Callable[[Command], str] = getattr(self, f"do_{command.name}")
        try:
            return play(command)
        except RefusedError as refusal:
            return f"refused: {refusal}"

    def do_servers(self, command: Command) -> str:
        self.world = World(command.arguments, middle)
        return ""

    def do_bootstrap(self, command: Command) -> str:
        for name in command.arguments:
            self.world[name].bootstrap(members(*command.arguments))
        return ""

    def do_tick(self, command: Command) -> str:
        for _ in range(int(command.options.get("count", "1"))):
            self.world[command.arguments[0]].tick()
        return ""

    def do_propose(self, command: Command) -> str:
        name, *data = command.arguments
        node = self.world[name]
        indexes = [node.propose(EntryKind.COMMAND, one.encode()) for one in data]
        return " ".join(str(index) for index in indexes)

    def do_take(self, command: Command) -> str:
        name = command.arguments[0]
        return told(name, self.world.take(name))

    def do_sync(self, command: Command) -> str:
        return "" if self.world.machines[command.arguments[0]].sync() else "nothing to write"

    def do_deliver(self, command: Command) -> str:
        return self._each(command, self.world.deliver)

    def do_drop(self, command: Command) -> str:
        return self._each(command, self.world.network.remove)

    def do_lose(self, command: Command) -> str:
        return self._each(command, self.world.lose)

    def _each(self, command: Command, do: Callable[[Parcel], None]) -> str:
        options = command.options
        lines = []
        for parcel in list(self.world.network):
            if options.get("from", parcel.source) != parcel.source:
                continue
            if options.get("to", parcel.target) != parcel.target:
                continue
            if options.get("kind", type(parcel.message).__name__) != type(parcel.message).__name__:
                continue
            do(parcel)
            lines.append(f"{parcel.source}->{parcel.target} {said(parcel.message)}")
        return "\n".join(lines) or "nothing"

    def do_settle(self, command: Command) -> str:
        return "\n".join(
            text for name, effects in self.world.settle() if (text := told(name, effects))
        )

    def do_elect(self, command: Command) -> str:
        self.world.elect(command.arguments[0])
        return self.do_show(Command(0, f"show {' '.join(self.world.machines)}", ""))

    def do_crash(self, command: Command) -> str:
        self.world.crash(command.arguments[0])
        return ""

    def do_compact(self, command: Command) -> str:
        self.world.machines[command.arguments[0]].compact(int(command.options["keep"]))
        return ""

    def do_restore(self, command: Command) -> str:
        name, *data = command.arguments
        machine = self.world.machines[name]
        meta = machine.node.begin_restore(Index(0))
        machine.disk.snapshot = meta
        machine.disk.body = machine.state = tuple(one.encode() for one in data)
        machine.node.end_restore(meta)
        self.world.watch.restarted(machine.node.me.id, meta.index)
        return f"at {meta.index}/{meta.term}"

    def do_read(self, command: Command) -> str:
        return f"read {self.world[command.arguments[0]].read()}"

    def do_add(self, command: Command) -> str:
        name, what, who = command.arguments
        one = peer(who)
        kind = AddVoter if what == "voter" else AddNonvoter
        return str(self.world[name].change(kind(one.id, one.address)))

    def do_remove(self, command: Command) -> str:
        name, who = command.arguments
        return str(self.world[name].change(RemoveServer(peer(who).id)))

    def do_transfer(self, command: Command) -> str:
        target = command.options.get("to")
        self.world[command.arguments[0]].transfer(peer(target).id if target else None)
        return ""

    def do_show(self, command: Command) -> str:
        return "\n".join(self._line(name) for name in command.arguments)

    def _line(self, name: str) -> str:
        node = self.world[name]
        return (
            f"{name} {node.role.value} term={node.term} vote={node.vote.id if node.vote else '-'} "
            f"leader={node.leader.id if node.leader else '-'} "
            f"log={node.log.first_index}..{node.last_index}/{node.last_term} "
            f"stable={node.log.stable_index} commit={node.commit_index} "
            f"applied={node.applied_index} "
            f"state={b' '.join(self.world.machines[name].state).decode() or '-'}"
        )

    def do_gone(self, command: Command) -> str:
        name = command.arguments[0]
        self.world[name].step(LeaderGone(leader=peer(command.options["from"])))
        return told(name, self.world.take(name))

    def do_ask(self, command: Command) -> str:
        name, kind = command.arguments
        option = command.options
        term = Term(int(option["term"])) if "term" in option else None
        if kind == "timeout-now":
            self.world[name].step(TimeoutNow(token=Token(0), term=term))
            return told(name, self.world.take(name))
        assert term is not None
        sender = peer(option["from"])
        last, _, last_term = option.get("last", "0/0").partition("/")
        token = Token(0)
        match kind:
            case "vote":
                request: Request = RequestVote(
                    token=token,
                    term=term,
                    candidate=sender,
                    last_index=Index(int(last)),
                    last_term=Term(int(last_term)),
                    leadership_transfer="transfer" in option,
                )
            case "pre-vote":
                request = PreVote(
                    token=token,
                    term=term,
                    candidate=sender,
                    last_index=Index(int(last)),
                    last_term=Term(int(last_term)),
                )
            case _:
                request = AppendEntries(
                    token=token,
                    term=term,
                    leader=sender,
                    previous_index=Index(int(last)),
                    previous_term=Term(int(last_term)),
                    entries=tuple(
                        written(text) for text in option.get("entries", "").split(",") if text
                    ),
                    commit_index=Index(int(option.get("commit", "0"))),
                )
        self.world[name].step(request)
        return told(name, self.world.take(name))


def written(text: str) -> Entry:
    """`5/2:data` as an entry."""
    place, _, data = text.partition(":")
    index, _, term = place.partition("/")
    return Entry(Index(int(index)), Term(int(term)), EntryKind.COMMAND, data.encode())


def shown(entry: Entry) -> str:
    place = f"{entry.index}/{entry.term}"
    if entry.kind is EntryKind.COMMAND:
        return f"{place}:{entry.data.decode()}"
    return f"{place}:{entry.kind.name.lower()}"


def names_of(configuration: Configuration) -> str:
    return ",".join(
        server.id + ("" if server.suffrage is Suffrage.VOTER else "(nonvoter)")
        for server in configuration.servers
    )


def said(message: Request | Reply) -> str:
    """A message in a line."""
    match message:
        case AppendEntries(is_heartbeat=True):
            text = f"Heartbeat term={message.term}"
        case AppendEntries():
            entries = " ".join(shown(entry) for entry in message.entries)
            previous = f"{message.previous_index}/{message.previous_term}"
            text = (
                f"AppendEntries term={message.term} previous={previous} "
                f"commit={message.commit_index} [{entries}]"
            )
        case AppendReply() | InstallReply():
            verdict = "accepted" if message.accepted else "refused"
            text = f"{type(message).__name__} term={message.term} {verdict}"
            if isinstance(message, AppendReply) and not message.accepted:
                text += f" last={message.last_index}"
        case RequestVote() | PreVote():
            last = f"{message.last_index}/{message.last_term}"
            text = f"{type(message).__name__} term={message.term} last={last}"
            if isinstance(message, RequestVote) and message.leadership_transfer:
                text += " transfer"
        case VoteReply() | PreVoteReply():
            verdict = "granted" if message.granted else "refused"
            text = f"{type(message).__name__} term={message.term} {verdict}"
        case InstallSnapshot():
            meta = message.snapshot
            text = f"InstallSnapshot term={message.term} {meta.index}/{meta.term}"
        case TimeoutNow() | TimeoutNowReply():
            text = type(message).__name__
        case _:
            assert_never(message)
    return text


def happened(event: Event) -> str:
    """An event in a line."""
    match event:
        case RoleChanged():
            return f"is {event.role.value} in term {event.term}: {event.why}"
        case LeaderChanged():
            return f"follows {event.leader.id if event.leader else 'nobody'}"
        case ConfigurationChanged():
            return f"members at {event.index}: {names_of(event.configuration)}"
        case TransferEnded():
            return f"transfer ended, {'told' if event.told else 'not told'}: {event.why}"
        case MessageIgnored():
            return f"ignores {event.message}: {event.why}"


def told(name: str, effects: Effects) -> str:
    """An Effects, a line for each thing in it."""
    lines = []
    if effects.persist is not None:
        write = effects.persist
        parts = [f"write {write.number}:"]
        if write.hard_state is not None:
            vote = write.hard_state.vote
            parts.append(f"term={write.hard_state.term} vote={vote.id if vote else '-'}")
        if write.reset_to is not None:
            parts.append(f"reset={write.reset_to.index}/{write.reset_to.term}")
        if write.truncate_from is not None:
            parts.append(f"cut={write.truncate_from}")
        lines.append(" ".join(parts + [shown(entry) for entry in write.entries]))
    lines += [f"to {send.to.id}: {said(send.request)}" for send in effects.send]
    lines += [f"reply: {said(reply)}" for reply in effects.replies]
    if effects.install is not None:
        meta = effects.install.snapshot
        lines.append(f"install {meta.index}/{meta.term} {names_of(meta.configuration)}")
    if effects.apply:
        lines.append("apply " + " ".join(shown(entry) for entry in effects.apply))
    lines += [f"read {one.read}: {one.index if one.index else 'lost'}" for one in effects.reads]
    lines += [happened(event) for event in effects.events]
    return "\n".join(f"{name}: {line}" for line in lines)
