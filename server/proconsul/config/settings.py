"""Reading merged settings: a value by its path, with its type, its default and its complaints.

What is wrong with single values is gathered and told at once, as Consul does; what makes no
sense to go on with is raised where it is found.
"""

from __future__ import annotations

import ipaddress
import json

from proconsul.config import durations
from proconsul.config.addresses import TemplateError, expand
from proconsul.config.decode import Raw
from proconsul.config.networks import Host, IpAddress
from proconsul.config.schema import UnixAddress

PORT_MAX = 65535


def _ip(word: str) -> IpAddress | None:
    """An address without a zone: a zone means something on one host only."""
    try:
        return None if "%" in word else ipaddress.ip_address(word)
    except ValueError:
        return None


class Settings:
    """All settings merged, the host that they are for, and what has been found wrong so far."""

    def __init__(self, raw: Raw, host: Host) -> None:
        self.host = host
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._raw = raw

    def at(self, path: str) -> object | None:
        """The value under a dotted path; None is not set."""
        value: object | None = self._raw
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def text(self, *paths: str) -> str:
        """The first of the paths that is set, else empty."""
        value = self._first(paths)
        assert value is None or isinstance(value, str), "the decoder has checked types"
        return value or ""

    def flag(self, *paths: str, default: bool = False) -> bool:
        """The first of the paths that is set."""
        value = self._first(paths)
        assert value is None or isinstance(value, bool), "the decoder has checked types"
        return default if value is None else value

    def number(self, path: str, default: int = 0) -> int:
        """A whole number."""
        value = self.at(path)
        assert value is None or isinstance(value, int), "the decoder has checked types"
        return default if value is None else value

    def real(self, path: str, default: float = 0.0) -> float:
        """A number."""
        value = self.at(path)
        assert value is None or isinstance(value, float), "the decoder has checked types"
        return default if value is None else value

    def texts(self, path: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.at(path)
        return tuple(str(each) for each in value) if isinstance(value, list) else ()

    def maps(self, path: str) -> tuple[dict[str, object], ...]:
        """A list of blocks."""
        value = self.at(path)
        listed = value if isinstance(value, list) else []
        return tuple(each for each in listed if isinstance(each, dict))

    def pairs(self, path: str) -> dict[str, str]:
        """A map of strings."""
        value = self.at(path)
        given = value if isinstance(value, dict) else {}
        return {key: str(each) for key, each in given.items()}

    def duration_s(self, path: str, told_as: str = "") -> float:
        """A duration; a bad one is a problem told under `told_as`."""
        return self.seconds(told_as or path, self.text(path)) if self.at(path) is not None else 0.0

    def seconds(self, told_as: str, text: str) -> float:
        """The duration `text`, of whatever place."""
        return self.nanoseconds(told_as, text) / durations.NS_PER_S

    def nanoseconds(self, told_as: str, text: str) -> int:
        """The duration `text`, of whatever place."""
        try:
            return durations.parse_ns(text)
        except ValueError as error:
            self.problems.append(f'{told_as}: invalid duration: "{text}": {error}')
            return 0

    def port(self, name: str) -> int:
        """A port; -1 is off."""
        port = self.number(f"ports.{name}")
        if port > PORT_MAX:
            self.problems.append(f"ports.{name}: invalid port: {port}")
        return port if port > 0 else -1

    def listen_hosts(self, path: str) -> list[IpAddress | UnixAddress]:
        """The addresses of a space-separated list, templates expanded."""
        text = self.text(path)
        if not text:
            return []
        try:
            expanded = expand(text, self.host)
        except TemplateError as error:
            self.problems.append(f"{path}: error parsing {json.dumps(text)}: {error}")
            return []
        found: list[IpAddress | UnixAddress] = []
        for word in expanded.split():
            if word.startswith("unix://"):
                found.append(UnixAddress(path=word.removeprefix("unix://")))
                continue
            address = _ip("::" if word == "[::]" else word)
            if address is None:
                self.problems.append(f"{path}: invalid ip address: {word}")
                return []
            found.append(address)
        return found

    def ips(self, path: str) -> list[IpAddress]:
        """The same where a unix socket makes no sense."""
        found = self.listen_hosts(path)
        if any(isinstance(each, UnixAddress) for each in found):
            self.problems.append(f"{path} cannot be a unix socket")
            return []
        return [each for each in found if not isinstance(each, UnixAddress)]

    def one_ip(self, path: str) -> IpAddress | None:
        """The same where there can be only one."""
        found = self.listen_hosts(path)
        if len(found) > 1:
            told = " ".join(
                f"{each.path}" if isinstance(each, UnixAddress) else str(each) for each in found
            )
            self.problems.append(f"{path}: multiple addresses found: {told}")
            return None
        if found and isinstance(found[0], UnixAddress):
            self.problems.append(f"{path} cannot be a unix socket")
            return None
        return found[0] if found and not isinstance(found[0], UnixAddress) else None

    def names_or_ips(self, path: str) -> tuple[str, ...]:
        """A list of addresses to call, with templates expanded; names are allowed."""
        found: list[str] = []
        for text in self.texts(path):
            try:
                expanded = expand(text, self.host)
            except TemplateError as error:
                self.problems.append(f"{path}: error parsing {json.dumps(text)}: {error}")
                continue
            # A text without a template may hold spaces: cloud auto-join has its own words.
            found += expanded.split() if expanded != text else [text] if text else []
        return tuple(found)

    def networks(self, path: str, told_as: str) -> tuple[str, ...]:
        """A list of CIDRs; their text as networks are written."""
        found: list[str] = []
        for text in self.texts(path):
            # The library also takes netmasks and lone addresses, which are no CIDR.
            is_cidr = text.strip().rpartition("/")[2].isdecimal() and "/" in text
            try:
                network = ipaddress.ip_network(text.strip(), strict=False) if is_cidr else None
            except ValueError:
                network = None
            if network is None:
                self.problems.append(f"{told_as}: invalid cidr: {text}")
            else:
                found.append(str(network))
        return tuple(found)

    def _first(self, paths: tuple[str, ...]) -> object | None:
        return next((value for path in paths if (value := self.at(path)) is not None), None)
