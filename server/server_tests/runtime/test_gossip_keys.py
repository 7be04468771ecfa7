"""The keys of a start: a list that is kept by others, else the keyring, else one key."""

import random
from pathlib import Path

import pytest

from proconsul.config.failure import ConfigError
from proconsul.gossip.key_rotation import in_base64
from proconsul.runtime.gossip_files import GossipFiles
from proconsul.runtime.gossip_keys import load_ring
from server_tests.sim.disk import SimDisk

OLD, NEW, OTHER = (in_base64(bytes([number]) * 32) for number in range(3))


def files() -> GossipFiles:
    return GossipFiles("/data/serf", SimDisk(random.Random(1).randrange))


def keys(kept: GossipFiles, encrypt: str, keys_file: Path | str = "") -> list[str]:
    ring = load_ring(kept, encrypt, str(keys_file))
    held = () if ring is None else ring.keys()
    return [in_base64(key) for key in held]


def test_the_first_start_has_one_key_and_the_next_one_the_keyring() -> None:
    kept = files()
    assert keys(kept, "") == []
    assert keys(kept, OLD) == [OLD]
    assert keys(kept, NEW) == [OLD]


def test_who_begins_in_the_middle_of_a_rotation_has_both_keys(tmp_path: Path) -> None:
    listed = tmp_path / "keys"
    listed.write_text(f"{OLD}\n{NEW}\n")
    assert keys(files(), OLD, listed) == [OLD, NEW]


def test_who_comes_back_after_a_rotation_has_the_new_key_alone(tmp_path: Path) -> None:
    listed, kept = tmp_path / "keys", files()
    kept.keep_keyring([OLD])
    listed.write_text(f"{NEW}\n")
    assert keys(kept, NEW, listed) == [NEW]
    assert keys(kept, OLD) == [NEW], "it is in the keyring, for who starts without the list"


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_list_is_none(tmp_path: Path, content: str) -> None:
    listed, kept = tmp_path / "keys", files()
    listed.write_text(content)
    kept.keep_keyring([OTHER])
    assert keys(kept, NEW, listed) == [OTHER]


def test_a_list_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert keys(files(), NEW, tmp_path / "keys") == [NEW]


@pytest.mark.parametrize("content", ["c2hvcnQ=\n", "not base64!\n", "ключ\n"])
def test_a_list_with_what_is_no_key_is_refused_by_its_name(tmp_path: Path, content: str) -> None:
    listed, kept = tmp_path / "keys", files()
    listed.write_text(content, encoding="utf-8")
    kept.keep_keyring([OLD])
    with pytest.raises(ConfigError, match=str(listed)):
        keys(kept, OLD, listed)
    assert keys(kept, OLD) == [OLD]
