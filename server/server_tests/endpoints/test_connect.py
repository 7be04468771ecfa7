"""The mesh, which is off or not served yet."""

import pytest
from msgspec.structs import replace

from proconsul.endpoints.connect import METHODS
from proconsul.errors import RpcError
from server_tests.endpoints.site import FACTS, Site, open_site

OFF = "Connect must be enabled in order to use this endpoint"


def without_connect() -> Site:
    site = open_site()
    site.context.facts = replace(FACTS, connect_enabled=False)
    return site


async def refusal(site: Site, name: str, datacenter: str) -> str:
    request_type = METHODS[name].request
    assert request_type is not None
    with pytest.raises(RpcError) as caught:
        await site.call(name, request_type(datacenter=datacenter))
    return str(caught.value)


@pytest.mark.parametrize("name", METHODS)
async def test_with_connect_off_it_says_so(name: str) -> None:
    assert await refusal(without_connect(), name, "dc1") == OFF


@pytest.mark.parametrize("name", METHODS)
async def test_only_roots_look_at_the_datacenter_before_that(name: str) -> None:
    wanted = "No path to datacenter" if name == "ConnectCA.Roots" else OFF
    assert await refusal(without_connect(), name, "mars") == wanted


@pytest.mark.parametrize("name", METHODS)
async def test_with_connect_on_it_is_refused_by_name(name: str) -> None:
    words = f"{name} is not implemented by this server yet"
    assert await refusal(open_site(), name, "dc1") == words
    assert await refusal(open_site(), name, "") == "No path to datacenter"
