"""The nearest come first."""

import math

from proconsul.endpoints.nearness import Segments, between_s, estimated_s
from proconsul.fsm.commands import MessageType
from proconsul.model.catalog import IndexedNodes, RegisterRequest
from proconsul.model.coordinate import Coordinate, NetworkCoordinate
from proconsul.model.query import DCSpecificRequest, QuerySource
from server_tests.endpoints.site import Site, open_site


def at(x: float, *, adjustment: float = 0.0, height: float = 0.0) -> NetworkCoordinate:
    return NetworkCoordinate(vec=[x, 0.0], error=1.5, adjustment=adjustment, height=height)


def test_the_distance_is_the_way_and_both_heights() -> None:
    assert estimated_s(at(0.0, height=0.5), at(3.0, height=0.25)) == 3.75


def test_an_adjustment_below_nothing_is_left_aside() -> None:
    assert estimated_s(at(0.0, adjustment=-1.0), at(3.0)) == 2.0
    assert estimated_s(at(0.0, adjustment=-5.0), at(3.0)) == 3.0


def test_coordinates_of_other_dimensions_are_infinitely_far() -> None:
    assert estimated_s(at(0.0), NetworkCoordinate(vec=[0.0])) == math.inf


def test_a_client_is_compared_in_its_own_segment() -> None:
    server: Segments = {"": at(0.0), "alpha": at(1.0)}
    assert between_s(server, {"alpha": at(3.0)}) == 2.0
    assert between_s({"alpha": at(3.0)}, server) == 2.0
    one: Segments = {"alpha": at(3.0)}
    other: Segments = {"beta": at(3.0)}
    assert between_s(one, other) == math.inf


async def near(site: Site, node: str, datacenter: str = "dc1") -> list[str]:
    request = DCSpecificRequest(
        datacenter="dc1", source=QuerySource(datacenter=datacenter, node=node)
    )
    found: IndexedNodes = await site.call("Catalog.ListNodes", request)
    return [row.node for row in found.nodes or ()]


async def test_what_is_unknown_comes_last_in_its_own_order() -> None:
    site = open_site()
    for node in ("a", "b", "c", "d", "e"):
        await site.call(
            "Catalog.Register", RegisterRequest(datacenter="dc1", node=node, address="10.0.0.1")
        )
    places = {"b": 5.0, "d": 1.0, "e": 3.0}
    updates = [Coordinate(node=node, coord=at(x)) for node, x in places.items()]
    await site.log.propose(MessageType.COORDINATE_BATCH_UPDATE, [*updates])

    assert await near(site, "d") == ["d", "e", "b", "a", "c"]
    assert await near(site, "b") == ["b", "e", "d", "a", "c"]
    # Nothing to measure from, or in a space of its own.
    for node, datacenter in (("a", "dc1"), ("none", "dc1"), ("", "dc1"), ("d", "dc2")):
        assert await near(site, node, datacenter) == ["a", "b", "c", "d", "e"]
