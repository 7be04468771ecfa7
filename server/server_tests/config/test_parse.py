"""From flags and files to settings."""

from __future__ import annotations

import ipaddress
import math

import pytest

from proconsul.config.definitions import CheckDefinition, ServiceAddress, ServiceDefinition, Weights
from proconsul.config.failure import ConfigError
from proconsul.config.flags import parse_agent_flags
from proconsul.config.networks import Host, InterfaceAddress
from proconsul.config.parse import Source, parse
from proconsul.config.schema import Config, LoadedConfig, TcpAddress, UnixAddress
from proconsul.config.sources import format_of

ETH0 = InterfaceAddress("eth0", ipaddress.ip_address("10.0.0.5"), 24, frozenset({"up"}))
ETH1 = InterfaceAddress("eth1", ipaddress.ip_address("192.168.0.5"), 24, frozenset({"up"}))
HOST = Host(name="host-name", interfaces=(ETH0,), default_interface="eth0", open_files_max=1024)
SERVER = ("-server", "-data-dir=/data")


def load(*argv: str, files: tuple[tuple[str, str], ...] = (), host: Host = HOST) -> LoadedConfig:
    sources = []
    for name, text in files:
        file_format = format_of(name)
        assert file_format is not None
        sources.append(Source(name, text, file_format))
    return parse(parse_agent_flags(list(argv)), sources, host)


def hcl(text: str, *argv: str) -> LoadedConfig:
    return load(*SERVER, *argv, files=(("a.hcl", text),))


def refusal(text: str, *argv: str) -> str:
    with pytest.raises(ConfigError) as error:
        hcl(text, *argv)
    return str(error.value)


def test_without_settings_a_server_is_what_consul_is() -> None:
    config = load(*SERVER).config
    assert (config.node_name, config.datacenter, config.primary_datacenter) == (
        "host-name",
        "dc1",
        "dc1",
    )
    assert (config.server, config.bootstrap, config.bootstrap_expect) == (True, False, 0)
    assert (config.leave_on_terminate, config.skip_leave_on_interrupt) == (False, True)
    assert config.client_addrs == ("127.0.0.1",)
    assert config.listeners.http == (TcpAddress(host="127.0.0.1", port=8500),)
    assert config.listeners.dns == (TcpAddress(host="127.0.0.1", port=8600),)
    assert (config.listeners.https, config.listeners.grpc) == ((), ())
    assert config.cluster.rpc_bind == TcpAddress(host="0.0.0.0", port=8300)
    assert config.cluster.rpc_advertise == TcpAddress(host="10.0.0.5", port=8300)
    assert config.cluster.serf_wan_bind == TcpAddress(host="0.0.0.0", port=8302)
    assert config.cluster.tagged_addresses == {
        "lan": "10.0.0.5",
        "lan_ipv4": "10.0.0.5",
        "wan": "10.0.0.5",
        "wan_ipv4": "10.0.0.5",
    }
    assert config.raft.election_timeout_s == 5.0  # 1 s times the default multiplier
    assert config.limits.rpc_rate_per_s == math.inf
    assert (config.session_ttl_min_s, config.acl.role_ttl_s) == (10.0, 30.0)
    assert config.limits.kv_max_value_size_bytes == 524288
    assert (config.default_query_time_s, config.max_query_time_s) == (300.0, 600.0)
    assert config.disable_host_node_id
    assert config.logging.level == "INFO"


def test_dev_mode_is_one_server_on_loopback_without_a_data_directory() -> None:
    loaded = load("-dev")
    config = loaded.config
    assert (config.dev_mode, config.server, config.data_dir) == (True, True, "")
    assert config.cluster.bind_addr == "127.0.0.1"
    assert config.listeners.grpc == (TcpAddress(host="127.0.0.1", port=8502),)
    assert (config.logging.level, config.enable_debug, config.ui) == ("DEBUG", True, True)
    assert config.connect.enabled
    assert config.raft.election_timeout_s == 0.052
    assert loaded.warnings == ()


def test_flags_outweigh_files_later_files_earlier_ones_and_fragments_flags() -> None:
    files = (
        ("a.json", '{"node_name": "a", "datacenter": "a", "domain": "a.", "log_level": "warn"}'),
        ("b.hcl", 'node_name = "b" datacenter = "b" domain = "b."'),
    )
    config = load(
        *SERVER, "-node=flag", "-datacenter=FLAG", '-hcl=node_name="fragment"', files=files
    )
    assert (config.config.node_name, config.config.datacenter) == ("fragment", "flag")
    assert (config.config.dns.domain, config.config.logging.level) == ("b.", "WARN")


def test_lists_grow_from_source_to_source_and_maps_are_laid_over_each_other() -> None:
    files = (
        ("a.json", '{"retry_join": ["a"], "node_meta": {"x": "a", "y": "a"}, "ports": {"dns": 1}}'),
        ("b.hcl", 'retry_join = ["b"] node_meta { y = "b" } ports { https = 2 }'),
    )
    config = load(*SERVER, "-retry-join=flag", "-node-meta=z:flag", "-http-port=3", files=files)
    assert config.config.joining.retry_join == ("flag", "a", "b")
    assert config.config.node_meta == {"x": "a", "y": "b", "z": "flag"}
    ports = config.config.ports
    assert (ports.dns, ports.https, ports.http) == (1, 2, 3)


def test_an_unknown_key_is_refused_with_file_key_and_line() -> None:
    assert refusal("server = true\n\nports {\n  htpp = 1\n}") == (
        "failed to parse a.hcl: 1 error occurred:\n\t* invalid config key ports.htpp (line 4)\n"
    )
    with pytest.raises(ConfigError, match=r"a\.json: .*\n.*invalid config key nope \(line 2\)"):
        load("-dev", files=(("a.json", '{"server": true,\n"nope": 1}'),))
    with pytest.raises(ConfigError, match=r"flags-0\.hcl: .*\n.*invalid config key nope"):
        load("-dev", "-hcl=nope=1")


def test_values_of_the_wrong_type_are_refused_all_at_once_with_their_lines() -> None:
    assert refusal('server = "yes"\nports { http = "a" }\nretry_join = "x"') == (
        "failed to parse a.hcl: 3 error(s) decoding:\n\n"
        "* 'ports.http' expected type 'int', got unconvertible type 'string' (line 2)\n"
        "* 'retry_join': source data must be an array or slice, got string (line 3)\n"
        "* 'server' expected type 'bool', got unconvertible type 'string' (line 1)"
    )


def test_a_known_key_that_does_nothing_is_warned_about_once() -> None:
    text = 'snapshot_agent { a = 1 } telemetry { circonus_api_app = "x" }'
    loaded = load(*SERVER, files=(("a.hcl", text), ("b.hcl", text)))
    assert loaded.warnings == (
        'config key "snapshot_agent" does nothing yet',
        'config key "telemetry.circonus_api_app" does nothing yet',
    )
    flag = load(*SERVER, "-syslog").warnings
    assert flag == ('config key "enable_syslog" does nothing yet',)


def test_the_fixed_settings_cannot_be_changed_from_a_file() -> None:
    loaded = hcl('ae_interval = "1h" consul { raft { election_timeout = "1h" } }')
    assert loaded.config.ae_interval_s == 60.0
    assert loaded.config.raft.election_timeout_s == 5.0
    assert len(loaded.warnings) == 2


def test_keys_may_be_written_in_any_case() -> None:
    assert hcl('Node_Name = "x" PORTS { HTTP = 7 }').config.node_name == "x"


def test_services_and_checks_arrive_as_definitions_from_every_file() -> None:
    files = (
        (
            "web.json",
            """{"service": {"name": "web", "port": 80, "tags": ["a"], "meta": {"k": "v"},
                "tagged_addresses": {"wan": {"address": "1.2.3.4", "port": 8}},
                "weights": {"passing": 5},
                "check": {"args": ["true"], "interval": "10s", "timeout": "1.5s"}}}""",
        ),
        (
            "db.hcl",
            """
            services { name = "db" id = "db1" }
            services {
              name = "db"
              id = "db2"
              checks = [{ HTTP = "http://x", Interval = "5s", header { x = ["1", "2"] } },
                        { alias_service = "web" }]
            }
            check { id = "mem" name = "memory" ttl = "30s" ServiceID = "db1"
                    DeregisterCriticalServiceAfter = "1m" }
            """,
        ),
    )
    loaded = load(*SERVER, files=files)
    by_id = {service.id or service.name: service for service in loaded.services}
    assert by_id["web"] == ServiceDefinition(
        name="web",
        port=80,
        tags=("a",),
        meta={"k": "v"},
        tagged_addresses={"wan": ServiceAddress(address="1.2.3.4", port=8)},
        weights=Weights(passing=5),
        checks=(
            CheckDefinition(
                script_args=("true",), interval_ns=10_000_000_000, timeout_ns=1_500_000_000
            ),
        ),
    )
    assert [service.id for service in loaded.services] == ["", "db1", "db2"]
    assert by_id["db2"].checks[0].header == {"x": ("1", "2")}
    assert by_id["db2"].checks[1].alias_service == "web"
    assert loaded.checks == (
        CheckDefinition(
            id="mem",
            name="memory",
            ttl_ns=30_000_000_000,
            service_id="db1",
            deregister_critical_service_after_ns=60_000_000_000,
        ),
    )


def test_a_script_is_no_key_of_a_check() -> None:
    assert "invalid config key check.script (line 1)" in refusal('check { script = "x" }')


def test_a_bad_definition_is_refused_with_its_name() -> None:
    told = refusal('service { name = "web" weights { passing = 0 } check { ttl = "x" } }')
    assert "Invalid weight definition for service web: Passing must be greater than 0" in told
    assert 'check[].ttl: invalid duration: "x"' in told


def test_listeners_can_be_unix_sockets_and_several_addresses() -> None:
    listeners = hcl('addresses { http = "unix:///run/p.sock 127.0.0.9" dns = "[::] ::1" }').config
    assert listeners.listeners.http == (
        UnixAddress(path="/run/p.sock"),
        TcpAddress(host="127.0.0.9", port=8500),
    )
    assert [each.host for each in listeners.listeners.dns] == ["::", "::1"]


def test_a_template_may_stand_where_an_address_does() -> None:
    config = load(*SERVER, '-bind={{ GetInterfaceIP "eth0" }}', "-client={{ GetPrivateIP }}").config
    assert config.cluster.bind_addr == config.client_addrs[0] == "10.0.0.5"


def test_where_nothing_says_which_address_to_advertise_it_must_be_the_only_one() -> None:
    two = Host(name="h", interfaces=(ETH0, ETH1), default_interface="eth0", open_files_max=1024)
    none = Host(name="h", interfaces=(), default_interface="", open_files_max=1024)
    with pytest.raises(ConfigError) as error:
        load(*SERVER, host=two)
    assert str(error.value) == (
        "Multiple private IPv4 addresses found. "
        "Please configure one with 'bind' and/or 'advertise'."
    )
    with pytest.raises(ConfigError, match=r"^No private IPv4 address found$"):
        load(*SERVER, host=none)
    with pytest.raises(ConfigError, match=r"^No public IPv6 address found$"):
        load(*SERVER, "-bind=::", host=two)
    assert load(*SERVER, "-advertise=192.168.0.5", host=two).config.cluster.bind_addr == "0.0.0.0"


def test_legacy_acl_keys_stand_behind_the_new_ones() -> None:
    old = hcl(
        """acl_datacenter = "DC2" acl_master_token = "m" acl_token = "t" acl_agent_token = "a"
           acl_agent_master_token = "am" acl_replication_token = "r" acl_default_policy = "deny"
           acl_ttl = "9s" acl_down_policy = "deny" acl_enable_key_list_policy = true"""
    )
    acl = old.config.acl
    assert (acl.enabled, acl.enable_token_replication, acl.enable_key_list_policy) == (True,) * 3
    assert (acl.default_policy, acl.down_policy, acl.token_ttl_s) == ("deny", "deny", 9.0)
    assert old.config.primary_datacenter == "dc2"
    assert any("'acl_datacenter' field is deprecated" in each for each in old.warnings)
    new = hcl(
        """acl_master_token = "old" acl { enabled = true default_policy = "deny" token_ttl = "1s"
           tokens { master = "new" agent = "a" default = "d" } }"""
    ).config.acl
    assert (new.master_token, new.agent_token, new.default_token) == ("new", "a", "d")
    assert (new.default_policy, new.token_ttl_s) == ("deny", 1.0)


def test_an_expected_cluster_of_one_is_a_bootstrap_server() -> None:
    loaded = load(*SERVER, "-bootstrap-expect=1")
    assert (loaded.config.bootstrap, loaded.config.bootstrap_expect) == (True, 0)
    assert loaded.warnings[0].startswith("BootstrapExpect is set to 1")


def test_only_a_verified_name_wants_outgoing_connections_verified() -> None:
    files = 'ca_file = "/ca" cert_file = "/a" key_file = "/b" '
    assert hcl(f"{files} verify_server_hostname = true").config.tls.verify_outgoing
    assert not hcl(f"{files} verify_incoming = true").config.tls.verify_outgoing


def test_all_bad_durations_are_told_at_once() -> None:
    told = refusal('max_query_time = "5" dns_config { service_ttl { web = "x" } }')
    assert told.startswith("2 errors occurred:\n")
    assert 'max_query_time: invalid duration: "5": time: missing unit in duration "5"' in told
    assert 'dns_config.service_ttl["web"]: invalid duration: "x"' in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('datacenter = ""', "datacenter cannot be empty"),
        ('datacenter = "a.b"', 'datacenter cannot be "a.b". Please use only [a-z0-9-_]'),
        ("bootstrap = true bootstrap_expect = 3", "are mutually exclusive"),
        ("bootstrap_expect = -1", "bootstrap_expect cannot be -1"),
        ("server = false bootstrap_expect = 3", "'bootstrap_expect > 0' requires 'server = true'"),
        ("server = false bootstrap = true", "'bootstrap = true' requires 'server = true'"),
        ('data_dir = ""', "data_dir cannot be empty"),
        ("performance { raft_multiplier = 11 }", "raft_multiplier cannot be 11. Must be between 1"),
        ("performance { raft_multiplier = 0 }", "raft_multiplier cannot be 0. Must be between 1"),
        ("ports { http = 8600 }", "HTTP address 127.0.0.1:8600 already configured for DNS"),
        ("ports { http = 65536 }", "ports.http: invalid port: 65536"),
        ("ports { serf_lan = 8300 }", "Serf Advertise LAN address 10.0.0.5:8300 already"),
        ('segments { name = "a" port = 1 }', "Network segments are not supported"),
        ('encrypt = "!"', "encrypt has invalid key: illegal base64 data at input byte 0"),
        ('encrypt = "YWJj"', "key size must be 16, 24 or 32 bytes"),
        ('node_id = "x"', "specified NodeID is invalid: uuid string is wrong length"),
        ('log_level = "loud"', "Invalid log level: loud. Valid log levels are: [TRACE DEBUG"),
        ('tls_min_version = "x"', "TLSMinVersion: value x not supported"),
        ("verify_outgoing = true", "VerifyOutgoing set, and no CA certificate provided!"),
        ("verify_incoming = true", "VerifyIncoming set but no CA certificates were provided"),
        ("verify_incoming_rpc = true", "VerifyIncoming set but no CA certificates"),
        ("verify_incoming_https = true", "VerifyIncoming set but no CA certificates"),
        (
            'verify_incoming = true ca_path = "/ca" key_file = "/key"',
            "VerifyIncoming requires either a Cert and Key pair in the configuration file",
        ),
        ("limits { http_max_conns_per_client = 1005 }", "needs at least 1025"),
        ("check_output_max_size = 0", "check_output_max_size must be positive"),
        ('node_meta { "a b" = "" }', "Key contains invalid characters"),
        ('bind_addr = "{{ Nope }}"', 'function "Nope" not defined'),
    ],
)
def test_settings_that_cannot_be_are_refused_in_the_words_of_consul(text: str, words: str) -> None:
    flags = parse_agent_flags([])
    with pytest.raises(ConfigError) as error:
        parse(flags, [Source("a.hcl", f'server = true data_dir = "/x" {text}', "hcl")], HOST)
    assert words in str(error.value)


def test_metadata_is_refused_past_its_limits_and_taken_at_them() -> None:
    pairs = "\n".join(f'k{at} = "v"' for at in range(64))
    assert len(hcl(f"node_meta {{ {pairs} }}").config.node_meta) == 64
    assert "more than 64" in refusal(f'node_meta {{ {pairs} k64 = "v" }}')
    assert "Key is too long" in refusal(f'node_meta {{ {"k" * 129} = "v" }}')
    assert "Value is too long" in refusal(f'node_meta {{ k = "{"v" * 513}" }}')


def test_settings_are_values_that_nobody_can_change() -> None:
    config: Config = load(*SERVER).config
    with pytest.raises(AttributeError):
        config.node_name = "other"  # type: ignore[misc]
