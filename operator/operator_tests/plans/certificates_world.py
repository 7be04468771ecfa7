"""Certificates in the small world: the CA's Secret, the members' Secret, and what each has loaded.

A member takes what is in its mounted Secret later than others do, and not at all while it is out of
reach. What may never be is asserted whenever anything changes: two members that run, of which one
does not trust the CA of the other's certificate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from proconsul_operator.plans import actions as a
from proconsul_operator.plans.observe import Authority, TlsSecret

DAY_S: Final = 86400.0
LEAF_S: Final = 90 * DAY_S
AUTHORITY_S: Final = 3650 * DAY_S


class Runs(Protocol):
    """A pod, as far as it matters here."""

    uid: str
    ordinal: int
    running: bool
    silent: bool


@dataclass(frozen=True)
class Leaf:
    """What the members' Secret holds, and what a member has loaded of it."""

    name: str
    issuer: str
    trusts: tuple[str, ...]
    ends_s: float
    version: int = 1


@dataclass
class Certificates:
    """All of them; "" and None: there is none yet."""

    serial: Callable[[str], str]
    authority: str = ""
    previous: str = ""
    authority_ends_s: float = 0.0
    authority_version: int = 1
    leaf: Leaf | None = None
    loaded: dict[str, Leaf] = field(default_factory=dict)  # by the pod's UID
    issued: list[str] = field(default_factory=list)  # CAs, each time that one signed

    # What the operator sees.

    def secret(self) -> TlsSecret | None:
        """Of the members."""
        held = self.leaf
        if held is None:
            return None
        return TlsSecret(
            fingerprint=held.name,
            not_after_s=held.ends_s,
            authorities=held.trusts,
            issuer=held.issuer if held.issuer in held.trusts else "",
            resource_version=str(held.version),
        )

    def authority_secret(self) -> Authority | None:
        """Of the CA."""
        if not self.authority:
            return None
        return Authority(
            fingerprint=self.authority,
            not_after_s=self.authority_ends_s,
            previous=self.previous,
            resource_version=str(self.authority_version),
        )

    # What it does. False: a precondition does not hold.

    def make_authority(self, now_s: float) -> None:
        """If there is none."""
        if not self.authority:
            self._new(now_s)

    def _new(self, now_s: float) -> None:
        self.authority, self.authority_ends_s = self.serial("ca"), now_s + AUTHORITY_S
        self.authority_version += 1

    def rotate(self, version: str, now_s: float) -> bool:
        """Another, beside this one."""
        if str(self.authority_version) != version:
            return False
        assert not self.previous, "a third CA before the second has come"
        self.previous = self.authority
        self._new(now_s)
        return True

    def forget(self, version: str) -> bool:
        """The one before."""
        if str(self.authority_version) != version:
            return False
        assert self.leaf is not None
        assert self.leaf.issuer == self.authority, "the key of the certificate's CA is thrown away"
        self.previous = ""
        self.authority_version += 1
        return True

    def issue(self, action: a.IssueCertificate, now_s: float) -> bool:
        """A leaf."""
        if not action.resource_version and self.leaf is not None:
            return True  # it is there
        if not self._is(action.resource_version):
            return False
        assert action.signer in (self.authority, self.previous), "a CA whose key nobody has"
        version = 1 if self.leaf is None else self.leaf.version + 1
        self.leaf = Leaf(
            name=self.serial("leaf"),
            issuer=action.signer,
            trusts=action.authorities,
            ends_s=now_s + LEAF_S,
            version=version,
        )
        self.issued.append(action.signer)
        self._fits()
        return True

    def trust(self, action: a.TrustAuthorities) -> bool:
        """Other CAs in the members' Secret."""
        if self.leaf is None or not self._is(action.resource_version):
            return False
        known = {*self.leaf.trusts, self.authority, self.previous}
        assert set(action.authorities) <= known, "a CA that is nowhere"
        self.leaf = replace(self.leaf, trusts=action.authorities, version=self.leaf.version + 1)
        self._fits()
        return True

    def _is(self, version: str) -> bool:
        return version == ("" if self.leaf is None else str(self.leaf.version))

    def _fits(self) -> None:
        assert self.leaf is not None
        assert self.leaf.issuer in self.leaf.trusts, "a member does not trust its own certificate"

    # What the world does.

    def tick(self, pods: Mapping[str, Runs], number: int) -> None:
        """Who starts has the newest; of the others one each tick."""
        running = {pod.uid: pod for pod in pods.values() if pod.running}
        self.loaded = {uid: held for uid, held in self.loaded.items() if uid in running}
        if self.leaf is None:
            return
        for uid, pod in running.items():
            its_turn = not pod.silent and number % 5 == pod.ordinal
            if uid not in self.loaded or its_turn:
                self.loaded[uid] = self.leaf
        for one in self.loaded.values():
            for other in self.loaded.values():
                assert one.issuer in other.trusts, f"{other} does not trust {one}"

    def is_by_newest_alone(self) -> bool:
        """All members use a certificate of the newest CA, and trust no other."""
        held = self.leaf
        return (
            held is not None
            and held.issuer == self.authority
            and held.trusts == (self.authority,)
            and not self.previous
            and set(self.loaded.values()) == {held}
        )
