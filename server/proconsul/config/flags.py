"""The flags of `agent`, taken as Go's flag package takes them.

`-name=value`, `-name value` and two dashes mean the same; a boolean needs no value and takes one
only after `=`; the first word that is no flag, or `--`, ends them. A flag may come again: lists
grow, anything else is replaced.
Source: agent/config/flags.go, Go's flag package.
"""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct

from proconsul.config.decode import Raw
from proconsul.config.failure import ConfigError


class Takes(Enum):
    """What a flag's value is."""

    STRING = auto()
    BOOL = auto()
    INT = auto()
    LIST = auto()
    PAIR = auto()


class Flag(Struct, frozen=True):
    """A flag, what it takes, the settings key that it stands for, and a line of help."""

    name: str
    takes: Takes
    key: str
    help: str


class AgentFlags(Struct, frozen=True, kw_only=True):
    """A command line. `lists` go below the files and `values` above them (see sources.py)."""

    values: Raw
    lists: Raw
    config_paths: tuple[str, ...] = ()
    config_format: str = ""
    hcl: tuple[str, ...] = ()
    dev: bool = False
    help: bool = False


_SPECIAL = "special:"
"""Keys of this kind say where settings come from; they are no settings."""

_TABLE = """
advertise STRING advertise_addr | Address that others in the datacenter are told.
advertise-wan STRING advertise_addr_wan | Address that other datacenters are told.
allow-write-http-from LIST http_config.allow_write_http_from | CIDR that may write; repeatable.
alt-domain STRING alt_domain | A second domain to answer DNS for.
bind STRING bind_addr | Address for traffic between servers and agents.
auto-reload-config BOOL auto_reload_config | Reload when files of configuration or TLS change.
bootstrap BOOL bootstrap | Be a cluster of one that others may join.
bootstrap-expect INT bootstrap_expect | How many servers to wait for before the first election.
check_output_max_size INT check_output_max_size | Bytes kept of a check's output.
client STRING client_addr | Addresses for clients: HTTP, HTTPS, gRPC, DNS.
config-dir LIST special:path | Directory whose .json and .hcl files are read in order; repeatable.
config-file LIST special:path | A .json or .hcl file; repeatable.
config-format STRING special:format | Read every file as this, whatever its name: hcl or json.
data-dir STRING data_dir | Directory for the server's state.
datacenter STRING datacenter | Name of the datacenter.
default-query-time STRING default_query_time | Wait of a blocking query that names none.
dev BOOL special:dev | Development: one server on loopback that keeps nothing.
disable-host-node-id BOOL disable_host_node_id | Make the node ID at random, not from the host.
disable-keyring-file BOOL disable_keyring_file | Keep gossip keys out of the data directory.
dns-port INT ports.dns | Port for DNS.
domain STRING domain | Domain to answer DNS for.
enable-local-script-checks BOOL enable_local_script_checks | Allow script checks from files.
enable-script-checks BOOL enable_script_checks | Allow script checks from files and the API.
encrypt STRING encrypt | Key that encrypts gossip, in base64.
grpc-port INT ports.grpc | Port for gRPC.
hcl LIST special:hcl | A piece of HCL that outweighs all files; repeatable.
http-port INT ports.http | Port for HTTP.
https-port INT ports.https | Port for HTTPS.
join LIST start_join | Address to join once at start; repeatable.
join-wan LIST start_join_wan | Address in another datacenter to join once at start; repeatable.
log-file STRING log_file | File for the log.
log-json BOOL log_json | Log lines as JSON.
log-level STRING log_level | trace, debug, info, warn or err.
log-rotate-bytes INT log_rotate_bytes | Size at which a new log file is begun.
log-rotate-duration STRING log_rotate_duration | Time after which a new log file is begun.
log-rotate-max-files INT log_rotate_max_files | How many old log files are kept.
max-query-time STRING max_query_time | The longest time that a blocking query may wait.
node STRING node_name | Name of this node, one of its kind in the cluster.
node-id STRING node_id | UUID of this node; made once where not given.
node-meta PAIR node_meta | A `key:value` to tell about this node; repeatable.
non-voting-server BOOL non_voting_server | Take the log without a vote (Consul Enterprise).
pid-file STRING pid_file | File for the process ID.
primary-gateway LIST primary_gateways | Mesh gateway of the primary datacenter; repeatable.
protocol INT protocol | Version of the gossip protocol.
raft-protocol INT raft_protocol | Version of the raft protocol.
recursor LIST recursors | DNS server for names outside the domain; repeatable.
rejoin BOOL rejoin_after_leave | Join again after having left.
retry-interval STRING retry_interval | Time between attempts to join.
retry-interval-wan STRING retry_interval_wan | Time between attempts to join another datacenter.
retry-join LIST retry_join | Address to join, again and again until it works; repeatable.
retry-join-wan LIST retry_join_wan | The same for another datacenter; repeatable.
retry-max INT retry_max | How many attempts to join; 0 never gives up.
retry-max-wan INT retry_max_wan | The same for another datacenter.
segment STRING segment | Network segment (Consul Enterprise).
serf-lan-allowed-cidrs LIST serf_lan_allowed_cidrs | CIDR that may gossip here; repeatable.
serf-lan-bind STRING serf_lan | Address for gossip in the datacenter.
serf-lan-port INT ports.serf_lan | Port for gossip in the datacenter.
serf-wan-allowed-cidrs LIST serf_wan_allowed_cidrs | CIDR of other datacenters; repeatable.
serf-wan-bind STRING serf_wan | Address for gossip between datacenters.
serf-wan-port INT ports.serf_wan | Port for gossip between datacenters.
server BOOL server | Be a server.
server-port INT ports.server | Port for RPC between servers and agents.
syslog BOOL enable_syslog | Log to syslog, too.
ui BOOL ui | Serve the web UI.
ui-content-path STRING ui_content_path | Path of the web UI; /ui/ by default.
ui-dir STRING ui_dir | Directory with a web UI of one's own.
"""


def _read_table() -> dict[str, Flag]:
    flags: dict[str, Flag] = {}
    for row in _TABLE.strip().splitlines():
        facts, text = row.split(" | ", 1)
        name, takes, key = facts.split(" ")
        flags[name] = Flag(name, Takes[takes], key, text)
    return flags


FLAGS = _read_table()

_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def parse_agent_flags(argv: list[str]) -> AgentFlags:
    """The words after `agent`; a ConfigError says what is wrong with them."""
    command_line = _CommandLine()
    rest = list(argv)
    while rest and rest[0] != "-" and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        flag, value = _split(word)
        if flag is None:
            command_line.help = True
            break
        if value is None:
            if flag.takes is Takes.BOOL:
                value = "true"
            elif rest:
                value = rest.pop(0)
            else:
                raise ConfigError(f"error parsing flags: flag needs an argument: -{flag.name}")
        command_line.take(flag, value)
    if rest and not command_line.help:
        raise ConfigError(f"Unexpected extra arguments: [{' '.join(rest)}]")
    return command_line.result()


def _split(word: str) -> tuple[Flag | None, str | None]:
    """The flag of a word and the value after its `=`; no flag at all is a call for help."""
    name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
    if not name or name.startswith("-"):
        raise ConfigError(f"error parsing flags: bad flag syntax: {word}")
    if name in FLAGS:
        return FLAGS[name], value if equals else None
    if name in ("help", "h"):
        return None, None
    raise ConfigError(f"error parsing flags: flag provided but not defined: -{name}")


class _CommandLine:
    """What has been read of one command line."""

    def __init__(self) -> None:
        self.help = False
        self._values: Raw = {}
        self._lists: Raw = {}
        self._special: dict[str, list[str]] = {}

    def take(self, flag: Flag, text: str) -> None:
        value = _converted(flag, text)
        if flag.key.startswith(_SPECIAL):
            self._special.setdefault(flag.key.removeprefix(_SPECIAL), []).append(text)
            return
        *groups, key = flag.key.split(".")
        # Lists inside of blocks stay above the files, as they do in Consul.
        target = self._lists if flag.takes is Takes.LIST and not groups else self._values
        for group in groups:
            inner = target.setdefault(group, {})
            assert isinstance(inner, dict), "the table names blocks only"
            target = inner
        if isinstance(value, list):
            listed = target.setdefault(key, [])
            assert isinstance(listed, list), "a key is a list in every flag or in none"
            listed.extend(value)
        elif isinstance(value, dict):
            pairs = target.setdefault(key, {})
            assert isinstance(pairs, dict), "a key is a map in every flag or in none"
            pairs.update(value)
        else:
            target[key] = value

    def result(self) -> AgentFlags:
        formats = self._special.get("format", [""])
        if formats[-1] not in ("", "json", "hcl"):
            raise ConfigError("config: -config-format must be either 'hcl' or 'json'")
        return AgentFlags(
            values=self._values,
            lists=self._lists,
            config_paths=tuple(self._special.get("path", ())),
            config_format=formats[-1],
            hcl=tuple(self._special.get("hcl", ())),
            dev=_BOOLEANS[self._special.get("dev", ["false"])[-1]],
            help=self.help,
        )


def _converted(flag: Flag, text: str) -> object:
    match flag.takes:
        case Takes.BOOL:
            if text not in _BOOLEANS:
                raise ConfigError(
                    f'error parsing flags: invalid boolean value "{text}" for -{flag.name}: '
                    f'strconv.ParseBool: parsing "{text}": invalid syntax'
                )
            return _BOOLEANS[text]
        case Takes.INT:
            return _integer(flag, text)
        case Takes.LIST:
            return [text]
        case Takes.PAIR:
            key, _, value = text.partition(":")
            return {key: value}
        case Takes.STRING:
            return text


def _integer(flag: Flag, text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    problem = "" if digits.isascii() and digits.isdigit() else "invalid syntax"
    if not problem and (len(digits) > 19 or not -(2**63) <= int(text) < 2**63):
        problem = "value out of range"
    if problem:
        raise ConfigError(
            f'error parsing flags: invalid value "{text}" for flag -{flag.name}: '
            f'strconv.Atoi: parsing "{text}": {problem}'
        )
    return int(text)


def help_text() -> str:
    """What `agent -help` prints."""
    lines = ["Usage: proconsul agent [options]", "", "  Starts a Consul-compatible server.", ""]
    for flag in FLAGS.values():
        value = "" if flag.takes is Takes.BOOL else "=<value>"
        lines += [f"  -{flag.name}{value}", f"      {flag.help}"]
    return "\n".join(lines) + "\n"
