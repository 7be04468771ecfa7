"""HCL1: what is written, what its decoder makes of it, and where it is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.config import hcl
from proconsul.config.failure import ConfigError
from proconsul.config.tree import plain, unwrapped


def lowered(text: str) -> object:
    return plain(hcl.lower(hcl.parse(text, "a.hcl")))


def test_every_kind_of_value_and_comment_can_be_written() -> None:
    text = r"""
# a comment
text = "a\tb\"c\u00e9\x41\101" // another
"quoted" = 5, number = -5
hexadecimal = 0x1F  octal = 017
float = 1.5  exponent = 1e3
yes = true /* one
more */ no = false
list = [1, "a", [true,], { x = 1 },]
dashed-and.dotted = "kept ${verbatim("as" it is)}"
"""
    assert lowered(text) == {
        "text": 'a\tb"c\u00e9AA',
        "quoted": 5,
        "number": -5,
        "hexadecimal": 31,
        "octal": 15,
        "float": 1.5,
        "exponent": 1000.0,
        "yes": True,
        "no": False,
        "list": [1, "a", [True], {"x": 1}],
        "dashed-and.dotted": 'kept ${verbatim("as" it is)}',
    }


def test_blocks_of_one_name_gather_and_labels_become_maps() -> None:
    text = """
ports { http = 1 }
ports = { dns = 2 }
key "a" { policy = "read" }
key "b" "c" { policy = "write" }
"""
    assert lowered(text) == {
        "ports": [{"http": 1}, {"dns": 2}],
        "key": [{"a": [{"policy": "read"}]}, {"b": [{"c": [{"policy": "write"}]}]}],
    }


def test_a_key_written_twice_lets_lists_grow_and_else_the_last_one_win() -> None:
    assert lowered('a = [1]\na = [2]\nb = "x"\nb = "y"') == {"a": [1, 2], "b": "y"}


def test_a_heredoc_keeps_its_lines_and_the_dashed_one_loses_its_indentation() -> None:
    text = "a = <<EOF\n one\n  EOF two\nEOF\nb = <<-EOF\n   one\n     two\n   EOF\n"
    assert lowered(text) == {"a": " one\n  EOF two\n", "b": "one\n  two\n"}


def test_windows_line_endings_mean_the_same() -> None:
    assert lowered("a = 1\r\nb = <<X\r\none\r\nX\r\n") == {"a": 1, "b": "one\n"}


def test_every_value_knows_its_line() -> None:
    tree = hcl.lower(hcl.parse('a = 1\n\nb {\n  c = "x"\n}\n', "a.hcl"))
    assert isinstance(tree.value, dict)
    block = tree.value["b"].single()
    assert isinstance(block.value, dict)
    assert (tree.value["a"].line, block.line, block.value["c"].line) == (1, 3, 4)


def test_statements_can_be_read_with_their_labels_as_acl_rules_need_them() -> None:
    rules = hcl.parse('key_prefix "a/" { policy = "read" }\noperator = "write"', "rules")
    assert [(item.keys, item.line) for item in rules.items] == [
        (("key_prefix", "a/"), 1),
        (("operator",), 2),
    ]


def test_free_form_settings_are_the_same_from_both_formats() -> None:
    tree = hcl.lower(hcl.parse('config { a { b = 1 } c = ["x"] d = ["x", "y"] }', "a.hcl"))
    assert unwrapped(tree) == {"config": {"a": {"b": 1}, "c": "x", "d": ["x", "y"]}}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = ", "At 1:5: unexpected end"),
        ("a {\n b = 1\n", "At 3:1: unexpected end"),
        ('a = "x', "At 1:5: literal not terminated"),
        ('\n\na = "\\d"', "At 3:5: illegal char escape"),
        ("a = 1\n!", "At 2:1: illegal char"),
        ("= 1", "At 1:1: unexpected '='"),
        ("a = [1 2]", "At 1:8: unexpected '2'"),
        ("a b = 1", "At 1:5: unexpected '='"),
        ("a = 089", "At 1:5: illegal octal number"),
        ("a = 9223372036854775808", "At 1:5: value out of range"),
        ("a = <<EOF\nx", "At 1:5: heredoc not terminated"),
        ("a = 1e999", "At 1:5: value out of range"),
        ("a = b", "At 1:5: unexpected 'b'"),
        ("true = 1", "At 1:1: unexpected 'true'"),
        ("a = 1 /* x", "At 1:7: comment not terminated"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_column(text: str, place: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        hcl.parse(text, "a.hcl")
    assert str(refusal.value).startswith(f"a.hcl: {place}")


def test_nesting_has_a_limit_and_at_the_limit_it_still_works() -> None:
    deep = hcl.DEPTH_MAX
    assert lowered("a = " + "[" * deep + "]" * deep)
    with pytest.raises(ConfigError, match="in each other"):
        hcl.parse("a = " + "[" * (deep + 1) + "]" * (deep + 1), "a.hcl")


@given(st.text(alphabet='ab=1{}[]",\\\n#/*<-. $', max_size=30))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        tree = hcl.lower(hcl.parse(text, "any"))
    except ConfigError:
        return
    assert isinstance(tree.value, dict)
