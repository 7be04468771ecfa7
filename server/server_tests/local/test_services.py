"""From definitions to registrations."""

import pytest

from proconsul.config import definitions as config
from proconsul.local.checks import CheckRules
from proconsul.local.definitions import (
    CheckDefinition,
    check_from_config,
    check_type,
    health_check,
    service_from_config,
)
from proconsul.local.failure import BadDefinitionError, LocalError
from proconsul.local.services import PortRange, Registration, admit_service, registrations
from proconsul.local.state import Source
from proconsul.local.validation import dns_warnings, validate_definition
from proconsul.model.catalog import (
    ConnectProxyConfig,
    NodeService,
    ServiceAddress,
    ServiceConnect,
    ServiceDefinition,
    Upstream,
    Weights,
)
from proconsul.model.health import CheckType, HealthCheck
from proconsul.wire.golang import SECOND, Duration

RULES = CheckRules(
    enable_local_scripts=False,
    enable_remote_scripts=False,
    output_size_bytes_max=4096,
    deregister_after_min_s=60,
)
TTL = CheckType(ttl=Duration(SECOND))
PORTS = PortRange(first=21000, last=21001)


def admitted_checks(*checks: CheckType) -> list[HealthCheck]:
    service = NodeService(id="web1", service="web", tags=["a"])
    registration = Registration(service=service, checks=checks, token="")
    return [health for health, _ in admit_service(registration, Source.REMOTE, RULES, {}).checks]


def test_a_single_check_gets_its_service_for_a_name() -> None:
    (check,) = admitted_checks(TTL)
    assert check == HealthCheck(
        check_id="service:web1",
        name="Service 'web' check",
        status="critical",
        service_id="web1",
        service_name="web",
        service_tags=["a"],
        type="ttl",
    )


def test_several_checks_are_numbered_and_may_have_names_of_their_own() -> None:
    named = CheckType(ttl=TTL.ttl, check_id="mine", name="Mine", status="passing", notes="n")
    first, second, third = admitted_checks(TTL, named, TTL)
    assert [first.check_id, second.check_id, third.check_id] == [
        "service:web1:1",
        "mine",
        "service:web1:3",
    ]
    assert (second.name, second.status, second.notes) == ("Mine", "passing", "n")


def test_one_illegal_check_refuses_the_whole_registration() -> None:
    with pytest.raises(LocalError, match="Check is not valid: TTL must be > 0 for TTL checks"):
        admitted_checks(TTL, CheckType())


def test_defaults_are_filled_in() -> None:
    service = NodeService(id="", service="web", address="10.0.0.1", port=80)
    made = admit_service(
        Registration(service=service, checks=(), token="t"), Source.REMOTE, RULES, {}
    )
    own = ServiceAddress(address="10.0.0.1", port=80)
    assert made.service.id == "web"
    assert made.service.weights == Weights(passing=1, warning=1)
    assert made.service.tagged_addresses == {"lan_ipv4": own, "wan_ipv4": own}


def test_a_tagged_address_must_be_of_its_family() -> None:
    service = NodeService(
        id="w", service="w", tagged_addresses={"lan_ipv6": ServiceAddress(address="10.0.0.1")}
    )
    with pytest.raises(LocalError, match='"lan_ipv6" must be a valid ipv6 address'):
        admit_service(Registration(service=service, checks=(), token=""), Source.LOCAL, RULES, {})


def proxy(**changes: object) -> ServiceDefinition:
    kept = {"kind": "connect-proxy", "name": "p", "port": 1, **changes}
    return ServiceDefinition(**kept)  # type: ignore[arg-type]  # kept together in one place


UPSTREAM = Upstream(destination_name="db", local_bind_port=5000)


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        (ServiceDefinition(), "Missing service name"),
        (ServiceDefinition(name="w", address="0.0.0.0"), "Invalid service address"),
        (
            ServiceDefinition(name="w", weights=Weights(passing=0, warning=1)),
            "Invalid Weights: Passing must be greater than 0",
        ),
        (
            ServiceDefinition(name="w", weights=Weights(passing=70000, warning=1)),
            "Invalid Weights: DNS Weight must be between 0 and 65535",
        ),
        (
            ServiceDefinition(name="w", meta={"a b": "c"}),
            "Invalid Service Meta: Couldn't load metadata pair ('a b', 'c'): "
            "Key contains invalid characters",
        ),
        (
            ServiceDefinition(name="w", meta={"consul-x": "c"}),
            "Invalid Service Meta: Couldn't load metadata pair ('consul-x', 'c'): "
            "Key prefix 'consul-' is reserved for internal use",
        ),
        (
            proxy(port=0),
            "2 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect "
            "proxy services\n\t* Port must be set for a Connect proxy\n\n",
        ),
        (
            proxy(proxy=ConnectProxyConfig(destination_service_name="x", upstreams=[UPSTREAM] * 2)),
            "1 error occurred:\n\t* upstreams cannot contain duplicates of "
            '[type="service", name="db", namespace="", datacenter=""]\n\n',
        ),
        (
            ServiceDefinition(
                name="w", connect=ServiceConnect(sidecar_service=ServiceDefinition(id="x"))
            ),
            "1 error occurred:\n\t* A SidecarService cannot specify an ID as this is managed by "
            "the agent\n\n",
        ),
        (
            ServiceDefinition(name="w", checks=[CheckType()]),
            "Invalid check: TTL must be > 0 for TTL checks",
        ),
        (
            ServiceDefinition(name="w", check=CheckType(ttl=TTL.ttl, status="odd")),
            "Status for checks must 'passing', 'warning', 'critical'",
        ),
    ],
)
def test_a_wrong_definition_is_refused_in_consuls_words(
    definition: ServiceDefinition, complaint: str
) -> None:
    with pytest.raises(BadDefinitionError) as refusal:
        validate_definition(definition)
    assert str(refusal.value) == complaint


def test_names_that_dns_cannot_say_are_warned_about() -> None:
    service = NodeService(id="a", service="under_score", tags=["fine", "x" * 64])
    name, tag = dns_warnings(service)
    assert "name will not be discoverable via DNS due to invalid characters" in name
    assert "tag will not be discoverable via DNS due to it being too long" in tag


def sidecar_of(
    sidecar: ServiceDefinition, services: dict[str, NodeService], ports: PortRange
) -> Registration:
    web = ServiceDefinition(
        id="web1",
        name="web",
        port=80,
        tags=["a"],
        meta={"k": "v"},
        connect=ServiceConnect(sidecar_service=sidecar),
    )
    plain, made = registrations(web, "t", services, ports)
    assert plain.service.connect == ServiceConnect()
    return made


def test_a_sidecar_stands_in_front_of_its_service() -> None:
    made = sidecar_of(ServiceDefinition(), {}, PORTS)
    assert (made.service.id, made.service.service) == ("web1-sidecar-proxy", "web-sidecar-proxy")
    assert (made.service.kind, made.service.port) == ("connect-proxy", 21000)
    assert (made.service.tags, made.service.meta) == (["a"], {"k": "v"})
    assert made.service.proxy == ConnectProxyConfig(
        destination_service_name="web",
        destination_service_id="web1",
        local_service_address="127.0.0.1",
        local_service_port=80,
    )
    listening, aliasing = made.checks
    assert (listening.name, listening.tcp) == ("Connect Sidecar Listening", "127.0.0.1:21000")
    assert (aliasing.name, aliasing.alias_service) == ("Connect Sidecar Aliasing web1", "web1")


def test_a_sidecar_takes_a_free_port_or_the_one_it_had() -> None:
    taken = {"other": NodeService(id="other", service="o", port=21000)}
    assert sidecar_of(ServiceDefinition(), taken, PORTS).service.port == 21001
    own = {"web1-sidecar-proxy": NodeService(id="web1-sidecar-proxy", service="w", port=21001)}
    assert sidecar_of(ServiceDefinition(), own, PORTS).service.port == 21001


def test_a_sidecar_without_a_free_port_is_refused() -> None:
    taken = {
        str(port): NodeService(id=str(port), service="o", port=port) for port in (21000, 21001)
    }
    with pytest.raises(BadDefinitionError, match=r"none left in the configured range \[21000, "):
        sidecar_of(ServiceDefinition(), taken, PORTS)
    with pytest.raises(BadDefinitionError, match="auto-assignment disabled in config"):
        sidecar_of(ServiceDefinition(), {}, PortRange(first=0, last=0))


def test_a_service_of_a_file_is_as_one_of_the_api() -> None:
    configured = config.ServiceDefinition(
        name="web",
        tags=("a",),
        port=80,
        checks=(config.CheckDefinition(id="c", ttl_ns=SECOND),),
        proxy=config.Proxy(upstreams=(config.Upstream(destination_name="db"),)),
        connect=config.ServiceConnect(sidecar_service=config.ServiceDefinition(port=1)),
    )
    made = service_from_config(configured)
    assert (made.name, made.tags, made.port) == ("web", ["a"], 80)
    assert made.meta is None, "an absent map is Go's nil"
    assert made.checks == [CheckType(check_id="c", ttl=Duration(SECOND), output_max_size=4096)]
    assert made.connect is not None
    assert made.connect.sidecar_service is not None
    assert made.connect.sidecar_service.port == 1
    assert made.proxy is not None
    assert made.proxy.upstreams == [Upstream(destination_type="service", destination_name="db")]


def test_a_check_of_a_file_has_its_name_for_an_id() -> None:
    definition = check_from_config(
        config.CheckDefinition(name="disk", http="http://x", header={"A": ("b",)}, interval_ns=5)
    )
    assert health_check(definition).check_id == "disk"
    assert check_type(definition).header == {"A": ["b"]}
    assert check_type(CheckDefinition(id="i", name="n")).check_id == "i"
