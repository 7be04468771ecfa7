"""Which files are whole snapshots, and what is counted in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from operator_tests.actions.archives import keys, mark, members, state, write
from proconsul_operator.actions.archive import ArchiveError, check, sha256_of

Files = list[tuple[str, bytes]]


def test_what_is_in_an_archive_is_counted(tmp_path: Path) -> None:
    content = state(*keys(5), (99, ["of", "a", "newer", "server"]))
    found = check(write(tmp_path / "a.snap", members(content)))
    assert (found.index, found.term, found.keys, found.total) == (7, 2, 5, 6)
    assert found.size_bytes == (tmp_path / "a.snap").stat().st_size
    assert found.sha256 == sha256_of(tmp_path / "a.snap")


def test_the_cluster_is_told_by_the_youngest_mark(tmp_path: Path) -> None:
    content = state(
        mark("proconsul-cluster:old", 3), mark("nodes", 9), mark("proconsul-cluster:new", 8)
    )
    assert check(write(tmp_path / "a.snap", members(content))).cluster_id == "new"


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    files = members(state(*keys(1)))
    assert check(write(tmp_path / "a.snap", reversed(files))).keys == 1


def without(name: str) -> Callable[[Files], Files]:
    return lambda files: [each for each in files if each[0] != name]


def with_content(name: str, content: bytes) -> Callable[[Files], Files]:
    return lambda files: [(each, content if each == name else held) for each, held in files]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("SHA256SUMS"), "SHA256SUMS is missing"),
        (without("meta.json"), "meta.json is missing"),
        (without("state.bin"), "state.bin is missing"),
        (with_content("state.bin", state(*keys(2))), "state.bin is not what SHA256SUMS says"),
        (with_content("meta.json", b"{}"), "meta.json is not what SHA256SUMS says"),
        (with_content("SHA256SUMS", b""), "is not what SHA256SUMS says"),
        (lambda files: [*files, ("more", b"")], "'more' does not belong"),
        (lambda files: [*files, files[0]], "meta.json is there twice"),
        (lambda files: [*files, files[1]], "state.bin is there twice"),
    ],
)
def test_a_spoiled_archive_is_none(
    tmp_path: Path, spoil: Callable[[Files], Files], said: str
) -> None:
    path = write(tmp_path / "a.snap", spoil(members(state(*keys(1)))))
    with pytest.raises(ArchiveError, match=said):
        check(path)


def test_a_state_that_is_cut_off_is_none_even_with_right_sums(tmp_path: Path) -> None:
    path = write(tmp_path / "a.snap", members(state(*keys(3))[:-2]))
    with pytest.raises(ArchiveError, match="what follows record 2 is none"):
        check(path)


@pytest.mark.parametrize(
    ("meta", "said"),
    [({"Index": 0}, "index is 0"), ({"Size": 1}, "says 1"), ({"Term": None}, "is not one")],
)
def test_meta_data_that_cannot_be_are_refused(
    tmp_path: Path, meta: dict[str, object], said: str
) -> None:
    path = write(tmp_path / "a.snap", members(state(*keys(1)), **meta))
    with pytest.raises(ArchiveError, match=said):
        check(path)


def test_an_empty_state_is_none(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is empty"):
        check(write(tmp_path / "a.snap", members(b"")))


def test_every_cut_of_a_file_is_found(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.snap", members(state(*keys(50)))).read_bytes()
    for length in range(0, len(whole) - 8, 37):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ArchiveError):
            check(tmp_path / "cut")
