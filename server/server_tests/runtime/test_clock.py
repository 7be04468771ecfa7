"""Time and chance, the real ones."""

import uuid

from proconsul.runtime.clock import RealWorld


def test_ids_are_random_uuids_as_the_library_reads_them() -> None:
    world = RealWorld()
    texts = [world.new_uuid() for _ in range(200)]
    for text in texts:
        read = uuid.UUID(text)
        assert str(read) == text
        assert (read.version, read.variant) == (4, uuid.RFC_4122)
    assert len(set(texts)) == len(texts)
