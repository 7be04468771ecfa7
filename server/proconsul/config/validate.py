"""What settings mean together: refused here, or warned about.

Order and texts are Consul's. `check` is what `consul validate` refuses, `check_start` what only a
starting agent does.
Source: agent/config/builder.go (Validate), agent/agent.go.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Sequence

from proconsul.config import cluster_settings
from proconsul.config.failure import ConfigError
from proconsul.config.schema import Config, ServiceDefinition, Tls
from proconsul.config.services import meta_problem, service_problems
from proconsul.config.settings import Settings

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERR", "ERROR")
TLS_VERSIONS = ("tls10", "tls11", "tls12", "tls13")
GOSSIP_KEY_BYTES = (16, 24, 32)
CONFIG_ENTRY_KINDS = (
    "service-defaults",
    "proxy-defaults",
    "service-router",
    "service-splitter",
    "service-resolver",
    "ingress-gateway",
    "terminating-gateway",
)
_DNS_LABEL_BYTES_MAX = 63
_SPARE_FILES = 20
"""Files that a server holds open besides its clients' connections."""

_DATACENTER = re.compile(r"[a-z0-9_-]+")


def check(config: Config, services: Sequence[ServiceDefinition], settings: Settings) -> None:
    """Raise for what cannot be; what should not be goes to the settings' warnings."""
    _check_names(config, settings)
    _check_config_entries(config)
    _check_bootstrap(config)
    _check_numbers(config)
    _check_mesh(config, settings)
    cluster_settings.refuse_clashes(config.listeners, config.cluster)
    if settings.problems:
        raise ConfigError(_several(settings.problems))
    for service in services:
        if problems := service_problems(service):
            raise ConfigError(f'service "{service.name}": {_several(problems)}')
    _check_connect(config, settings)
    _check_auto_config(config, settings)
    _warn(config, settings)


def check_start(config: Config, settings: Settings) -> None:
    """Raise for what `consul validate` lets pass and a starting agent does not."""
    if config.logging.level not in LOG_LEVELS:
        raise ConfigError(
            f"Invalid log level: {settings.text('log_level')}. "
            f"Valid log levels are: [{' '.join(LOG_LEVELS)}]"
        )
    _check_tls(config.tls, settings)
    if config.encrypt and len(base64.b64decode(config.encrypt)) not in GOSSIP_KEY_BYTES:
        raise ConfigError(
            "Failed to configure keyring: encrypt: key size must be 16, 24 or 32 bytes; "
            "`consul keygen` makes one"
        )
    if config.node_id:
        _check_node_id(config.node_id)


def _check_tls(tls: Tls, settings: Settings) -> None:
    """What certificates there must be; what is in their files is seen when they are read."""
    if tls.min_version not in ("", *TLS_VERSIONS):
        raise ConfigError(
            f"TLSMinVersion: value {tls.min_version} not supported, "
            f"please specify one of [{', '.join(TLS_VERSIONS)}]"
        )
    has_authority = bool(tls.ca_file or tls.ca_path)
    if tls.verify_outgoing and not has_authority:
        raise ConfigError("VerifyOutgoing set, and no CA certificate provided!")
    if not (tls.verify_incoming or tls.verify_incoming_rpc or tls.verify_incoming_https):
        return
    if not has_authority:
        raise ConfigError("VerifyIncoming set but no CA certificates were provided")
    gets_one = settings.flag("auto_encrypt.tls") or settings.flag("auto_config.enabled")
    if not (tls.cert_file and tls.key_file) and not gets_one:
        raise ConfigError(
            "VerifyIncoming requires either a Cert and Key pair in the configuration file, "
            "or auto_encrypt/auto_config be enabled"
        )


def _check_node_id(node_id: str) -> None:
    what = ""
    if len(node_id) != 36:
        what = "uuid string is wrong length"
    elif not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", node_id):
        what = "uuid is improperly formatted"
    if what:
        raise ConfigError(f"failed to setup node ID: specified NodeID is invalid: {what}")
    assert uuid.UUID(node_id), "the pattern is stricter"


def _several(problems: Sequence[str]) -> str:
    """Problems as Consul lists them."""
    plural = "s" if len(problems) > 1 else ""
    told = "".join(f"\t* {problem}\n" for problem in problems)
    return f"{len(problems)} error{plural} occurred:\n{told}"


def _check_names(config: Config, settings: Settings) -> None:
    if not config.datacenter:
        raise ConfigError("datacenter cannot be empty")
    if not _DATACENTER.fullmatch(config.datacenter):
        raise ConfigError(f'datacenter cannot be "{config.datacenter}". Please use only [a-z0-9-_]')
    if not config.data_dir and not config.dev_mode:
        raise ConfigError("data_dir cannot be empty")
    if not re.fullmatch(r"[A-Za-z0-9/_-]+", config.ui_content_path):
        raise ConfigError(
            "ui-content-path can only contain alphanumeric, -, _, or /. "
            f"received: {config.ui_content_path}"
        )
    if re.fullmatch(r"/v\d+/", config.ui_content_path):
        raise ConfigError(
            f"ui-content-path cannot have 'v[0-9]'. received: {config.ui_content_path}"
        )
    _check_node_name(config.node_name, settings)
    if settings.text("segment") or settings.maps("segments"):
        raise ConfigError("Network segments are not supported in this version of Consul")
    reserved = f"(service|connect|node|query|addr|{config.datacenter})\\."
    if re.match(reserved, config.dns.alt_domain):
        raise ConfigError(
            f"alt_domain cannot start with {{service,connect,node,query,addr,{config.datacenter}}}"
        )


def _check_node_name(name: str, settings: Settings) -> None:
    if not name:
        raise ConfigError("node_name cannot be empty")
    if re.search(r"[^A-Za-z0-9\\-]", name):
        settings.warnings.append(
            f'Node name "{name}" will not be discoverable via DNS due to invalid characters. '
            "Valid characters include all alpha-numerics and dashes."
        )
    elif len(name.encode()) > _DNS_LABEL_BYTES_MAX:
        settings.warnings.append(
            f'Node name "{name}" will not be discoverable via DNS due to it being too long. '
            "Valid lengths are between 1 and 63 bytes."
        )


def _check_bootstrap(config: Config) -> None:
    expect = config.bootstrap_expect
    if config.bootstrap and not config.server:
        raise ConfigError("'bootstrap = true' requires 'server = true'")
    if expect < 0:
        raise ConfigError(
            f"bootstrap_expect cannot be {expect}. Must be greater than or equal to zero"
        )
    if expect > 0 and not config.server:
        raise ConfigError("'bootstrap_expect > 0' requires 'server = true'")
    if expect > 0 and config.dev_mode:
        raise ConfigError("'bootstrap_expect > 0' not allowed in dev mode")
    if expect > 0 and config.bootstrap:
        raise ConfigError("'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive")


def _check_numbers(config: Config) -> None:
    if config.checks.output_max_size_bytes < 1:
        raise ConfigError(
            "check_output_max_size must be positive, "
            "to discard check output use the discard_check_output flag"
        )
    not_negative = {
        "autopilot.max_trailing_logs": config.autopilot.max_trailing_logs,
        "dns_config.udp_answer_limit": config.dns.udp_answer_limit,
        "dns_config.a_record_limit": config.dns.a_record_limit,
    }
    for path, number in not_negative.items():
        if number < 0:
            raise ConfigError(f"{path} cannot be {number}. Must be greater than or equal to zero")
    if not _DATACENTER.fullmatch(config.primary_datacenter):
        raise ConfigError(
            f'acl_datacenter cannot be "{config.primary_datacenter}". Please use only [a-z0-9-_]'
        )
    if not config.dev_mode and config.ui and config.ui_dir:
        raise ConfigError(
            "Both the ui and ui-dir flags were specified, please provide only one.\n"
            "If trying to use your own web UI resources, use the ui-dir flag.\n"
            "The web UI is included in the binary so use ui to enable it"
        )
    if wrong := meta_problem(config.node_meta):
        raise ConfigError(f"node_meta invalid: {wrong}")
    try:
        base64.b64decode(config.encrypt, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(
            f"encrypt has invalid key: illegal base64 data at input byte {_bad_at(config.encrypt)}"
        ) from None


def _bad_at(text: str) -> int:
    bad = re.search(r"[^A-Za-z0-9+/=]", text)
    return bad.start() if bad else len(text) // 4 * 4


def _check_mesh(config: Config, settings: Settings) -> None:
    federated = config.connect.enable_mesh_gateway_wan_federation
    on = "'connect.enable_mesh_gateway_wan_federation = true'"
    if federated and not config.connect.enabled:
        raise ConfigError(
            "'connect.enable_mesh_gateway_wan_federation=true' requires 'connect.enabled=true'"
        )
    if federated and not config.server:
        raise ConfigError(f"{on} requires 'server = true'")
    if federated and "/" in config.node_name:
        raise ConfigError(f"{on} requires that 'node_name' not contain '/' characters")
    for path in ("start_join_wan", "retry_join_wan"):
        if federated and settings.texts(path):
            raise ConfigError(f"'{path}' is incompatible with {on}")
    if settings.texts("primary_gateways"):
        if not config.server:
            raise ConfigError("'primary_gateways' requires 'server = true'")
        if config.primary_datacenter == config.datacenter:
            raise ConfigError(
                "'primary_gateways' should only be configured in a secondary datacenter"
            )


def _check_connect(config: Config, settings: Settings) -> None:
    if config.connect.ca_provider not in ("", "consul", "vault", "aws-pca"):
        raise ConfigError(f"{config.connect.ca_provider} is not a valid CA provider")
    if config.server and settings.flag("auto_encrypt.tls"):
        raise ConfigError("auto_encrypt.tls can only be used on a client.")
    if not config.server and settings.flag("auto_encrypt.allow_tls"):
        raise ConfigError("auto_encrypt.allow_tls can only be used on a server.")
    for path in ("cache.entry_fetch_max_burst", "cache.entry_fetch_rate"):
        value = settings.at(path)
        if isinstance(value, int | float) and value <= 0:
            raise ConfigError(f"{path} must be strictly positive, was: {value:g}")
    connections = config.limits.http_max_conns_per_client
    needed = connections + _SPARE_FILES
    if connections > 0 and settings.host.open_files_max < needed:
        raise ConfigError(
            f"system allows a max of {settings.host.open_files_max} file descriptors, "
            f"but limits.http_max_conns_per_client: {connections} needs at least {needed}"
        )


def _check_auto_config(config: Config, settings: Settings) -> None:
    """It does nothing yet, but what Consul refuses should not look as if it worked."""
    if settings.flag("auto_config.authorization.enabled"):
        if not config.server:
            raise ConfigError(
                "auto_config.authorization.enabled cannot be set to true for client agents"
            )
        if not config.tls.cert_file:
            raise ConfigError(
                "auto_config.authorization.enabled cannot be set without providing "
                "a TLS certificate for the server"
            )
    if not settings.flag("auto_config.enabled"):
        return
    if settings.flag("auto_encrypt.tls"):
        raise ConfigError("both auto_encrypt.tls and auto_config.enabled cannot be set to true.")
    if not config.tls.verify_outgoing:
        raise ConfigError(
            "auto_config.enabled cannot be set without configuring TLS for server communications"
        )
    if config.server:
        raise ConfigError("auto_config.enabled cannot be set to true for server agents.")


def _check_config_entries(config: Config) -> None:
    """The kinds only: what an entry says is judged where entries are known."""
    for at, entry in enumerate(config.config_entries_bootstrap):
        kind = entry.get("Kind", entry.get("kind"))
        wrong = "" if kind in CONFIG_ENTRY_KINDS else f"invalid config entry kind: {kind}"
        if kind is None:
            wrong = "Payload does not contain a kind/Kind key at the top level"
        if wrong:
            raise ConfigError(f"config_entries.bootstrap[{at}]: {wrong}")


def _warn(config: Config, settings: Settings) -> None:
    warn = settings.warnings.append
    expect = config.bootstrap_expect
    table = "See https://www.consul.io/docs/internals/consensus.html#deployment-table"
    if config.server and not config.dev_mode and expect == 2:
        warn(
            "bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance. "
            + table
        )
    if config.server and expect > 2 and expect % 2 == 0:
        warn(
            "bootstrap_expect is even number: A cluster with an even number of servers does not "
            f"achieve optimum fault tolerance. {table}"
        )
    if config.server and config.bootstrap:
        warn("bootstrap = true: do not enable unless necessary")
    if config.server and not config.dev_mode and expect > 1:
        warn(f"bootstrap_expect > 0: expecting {expect} servers")
    open_to_all = not config.acl.enabled and not config.http.allow_write_http_from
    if config.checks.enable_script_checks and open_to_all:
        warn(
            "using enable-script-checks without ACLs and without allow_write_http_from is "
            "DANGEROUS, use enable-local-script-checks instead, see https://www.hashicorp.com/"
            "blog/protecting-consul-from-rce-risk-in-specific-configurations/"
        )
