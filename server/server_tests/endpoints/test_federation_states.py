"""What datacenters tell of their gateways."""

import asyncio

import pytest
from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.catalog import CheckServiceNode, Node, NodeService
from proconsul.model.federation_state import (
    FederationState,
    FederationStateQuery,
    FederationStateRequest,
    FederationStateResponse,
    IndexedFederationStates,
)
from proconsul.model.query import DCSpecificRequest
from proconsul.wire.golang import ZERO_TIME, time_from_unix_ns
from server_tests.endpoints.site import FACTS, Site, open_site

HERE = DCSpecificRequest(datacenter="dc1")
GATEWAY = CheckServiceNode(node=Node(node="gw"), service=NodeService(service="gw"))


async def put(site: Site, state: FederationState | None, op: str = "upsert") -> bool:
    request = FederationStateRequest(datacenter="mars", op=op, state=state)
    done: bool = await site.call("FederationState.Apply", request)
    return done


async def get(site: Site, datacenter: str) -> FederationStateResponse:
    request = FederationStateQuery(datacenter=datacenter, target_datacenter="dc1")
    found: FederationStateResponse = await site.call("FederationState.Get", request)
    return found


async def listed(site: Site) -> list[str]:
    found: IndexedFederationStates = await site.call("FederationState.List", HERE)
    return [state.datacenter for state in found.states or ()]


async def test_a_state_is_kept_with_the_time_at_which_it_came() -> None:
    site = open_site()
    assert await put(site, FederationState(datacenter="dc2"))
    state = (await get(site, "DC2")).state
    assert state is not None
    assert state.updated_at not in (ZERO_TIME, b"")
    assert (state.create_index, state.modify_index, state.primary_modify_index) == (11, 11, 11)
    then = time_from_unix_ns(5)
    assert await put(site, FederationState(datacenter="dc2", updated_at=then))
    state = (await get(site, "dc2")).state
    assert state is not None
    assert (state.updated_at, state.create_index, state.modify_index) == (then, 11, 12)


async def test_states_are_listed_and_deleted() -> None:
    site = open_site()
    for name in ("dc3", "dc2"):
        await put(site, FederationState(datacenter=name))
    assert await listed(site) == ["dc2", "dc3"]
    for _ in range(2):
        assert not await put(site, FederationState(datacenter="dc2"), "delete")
    assert await listed(site) == ["dc3"]
    assert (await get(site, "dc2")).state is None


async def test_only_datacenters_with_gateways_are_told_with_them() -> None:
    site = open_site()
    await put(site, FederationState(datacenter="dc2", mesh_gateways=[GATEWAY]))
    await put(site, FederationState(datacenter="dc3", mesh_gateways=[]))
    found = await site.call("FederationState.ListMeshGateways", HERE)
    assert found.datacenter_nodes == {"dc2": [GATEWAY]}


@pytest.mark.parametrize(
    ("state", "op", "words"),
    [
        (None, "upsert", "invalid request: missing federation state datacenter"),
        (FederationState(), "zork", "invalid request: missing federation state datacenter"),
        (FederationState(datacenter="dc2"), "", "Invalid federation state operation: "),
        (FederationState(datacenter="dc2"), "zork", "Invalid federation state operation: zork"),
    ],
)
async def test_what_is_wrong_never_gets_into_the_log(
    state: FederationState | None, op: str, words: str
) -> None:
    site = open_site()
    with pytest.raises(RpcError) as caught:
        await put(site, state, op)
    assert str(caught.value) == words
    assert site.log.proposed == []


async def test_it_is_written_in_the_primary_datacenter_only() -> None:
    site = open_site()
    site.context.facts = replace(FACTS, primary_datacenter="dc0")
    with pytest.raises(RpcError, match=r"^No path to datacenter$"):
        await put(site, FederationState(datacenter="dc1"))


async def test_one_state_is_waited_for_and_others_do_not_wake() -> None:
    site = open_site()
    await put(site, FederationState(datacenter="dc2"))
    request = FederationStateQuery(datacenter="dc2", target_datacenter="dc1", min_query_index=11)
    waiting = asyncio.ensure_future(site.call("FederationState.Get", request))
    await asyncio.sleep(1)
    await put(site, FederationState(datacenter="dc3"))
    await asyncio.sleep(1)
    assert not waiting.done()
    await put(site, FederationState(datacenter="dc2", mesh_gateways=[GATEWAY]))
    assert (await waiting).state.mesh_gateways == [GATEWAY]
