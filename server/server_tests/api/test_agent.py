"""The agent itself over HTTP: members, tokens, log, and refusals in Consul's words."""

from pathlib import Path

import pytest

from proconsul.api.http import Response
from server_tests.api.agent_desk import desk


async def test_members_are_told_in_the_form_of_serf(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.read("/v1/agent/members") == [
            {
                "Name": "n1",
                "Addr": "127.0.0.1",
                "Port": 8301,
                "Tags": {"dc": "dc1", "role": "consul"},
                "Status": 1,
                "ProtocolMin": 1,
                "ProtocolMax": 5,
                "ProtocolCur": 2,
                "DelegateMin": 2,
                "DelegateMax": 5,
                "DelegateCur": 4,
            }
        ]
        own = await at.read("/v1/agent/self")
        assert own["Member"]["Name"] == "n1"


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("members?segment=x", 500, "Network segments are not supported in this version of Consul"),
        ("members?wan=1&segment=x", 400, "Cannot provide a segment with wan=true"),
        ("monitor?loglevel=loud", 400, "Bad request: Unknown log level: loud"),
        (
            "services?ns=a",
            400,
            'Bad request: Invalid query parameter: "ns" - Namespaces are a '
            "Consul Enterprise feature",
        ),
    ],
)
async def test_a_bad_question_is_refused(
    tmp_path: Path, target: str, status: int, text: str
) -> None:
    async with desk(tmp_path) as at:
        assert await at.ask("GET", f"/v1/agent/{target}") == (status, text)


async def test_what_the_process_refuses_reaches_the_client(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.ask("PUT", "/v1/agent/reload") == (
            500,
            "bind_addr: invalid ip address: x",
        )
        assert await at.ask("PUT", "/v1/agent/join/h:1?wan=1") == (500, "cannot join h:1 True")
        assert await at.ask("PUT", "/v1/agent/force-leave/x") == (
            500,
            "agent: No node found with name 'x'",
        )


async def test_a_monitor_gets_lines_of_its_level_as_they_come(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        response = await at.response("GET", "/v1/agent/monitor?loglevel=debug&logjson")
        assert isinstance(response, Response)
        assert not isinstance(response.body, bytes)
        assert [piece async for piece in response.body] == [b"DEBUG True\n"]


async def test_tokens_are_set_by_new_and_by_old_names(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.ask("PUT", "/v1/agent/token/acl_agent_token", {"Token": "t"}) == (200, "")
        assert await at.ask("PUT", "/v1/agent/token/default", {"Token": "d"}) == (200, "")
        assert at.process.tokens == {"agent": "t", "default": "d"}
        assert await at.ask("PUT", "/v1/agent/token/x", {}) == (404, 'Token "x" is unknown')
        assert await at.ask("PUT", "/v1/agent/token/agent", {"Token": 5}) == (
            400,
            "Request decode failed: json: cannot unmarshal number into Go struct field "
            "AgentToken.Token of type string",
        )


async def test_without_acls_there_are_no_tokens_to_set(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.api.facts = type(at.api.facts)(
            **{
                name: getattr(at.api.facts, name)
                for name in at.api.facts.__struct_fields__
                if name != "acl_enabled"
            },
            acl_enabled=False,
        )
        assert await at.ask("PUT", "/v1/agent/token/default", "{") == (401, "ACL support disabled")
