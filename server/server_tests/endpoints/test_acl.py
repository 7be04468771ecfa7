"""Rights, which are off."""

import pytest
from msgspec.structs import replace

from proconsul.endpoints.table import METHODS
from proconsul.errors import RpcError
from proconsul.model.acl import ACL, ACLRequest
from proconsul.model.acl_requests import (
    ACLPolicyResolveLegacyRequest,
    ACLReplicationStatus,
    ACLSpecificRequest,
)
from proconsul.model.query import DCSpecificRequest
from server_tests.endpoints.site import FACTS, open_site

HERE = DCSpecificRequest(datacenter="dc1")
SERVED = {"ACL.Bootstrap", "ACL.GetPolicy", "ACL.ReplicationStatus"}
AFTER_THE_DATACENTER = {
    "ACL.Apply": ACLRequest,
    "ACL.Get": ACLSpecificRequest,
    "ACL.List": DCSpecificRequest,
}
NAMES = [name for name in METHODS.names() if name.startswith("ACL.")]
REFUSED = [name for name in NAMES if name not in SERVED]


@pytest.mark.parametrize("name", REFUSED)
async def test_with_acls_off_it_says_so(name: str) -> None:
    request_type = METHODS.find(name).request
    assert request_type is not None
    with pytest.raises(RpcError, match=r"^ACL support disabled$"):
        await open_site().call(name, request_type(datacenter="dc1"))


@pytest.mark.parametrize("name", AFTER_THE_DATACENTER)
async def test_three_old_methods_look_at_the_datacenter_first(name: str) -> None:
    with pytest.raises(RpcError, match=r"^No path to datacenter$"):
        await open_site().call(name, AFTER_THE_DATACENTER[name]())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ACL.GetPolicy"])
async def test_with_acls_on_it_is_refused_by_name(name: str) -> None:
    site = open_site()
    site.context.facts = replace(FACTS, acl_enabled=True)
    request_type = METHODS.find(name).request
    assert request_type is not None
    with pytest.raises(RpcError) as caught:
        await site.call(name, request_type(datacenter="dc1"))
    assert str(caught.value) == f"{name} is not implemented by this server yet"


async def test_the_old_system_is_bootstrapped_once_even_so() -> None:
    site = open_site()
    made = await site.call("ACL.Bootstrap", HERE)
    assert made == ACL(
        id="00000000-0000-4000-8000-000000000001",
        name="Bootstrap Token",
        type="management",
        create_index=11,
        modify_index=11,
    )
    with pytest.raises(RpcError, match=r"^ACL bootstrap no longer allowed$"):
        await site.call("ACL.Bootstrap", HERE)
    known = ACLPolicyResolveLegacyRequest(datacenter="dc1", acl=made.id)
    with pytest.raises(RpcError, match=r"^ACL\.GetPolicy is not implemented"):
        await site.call("ACL.GetPolicy", known)


async def test_it_is_bootstrapped_in_the_primary_datacenter_only() -> None:
    site = open_site()
    site.context.facts = replace(FACTS, primary_datacenter="dc0")
    with pytest.raises(RpcError, match=r"^ACL support disabled$"):
        await site.call("ACL.Bootstrap", HERE)


@pytest.mark.parametrize("secret", ["", "anonymous", "x"])
async def test_an_unknown_token_has_no_policy(secret: str) -> None:
    request = ACLPolicyResolveLegacyRequest(datacenter="dc1", acl=secret)
    with pytest.raises(RpcError, match=r"^ACL not found$"):
        await open_site().call("ACL.GetPolicy", request)


async def test_nothing_is_replicated() -> None:
    assert await open_site().call("ACL.ReplicationStatus", HERE) == ACLReplicationStatus()
