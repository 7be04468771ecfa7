"""What an operator may write into peers.json, and what is refused in words that help."""

import json

import pytest

from proconsul.raft.messages import Configuration, Server, ServerAddress, ServerId, Suffrage
from proconsul.raft.peers_file import PEERS_INFO, PeersFileError, parse_peers

PATH = "/data/raft/peers.json"


def server(name: str, address: str, suffrage: Suffrage = Suffrage.VOTER) -> Server:
    return Server(ServerId(name), ServerAddress(address), suffrage)


def test_it_lists_the_servers_that_the_cluster_shall_have() -> None:
    text = b"""
    [
      {"id": "one", "address": "10.0.0.1:8300", "non_voter": false},
      {"id": "two", "address": "[fd00::2]:8300"},
      {"address": "three.example:1", "non_voter": true, "id": "three"}
    ]
    """
    assert parse_peers(PATH, text) == Configuration(
        (
            server("one", "10.0.0.1:8300"),
            server("two", "[fd00::2]:8300"),
            server("three", "three.example:1", Suffrage.NONVOTER),
        )
    )


def test_names_ignore_case_as_gos_do() -> None:
    text = b'[{"ID": "one", "Address": "10.0.0.1:8300", "Non_Voter": false}]'
    assert parse_peers(PATH, text) == Configuration((server("one", "10.0.0.1:8300"),))


def test_the_text_that_explains_it_shows_a_list_that_is_taken() -> None:
    begin, end = PEERS_INFO.index("["), PEERS_INFO.index("]") + 1
    assert len(parse_peers(PATH, PEERS_INFO[begin:end].encode()).servers) == 2


def one(**fields: object) -> list[dict[str, object]]:
    return [{"id": "one", "address": "10.0.0.1:8300"} | fields]


REFUSED: list[tuple[object, str]] = [
    ({"id": "one"}, "it is no list of servers"),
    (None, "it is no list of servers"),
    ([], "none of its servers is a voter"),
    (one(non_voter=True), "none of its servers is a voter"),
    (["10.0.0.1:8300", "10.0.0.2:8300"], "the form of raft protocol 2"),
    (["10.0.0.1:8300", *one()], "server 1 is no object with id and address"),
    ([*one(), None], "server 2 is no object with id and address"),
    (one(nonvoter=True), "server 1 has the unknown key 'nonvoter'"),
    (one(non_voter="no"), "non_voter of server 1 is neither true nor false"),
    (one(non_voter=None), "non_voter of server 1 is neither true nor false"),
    ([{"address": "10.0.0.1:8300"}], "server 1 has no id"),
    (one(id=""), "server 1 has no id"),
    (one(id=7), "server 1 has no id"),
    ([{"id": "one"}], "server 1 has no address"),
    (one(address=" "), "server 1 has no address"),
    (one(address="10.0.0.1"), "the address '10.0.0.1' of server 1 has no port"),
    (one(address="[fd00::2]"), "has no port"),
    (one(address="fd00::2:8300"), "has too many colons"),
    (one(address=":8300"), "has no host"),
    (one(address="10.0.0.1:"), "has '' for a port"),
    (one(address="10.0.0.1:http"), "has 'http' for a port"),
    (one(address="10.0.0.1:0"), "has '0' for a port"),
    (one(address="10.0.0.1:65536"), "has '65536' for a port"),
    (one(address="10.0.0.1:" + "9" * 5000), "for a port"),
    ([*one(), *one(address="10.0.0.2:8300")], "two servers have the id 'one'"),
    ([*one(), *one(id="two")], "two servers have the address '10.0.0.1:8300'"),
]


@pytest.mark.parametrize(("value", "why"), REFUSED)
def test_anything_else_is_refused_with_the_file_the_reason_and_the_form(
    value: object, why: str
) -> None:
    with pytest.raises(PeersFileError) as refused:
        parse_peers(PATH, json.dumps(value).encode())
    text = str(refused.value)
    assert text.startswith(f"recovery failed to parse peers.json: {PATH}: ")
    assert why in text
    assert "Nothing was changed" in text
    assert '[{"id": "<node id>", "address": "<ip>:<server port>"' in text


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"[]]", b"peers", b"\xff", b'["\\ud800"]', b"[" * 100_000, b'[{"id": "\xff"}]'],
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(PeersFileError, match="it is no JSON"):
        parse_peers(PATH, content)
