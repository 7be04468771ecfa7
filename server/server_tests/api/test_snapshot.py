"""`PUT /v1/snapshot` with a name: done once, and the second answer says so."""

import json
from pathlib import Path

import pytest

from server_tests.api.agent_desk import desk


async def test_a_restore_with_a_name_tells_whether_it_was_done_before(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for already in (False, True):
            status, body = await at.ask("PUT", "/v1/snapshot?restore-uid=a-1")
            assert status == 200
            assert json.loads(body) == {"RestoreUID": "a-1", "AlreadyApplied": already}


async def test_a_restore_without_a_name_answers_as_consul_does(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.ask("PUT", "/v1/snapshot") == (200, "")
        assert await at.ask("PUT", "/v1/snapshot") == (200, "")
        assert at.process.restores == ["", ""]


@pytest.mark.parametrize("name", ["", "a%20b", "a/b", "a:b", "x" * 65, "a%00"])
async def test_a_name_that_is_no_name_is_refused_before_anything_is_done(
    name: str, tmp_path: Path
) -> None:
    async with desk(tmp_path) as at:
        status, body = await at.ask("PUT", f"/v1/snapshot?restore-uid={name}")
        assert (status, body) == (400, "restore-uid must be 1 to 64 letters, digits and hyphens")
        assert at.process.restores == []


async def test_the_longest_name_is_taken(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        status, _ = await at.ask("PUT", f"/v1/snapshot?restore-uid={'x' * 64}")
        assert status == 200
