"""What agents without a certificate are told."""

import pytest
from msgspec.structs import replace

from proconsul.endpoints.context import Facts
from proconsul.endpoints.table import INSECURE_METHODS
from proconsul.errors import RpcError
from proconsul.model.auto_config import AutoConfigRequest
from proconsul.model.connect_ca import CASignRequest
from proconsul.wire.gostruct import GoStruct
from server_tests.endpoints.site import FACTS, open_site

READY = replace(FACTS, auto_encrypt_allow_tls=True)


async def refusal(facts: Facts, name: str, request: GoStruct) -> str:
    context = open_site().context
    context.facts = facts
    with pytest.raises(RpcError) as caught:
        await INSECURE_METHODS.call(context, name, request)
    return str(caught.value)


@pytest.mark.parametrize(
    ("facts", "datacenter", "words"),
    [
        (
            replace(READY, connect_enabled=False),
            "mars",
            "Connect must be enabled in order to use this endpoint",
        ),
        (FACTS, "mars", "AutoEncrypt.AllowTLS must be enabled in order to use this endpoint"),
        (READY, "mars", "No path to datacenter"),
        (READY, "dc1", "AutoEncrypt.Sign is not implemented by this server yet"),
    ],
)
async def test_nobody_is_given_a_certificate(facts: Facts, datacenter: str, words: str) -> None:
    request = CASignRequest(datacenter=datacenter, csr="x")
    assert await refusal(facts, "AutoEncrypt.Sign", request) == words


@pytest.mark.parametrize(
    ("datacenter", "words"),
    [
        ("", "Auto Config is disabled"),
        ("dc1", "Auto Config is disabled"),
        (
            "mars",
            'invalid datacenter "mars" - agent auto configuration cannot target a remote '
            "datacenter",
        ),
    ],
)
async def test_nobody_is_given_settings(datacenter: str, words: str) -> None:
    request = AutoConfigRequest(datacenter=datacenter)
    assert await refusal(FACTS, "AutoConfig.InitialConfiguration", request) == words
