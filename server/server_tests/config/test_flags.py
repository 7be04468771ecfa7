"""The command line as Go's flag package reads it."""

from __future__ import annotations

import pytest

from proconsul.config.failure import ConfigError
from proconsul.config.flags import FLAGS, Takes, help_text, parse_agent_flags
from proconsul.config.keys import ROOT, Group, Kind, ListOf, MapOf, Scalar


def test_one_or_two_dashes_and_an_equals_sign_or_a_space_mean_the_same() -> None:
    forms = [["-node=a"], ["-node", "a"], ["--node=a"], ["--node", "a"]]
    assert [parse_agent_flags(form).values for form in forms] == [{"node_name": "a"}] * 4


def test_a_boolean_takes_a_value_only_after_an_equals_sign() -> None:
    flags = parse_agent_flags(["-server", "-bootstrap=false", "-ui=T", "-dev=0"])
    assert flags.values == {"server": True, "bootstrap": False, "ui": True}
    assert not flags.dev


def test_a_flag_may_come_again_and_lists_grow_while_others_are_replaced() -> None:
    flags = parse_agent_flags(
        [
            *("-node=a", "-node=b"),
            *("-retry-join=x", "-retry-join", "y", "-recursor=8.8.8.8"),
            *("-node-meta=rack:1:2", "-node-meta=empty"),
            *("-allow-write-http-from=10.0.0.0/8", "-allow-write-http-from=::/0"),
            *("-http-port=1", "-dns-port=-1"),
        ]
    )
    assert flags.values == {
        "node_name": "b",
        "node_meta": {"rack": "1:2", "empty": ""},
        "http_config": {"allow_write_http_from": ["10.0.0.0/8", "::/0"]},
        "ports": {"http": 1, "dns": -1},
    }
    assert flags.lists == {"retry_join": ["x", "y"], "recursors": ["8.8.8.8"]}


def test_files_directories_and_fragments_are_kept_in_their_order() -> None:
    flags = parse_agent_flags(
        ["-config-dir=d", "-config-file", "f.hcl", "-hcl=a=1", "-hcl", "b=2", "-config-format=hcl"]
    )
    assert flags.config_paths == ("d", "f.hcl")
    assert flags.hcl == ("a=1", "b=2")
    assert flags.config_format == "hcl"


def test_an_empty_value_is_a_value_and_a_value_may_look_like_a_flag() -> None:
    assert parse_agent_flags(["-node=", "-domain", "-x"]).values == {
        "node_name": "",
        "domain": "-x",
    }


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-nope"], "flag provided but not defined: -nope"),
        (["-node"], "flag needs an argument: -node"),
        (["---node"], "bad flag syntax: ---node"),
        (["-=x"], "bad flag syntax: -=x"),
        (["-dev=maybe"], 'invalid boolean value "maybe" for -dev: strconv.ParseBool: parsing'),
        (["-http-port=x"], 'invalid value "x" for flag -http-port: strconv.Atoi: parsing "x": inv'),
        (["-http-port=99999999999999999999"], "value out of range"),
        (["extra", "-dev"], "Unexpected extra arguments: [extra -dev]"),
        (["-dev", "--", "-x"], "Unexpected extra arguments: [-x]"),
        (["-"], "Unexpected extra arguments: [-]"),
        (["-config-format=yaml"], "-config-format must be either 'hcl' or 'json'"),
    ],
)
def test_a_bad_command_line_is_refused_in_the_words_of_go(argv: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_agent_flags(argv)
    assert words in str(refusal.value)


@pytest.mark.parametrize("word", ["-h", "-help", "--help"])
def test_help_is_asked_for_before_anything_else_is_judged(word: str) -> None:
    assert parse_agent_flags(["-dev", word, "nonsense"]).help
    assert all(f"  -{name}" in help_text() for name in FLAGS)


def test_every_flag_stands_for_a_known_key_of_its_type() -> None:
    kinds: dict[Takes, Kind] = {
        Takes.STRING: Scalar.STRING,
        Takes.BOOL: Scalar.BOOL,
        Takes.INT: Scalar.INT,
        Takes.LIST: ListOf(Scalar.STRING),
        Takes.PAIR: MapOf(Scalar.STRING),
    }
    for flag in FLAGS.values():
        if flag.key.startswith("special:"):
            continue
        kind: Kind = ROOT
        for key in flag.key.split("."):
            assert isinstance(kind, Group)
            kind = kind.fields[key]
        assert kind == kinds[flag.takes], flag.name
