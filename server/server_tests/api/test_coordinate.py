"""`/v1/coordinate/` and `/v1/status/`."""

import pytest
from msgspec import structs

from proconsul.fsm.commands import MessageType
from server_tests.endpoints.site import Site, open_site

HERE = {"Vec": [0.25, 0, 0, 0, 0, 0, 0, 0], "Error": 1.5, "Adjustment": 0, "Height": 1e-05}


async def place(site: Site, node: str, segment: str = "") -> None:
    await site.ask("PUT", "/v1/catalog/register", {"Node": node, "Address": "10.0.0.2"})
    body = {"Node": node, "Segment": segment, "Coord": HERE}
    reply = await site.ask("PUT", "/v1/coordinate/update", body)
    assert (reply.status, reply.body) == (200, b"")
    for batch in site.context.coordinates.take():
        await site.log.propose(MessageType.COORDINATE_BATCH_UPDATE, [*batch])


async def test_a_coordinate_is_there_once_its_batch_is() -> None:
    site = open_site()
    await place(site, "n2")
    reply = await site.ask("GET", "/v1/coordinate/node/n2")
    assert reply.text == (
        '[{"Node":"n2","Segment":"","Coord":{"Vec":[0.25,0,0,0,0,0,0,0],'
        '"Error":1.5,"Adjustment":0,"Height":0.00001}}]'
    )
    assert (await site.ask("GET", "/v1/coordinate/nodes")).body == reply.body


async def test_a_segment_shows_its_own_nodes() -> None:
    site = open_site()
    await place(site, "n2")
    await place(site, "n3", segment="alpha")

    async def nodes(query: str) -> list[str]:
        rows = (await site.ask("GET", f"/v1/coordinate/nodes{query}")).json()
        return [row["Node"] for row in rows]

    assert await nodes("") == ["n2", "n3"]
    assert await nodes("?segment=alpha") == ["n3"]
    assert await nodes("?segment=") == ["n2"]
    assert (await site.ask("GET", "/v1/coordinate/node/n2?segment=alpha")).status == 404


async def test_an_unknown_node_is_not_found() -> None:
    reply = await open_site().ask("GET", "/v1/coordinate/node/none")
    assert (reply.status, reply.body) == (404, b"")
    assert "X-Consul-Index" not in reply.headers


@pytest.mark.parametrize(
    ("coord", "text"),
    [
        ({}, "incompatible coordinate"),
        ({"Vec": [1, 2]}, "incompatible coordinate"),
        (None, "invalid coordinate"),
    ],
)
async def test_coordinates_of_another_space_are_refused(coord: object, text: str) -> None:
    reply = await open_site().ask("PUT", "/v1/coordinate/update", {"Node": "n", "Coord": coord})
    assert (reply.status, reply.text) == (500, text)


async def test_the_datacenter_has_this_server() -> None:
    [one] = (await open_site().ask("GET", "/v1/coordinate/datacenters")).json()
    assert (one["Datacenter"], one["AreaID"]) == ("dc1", "wan")
    assert [row["Node"] for row in one["Coordinates"]] == ["n1"]


async def test_coordinates_can_be_switched_off() -> None:
    site = open_site()
    site.api.facts = structs.replace(site.api.facts, coordinates_enabled=False)
    for method, path in (
        ("GET", "datacenters"),
        ("GET", "nodes"),
        ("GET", "node/n1"),
        ("PUT", "update"),
    ):
        reply = await site.ask(method, f"/v1/coordinate/{path}")
        assert (reply.status, reply.text) == (401, "Coordinate support disabled")


async def test_status_names_the_leader_and_the_servers() -> None:
    site = open_site()
    assert (await site.ask("GET", "/v1/status/leader")).json() == "127.0.0.1:8300"
    assert (await site.ask("GET", "/v1/status/peers")).json() == ["127.0.0.1:8300"]
    reply = await site.ask("GET", "/v1/status/leader?dc=other")
    assert (reply.status, reply.text) == (500, "No path to datacenter")
