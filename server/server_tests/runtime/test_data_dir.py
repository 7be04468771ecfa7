"""The data directory and the ID that lives in it."""

import errno
from pathlib import Path

import pytest

from proconsul.runtime.data_dir import DataDir, DataDirError, no_room, says_full

ID = "11111111-2222-3333-4444-555555555555"


def test_the_first_start_makes_an_id_and_the_next_finds_it(tmp_path: Path) -> None:
    data = DataDir(str(tmp_path / "new" / "data"))
    data.prepare()
    made = data.load_node_id("")
    assert DataDir(data.root).load_node_id("") == made
    assert sorted(path.name for path in Path(data.root).iterdir()) == ["node-id"]


def test_an_id_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    data = DataDir(str(tmp_path))
    assert data.load_node_id(ID) == ID
    assert data.load_node_id("") == ID
    assert data.load_node_id(ID.upper()) == ID


def test_another_id_than_the_datas_is_refused(tmp_path: Path) -> None:
    data = DataDir(str(tmp_path))
    data.load_node_id(ID)
    with pytest.raises(DataDirError, match=f"belongs to node-id {ID}, not to"):
        data.load_node_id(ID.replace("1", "9"))


@pytest.mark.parametrize("content", [b"", b"no uuid", b"\xff\xfe\x00"])
def test_a_file_without_an_id_is_refused(tmp_path: Path, content: bytes) -> None:
    data = DataDir(str(tmp_path))
    Path(data.node_id).write_bytes(content)
    with pytest.raises(DataDirError, match="holds no UUID: restore it from a backup"):
        data.load_node_id("")


def test_a_folder_that_is_a_file_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirError, match="Create it, or make it writable"):
        DataDir(str(tmp_path / "file")).prepare()


def test_a_full_disk_has_a_text_of_its_own() -> None:
    assert says_full(OSError(errno.ENOSPC, "x"))
    assert not says_full(OSError(errno.EACCES, "x"))
    assert "Make some room" in str(no_room("/data"))
