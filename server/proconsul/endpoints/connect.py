"""`ConnectCA.*` and `DiscoveryChain.Get`: the certificates and the ways of the mesh.

With Connect off they say so; with it on they are not served here yet, and a leader that can is
asked as ever.
"""

from proconsul.endpoints.blocking import check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Feature, Method, NotImplementedHereError, missing_features
from proconsul.errors import RpcError
from proconsul.model.connect_ca import (
    CAConfiguration,
    CARequest,
    CASignRequest,
    IndexedCARoots,
    IssuedCert,
)
from proconsul.model.discovery_chain import DiscoveryChainRequest, DiscoveryChainResponse
from proconsul.model.query import DCSpecificRequest


async def configuration_get(context: Context, request: DCSpecificRequest) -> CAConfiguration:
    """`ConnectCA.ConfigurationGet`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("ConnectCA.ConfigurationGet")


async def configuration_set(context: Context, request: CARequest) -> None:
    """`ConnectCA.ConfigurationSet`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("ConnectCA.ConfigurationSet")


async def roots(context: Context, request: DCSpecificRequest) -> IndexedCARoots:
    """`ConnectCA.Roots`."""
    # Here alone Consul looks at the datacenter first.
    check_datacenter(context, request.datacenter)
    if Feature.CONNECT in missing_features(context.facts):
        raise RpcError(Feature.CONNECT.value)
    raise NotImplementedHereError("ConnectCA.Roots")


async def sign(context: Context, request: CASignRequest) -> IssuedCert:
    """`ConnectCA.Sign`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("ConnectCA.Sign")


async def sign_intermediate(context: Context, request: CASignRequest) -> str:
    """`ConnectCA.SignIntermediate`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("ConnectCA.SignIntermediate")


async def discovery_chain(
    context: Context, request: DiscoveryChainRequest
) -> DiscoveryChainResponse:
    """`DiscoveryChain.Get`."""
    check_datacenter(context, request.datacenter)
    raise NotImplementedHereError("DiscoveryChain.Get")


METHODS = {
    "ConnectCA.ConfigurationGet": Method(
        DCSpecificRequest, configuration_get, read=True, needs=Feature.CONNECT
    ),
    "ConnectCA.ConfigurationSet": Method(CARequest, configuration_set, needs=Feature.CONNECT),
    "ConnectCA.Roots": Method(DCSpecificRequest, roots, read=True),
    "ConnectCA.Sign": Method(CASignRequest, sign, needs=Feature.CONNECT),
    "ConnectCA.SignIntermediate": Method(CASignRequest, sign_intermediate, needs=Feature.CONNECT),
    "DiscoveryChain.Get": Method(
        DiscoveryChainRequest, discovery_chain, read=True, needs=Feature.CONNECT
    ),
}
