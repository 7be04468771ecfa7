"""What an agent without a certificate may ask for (first byte 7): a certificate, its settings.

These two are in a table of their own: on other connections they are unknown, and there nothing
else is known (wire/rpc.md section 1). Neither is served here yet.
"""

from proconsul.endpoints.blocking import check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Feature, Method, NotImplementedHereError
from proconsul.errors import RpcError
from proconsul.model.auto_config import AutoConfigRequest
from proconsul.model.connect_ca import CASignRequest
from proconsul.wire.golang import quote


async def sign(context: Context, request: CASignRequest) -> None:
    """`AutoEncrypt.Sign`: a certificate for an agent."""
    if not context.facts.auto_encrypt_allow_tls:
        raise RpcError("AutoEncrypt.AllowTLS must be enabled in order to use this endpoint")
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("AutoEncrypt.Sign")


async def initial_configuration(context: Context, request: AutoConfigRequest) -> None:
    """`AutoConfig.InitialConfiguration`: settings for an agent; they are never given here."""
    if request.datacenter not in ("", context.facts.datacenter):
        raise RpcError(
            f"invalid datacenter {quote(request.datacenter)} - agent auto configuration cannot "
            "target a remote datacenter"
        )
    raise RpcError("Auto Config is disabled")


METHODS = {
    "AutoEncrypt.Sign": Method(CASignRequest, sign, local=True, needs=Feature.CONNECT),
    "AutoConfig.InitialConfiguration": Method(AutoConfigRequest, initial_configuration, local=True),
}
