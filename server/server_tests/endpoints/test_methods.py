"""The method table as a whole."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from proconsul.endpoints.methods import Feature, missing_features
from proconsul.endpoints.table import INSECURE_METHODS, METHODS
from proconsul.errors import RpcError
from proconsul.model.acl_requests import ACLTokenGetRequest
from server_tests.endpoints.site import FACTS, open_site

CONSUL_METHODS = (
    (Path(__file__).parent.parent / "golden" / "rpc" / "methods-1.8.7.txt").read_text().split()
)
INSECURE = {"AutoEncrypt.Sign", "AutoConfig.InitialConfiguration"}


def test_every_method_of_consul_is_in_a_table() -> None:
    assert len(CONSUL_METHODS) == 110
    assert set(CONSUL_METHODS) - INSECURE - set(METHODS.names()) == set()
    assert set(INSECURE_METHODS.names()) == INSECURE
    assert not INSECURE & set(METHODS.names())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Internal.ServiceTopology", "rpc: can't find method Internal.ServiceTopology"),
        ("Catalog.VirtualIPForService", "rpc: can't find method Catalog.VirtualIPForService"),
        ("AutoEncrypt.Sign", "rpc: can't find service AutoEncrypt.Sign"),
        ("Peering.List", "rpc: can't find service Peering.List"),
        ("KVS.Get.More", "rpc: can't find service KVS.Get.More"),
        ("KVS.", "rpc: can't find method KVS."),
        ("zork", "rpc: service/method request ill-formed: zork"),
    ],
)
def test_what_is_unknown_is_refused_in_the_words_of_net_rpc(name: str, words: str) -> None:
    with pytest.raises(RpcError) as caught:
        METHODS.find(name)
    assert str(caught.value) == words


def test_a_method_of_the_secure_table_is_unknown_without_a_certificate() -> None:
    with pytest.raises(RpcError, match=r"^rpc: can't find service KVS\.Get$"):
        INSECURE_METHODS.find("KVS.Get")


async def test_what_is_switched_off_is_refused_before_the_datacenter_is_looked_at() -> None:
    site = open_site()
    request = ACLTokenGetRequest(datacenter="mars")
    with pytest.raises(RpcError, match=r"^ACL support disabled$"):
        await site.call("ACL.TokenRead", request)
    site.context.facts = replace(FACTS, acl_enabled=True)
    with pytest.raises(RpcError, match=r"^No path to datacenter$"):
        await site.call("ACL.TokenRead", request)


def test_features_are_missing_where_they_are_off() -> None:
    assert missing_features(replace(FACTS, acl_enabled=True)) == frozenset()
    assert missing_features(replace(FACTS, connect_enabled=False)) == frozenset(Feature)
