"""Which pool a packet is of."""

import pytest

from proconsul.gossip import label
from proconsul.gossip.failure import LabelError, PacketError


def test_a_pool_without_a_label_has_no_header() -> None:
    assert label.header(b"") == b""
    assert label.strip(b"packet", b"") == b"packet"


@pytest.mark.parametrize("own", [b"a", b"x" * label.LABEL_BYTES_MAX])
def test_our_own_label_is_taken_off(own: bytes) -> None:
    assert label.strip(label.header(own) + b"packet", own) == b"packet"


def test_packets_of_other_pools_are_refused_in_the_peers_words() -> None:
    for found, own in ((b"abc", b""), (b"abc", b"abd"), (b"", b"abc")):
        with pytest.raises(LabelError) as caught:
            label.strip(label.header(found) + b"packet", own)
        shown = found.decode()
        assert str(caught.value) == f'discarding packet with unacceptable label "{shown}"'


def test_a_label_is_shown_without_what_would_spoil_the_log() -> None:
    with pytest.raises(LabelError) as caught:
        label.strip(label.header(b"a\n\xff\x1b") + b"packet", b"")
    assert str(caught.value).endswith(r'label "a\n\xff\x1b"')


def test_a_broken_header_is_refused() -> None:
    whole = label.header(b"abc")
    for broken in (whole[:1], whole[:2] + b"ab", b"\xf4\x00packet"):
        with pytest.raises(PacketError):
            label.strip(broken, b"abc")
    assert label.strip(whole, b"abc") == b""
