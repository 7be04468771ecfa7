"""The certificate authority of the mesh."""

from typing import Any, ClassVar

from proconsul.model.query import QueryMeta, WriteRequest
from proconsul.wire.golang import ZERO_TIME, Time
from proconsul.wire.gostruct import GoStruct


class CARoot(GoStruct, frozen=True, kw_only=True):
    """A root certificate of the mesh."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"signing_cert", "signing_key"})
    json_skip: ClassVar[frozenset[str]] = frozenset({"rotated_out_at"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    name: str = ""
    serial_number: int = 0
    signing_key_id: str = ""
    external_trust_domain: str = ""
    not_before: Time = ZERO_TIME
    not_after: Time = ZERO_TIME
    root_cert: str = ""
    intermediate_certs: list[str] | None = None
    signing_cert: str = ""
    signing_key: str = ""
    active: bool = False
    rotated_out_at: Time = ZERO_TIME
    private_key_type: str = ""
    private_key_bits: int = 0
    create_index: int = 0
    modify_index: int = 0


class CAConfiguration(GoStruct, frozen=True, kw_only=True):
    """Which provider signs the mesh's certificates, and how."""

    json_skip: ClassVar[frozenset[str]] = frozenset({"cluster_id"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    cluster_id: str = ""
    provider: str = ""
    config: dict[str, Any] | None = None
    state: dict[str, str] | None = None
    force_without_cross_signing: bool = False
    create_index: int = 0
    modify_index: int = 0


class CAConsulProviderState(GoStruct, frozen=True, kw_only=True):
    """The keys of the builtin provider."""

    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    id: str = ""
    private_key: str = ""
    root_cert: str = ""
    intermediate_cert: str = ""
    create_index: int = 0
    modify_index: int = 0


class CARequest(WriteRequest, frozen=True, kw_only=True):
    """Change roots, configuration or the builtin provider's state."""

    op: str = ""
    datacenter: str = ""
    index: int = 0
    roots: list[CARoot] | None = None
    config: CAConfiguration | None = None
    provider_state: CAConsulProviderState | None = None


class CALeafRequest(WriteRequest, frozen=True, kw_only=True):
    """Say that a leaf certificate was signed."""

    op: str = ""
    datacenter: str = ""


class CASignRequest(WriteRequest, frozen=True, kw_only=True):
    """Ask for a leaf certificate."""

    datacenter: str = ""
    csr: str = ""


class IssuedCert(GoStruct, frozen=True, kw_only=True):
    """A leaf certificate that was signed."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset(
        {"cert_pem", "private_key_pem", "service", "service_uri", "agent", "agent_uri"}
    )
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    serial_number: str = ""
    cert_pem: str = ""
    private_key_pem: str = ""
    service: str = ""
    service_uri: str = ""
    agent: str = ""
    agent_uri: str = ""
    valid_after: Time = ZERO_TIME
    valid_before: Time = ZERO_TIME
    create_index: int = 0
    modify_index: int = 0


class IndexedCARoots(QueryMeta, frozen=True, kw_only=True):
    """Answer: the root certificates, and which one is active."""

    active_root_id: str = ""
    trust_domain: str = ""
    roots: list[CARoot] | None = None
