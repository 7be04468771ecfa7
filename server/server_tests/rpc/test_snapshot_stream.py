"""Connections that save and restore snapshots, as captured."""

import pytest

from proconsul.rpc.snapshot_stream import (
    HEAD_BYTES_MAX,
    HeadReader,
    SnapshotOp,
    SnapshotRequest,
    SnapshotResponse,
)
from proconsul.rpc.value_reader import ValueTooLargeError
from proconsul.wire.gostruct import encode
from server_tests.rpc.captured import GOLDEN

GZIP = b"\x1f\x8b"


@pytest.mark.parametrize(
    ("name", "op", "archive_bytes"),
    [("snapshot-save.1", SnapshotOp.SAVE, 0), ("snapshot-restore.2", SnapshotOp.RESTORE, 2927)],
)
def test_the_captured_requests_are_understood(name: str, op: int, archive_bytes: int) -> None:
    data = (GOLDEN / f"{name}.c2s.bin").read_bytes()
    assert data[0] == 5
    head = HeadReader(SnapshotRequest).feed(data[1:])
    assert head is not None
    request, archive = head
    assert request == SnapshotRequest(datacenter="dc1", op=op)
    assert len(archive) == archive_bytes
    assert archive[:2] == (GZIP if archive_bytes else b"")
    assert encode(request) + archive == data[1:]


@pytest.mark.parametrize(
    ("name", "index", "archive_bytes"),
    [("snapshot-save.1", 44, 2927), ("snapshot-restore.2", 0, 0)],
)
def test_the_captured_responses_are_understood(name: str, index: int, archive_bytes: int) -> None:
    data = (GOLDEN / f"{name}.s2c.bin").read_bytes()
    head = HeadReader(SnapshotResponse).feed(data)
    assert head is not None
    response, archive = head
    assert response == SnapshotResponse(index=index, known_leader=index > 0)
    assert len(archive) == archive_bytes
    assert encode(response) + archive == data


@pytest.mark.parametrize("cut", range(1, 40))
def test_the_head_may_come_in_pieces(cut: int) -> None:
    data = encode(SnapshotRequest(datacenter="dc1")) + b"archive"
    reader = HeadReader(SnapshotRequest)
    head = reader.feed(data[:cut]) or reader.feed(data[cut:])
    assert head is not None
    assert head[0] == SnapshotRequest(datacenter="dc1")
    assert b"archive".startswith(head[1])


def test_a_head_has_a_limit() -> None:
    around_bytes = len(encode(SnapshotRequest(token="x" * 300))) - 300
    token = "x" * (HEAD_BYTES_MAX - around_bytes)
    head = HeadReader(SnapshotRequest).feed(encode(SnapshotRequest(token=token)))
    assert head == (SnapshotRequest(token=token), b"")
    with pytest.raises(ValueTooLargeError):
        HeadReader(SnapshotRequest).feed(encode(SnapshotRequest(token=token + "x")))
