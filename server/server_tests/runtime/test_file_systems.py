"""What the kernel's list of mounts says about a device."""

from pathlib import Path

import pytest

from proconsul.runtime import file_systems
from proconsul.runtime.file_systems import kind_of, writes_in_place

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
30 27 254:16 /a /with\040space rw,noatime - xfs /dev/vdb rw,attr2
31 27 0:44 / /merged rw - overlay overlay rw,lowerdir=/l
"""


@pytest.mark.parametrize(
    ("major", "minor", "kind"),
    [(254, 0, "ext4"), (254, 16, "xfs"), (0, 44, "overlay"), (254, 1, ""), (4, 0, "")],
)
def test_a_device_is_told_by_its_number(major: int, minor: int, kind: str) -> None:
    assert kind_of(MOUNTS, major, minor) == kind


def test_where_there_is_no_list_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_systems, "_MOUNTS", tmp_path / "missing")
    assert not writes_in_place(tmp_path)


def test_process_information_is_not_written_in_place() -> None:
    assert not writes_in_place(Path("/proc"))
