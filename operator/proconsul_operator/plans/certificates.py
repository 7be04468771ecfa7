"""A new certificate before the old one ends, and a new CA in three moves; nobody is restarted.

Members take what is in the mounted Secret by themselves, each in its own time. So a CA changes
while all trust both: first the Secret's `ca.crt` has the old and the new one, then its certificate
is signed by the new one, then `ca.crt` has the new one alone. Each move waits until every member
says that it made the last (`/v1/proconsul/tls`, a handshake); nobody is ever shown a certificate
that it does not trust, and while a member is away nothing goes on.

Nothing is remembered. The CA's Secret has the newest CA, and beside it the one before until it is
not needed; what the members' Secret lacks of that is the next move. So it is also the way back when
the CA's Secret was lost or replaced by a person.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from proconsul_operator.api.cluster import TlsStatus
from proconsul_operator.api.group import ROTATE_CA
from proconsul_operator.api.values import duration_s
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Decision,
    ForgetAuthority,
    IssueCertificate,
    RecordStatus,
    RotateAuthority,
    TrustAuthorities,
    wait,
)
from proconsul_operator.plans.create import authority_secret, has_own_authority
from proconsul_operator.plans.observe import Authority, Observed, Pod, TlsSecret
from proconsul_operator.plans.safety import unwell_pods
from proconsul_operator.plans.steps import Step
from proconsul_operator.specs.certificate import LEAF_DAYS

LEAF_S: Final = LEAF_DAYS * 86400.0
RENEWED_BEFORE_MAX: Final = 2 / 3  # of its life: a longer `renewBefore` would never be content


def renewed_before_s(observed: Observed) -> float:
    """How long before its end a certificate is renewed."""
    tls = observed.spec.tls
    assert tls is not None, "asked of a cluster with TLS"
    return min(duration_s(tls.renew_before), LEAF_S * RENEWED_BEFORE_MAX)


def _own(observed: Observed) -> tuple[TlsSecret, Authority] | None:
    """The members' Secret and the CA's, if both are the operator's to change."""
    if observed.tls is None or observed.authority is None:
        return None
    return (observed.tls, observed.authority) if has_own_authority(observed.wanted) else None


def renew(observed: Observed) -> Decision | None:
    """Before its end, by the same CA: that needs no member and no quorum."""
    own = _own(observed)
    if own is None:
        return None
    held, authority = own
    if observed.now_s < held.not_after_s - renewed_before_s(observed):
        return None
    if held.issuer not in (authority.fingerprint, authority.previous):
        return None  # whoever signed it is gone: it comes with the new CA
    return _issue(
        observed, Step.RENEW_CERTIFICATE, held, held.issuer, "its end is near, or behind it"
    )


def change_authority(observed: Observed) -> Decision | None:
    """The next move to a new CA that is asked for, due, or begun."""
    own = _own(observed)
    if own is None:
        return None
    held, authority = own
    done = _by_new_alone(held, authority)
    if done and not authority.previous:
        return _add(observed, authority) if _is_due(observed, authority) else None
    return _note(observed) or _next_move(observed, held, authority)


def _by_new_alone(held: TlsSecret, authority: Authority) -> bool:
    return held.issuer == authority.fingerprint and held.authorities == (authority.fingerprint,)


def _asked(observed: Observed) -> str:
    return observed.annotations.get(ROTATE_CA, "")


def _noted(observed: Observed) -> str:
    return "" if observed.status.tls is None else observed.status.tls.rotation


def _is_due(observed: Observed, authority: Authority) -> bool:
    if _asked(observed) and _asked(observed) != _noted(observed):
        return True
    # No certificate that is signed until then may end after it.
    return observed.now_s >= authority.not_after_s - LEAF_S - renewed_before_s(observed)


def _add(observed: Observed, authority: Authority) -> Decision:
    name = authority_secret(observed.wanted)
    return Decision(
        step=Step.ADD_AUTHORITY,
        action=RotateAuthority(secret=name, resource_version=authority.resource_version),
        target=name,
        why="the CA is to change",
    )


def _note(observed: Observed) -> Decision | None:
    """Which wish is being carried out."""
    if _noted(observed) == _asked(observed):
        return None
    noted = msgspec.structs.replace(observed.status.tls or TlsStatus(), rotation=_asked(observed))
    return Decision(
        step=Step.NOTE_AUTHORITY,
        action=RecordStatus(fields={"tls": noted}),
        target=authority_secret(observed.wanted),
        why="the change of the CA has begun",
    )


def _next_move(observed: Observed, held: TlsSecret, authority: Authority) -> Decision:
    new = authority.fingerprint
    if new not in held.authorities:
        trusted = (*held.authorities, new)
        return _trust(observed, Step.TRUST_BOTH, held, trusted, "the new CA is to be trusted first")
    if held.issuer != new:
        return _await(
            observed, Step.AWAIT_TRUST, lambda pod: _trusts(pod, held.authorities)
        ) or _issue(observed, Step.CHANGE_CERTIFICATE, held, new, "all trust both CAs")
    if held.authorities != (new,):
        return _await(
            observed, Step.AWAIT_CERTIFICATE, lambda pod: pod.certificate == held.fingerprint
        ) or _trust(observed, Step.TRUST_NEW, held, (new,), "all have a certificate of the new CA")
    name = authority_secret(observed.wanted)
    return _await(observed, Step.AWAIT_TRUST, lambda pod: pod.trusts == (new,)) or Decision(
        step=Step.FORGET_AUTHORITY,
        action=ForgetAuthority(secret=name, resource_version=authority.resource_version),
        target=name,
        why="nobody needs the old CA",
    )


def _trusts(pod: Pod, authorities: tuple[str, ...]) -> bool:
    return isinstance(pod.trusts, tuple) and set(authorities) <= set(pod.trusts)


def _await(observed: Observed, step: Step, has: Callable[[Pod], bool]) -> Decision | None:
    away = unwell_pods(observed)
    late = tuple(pod.name for pod in observed.pods if not has(pod))
    names = ", ".join(sorted({*away, *late}))
    if not names:
        return None
    return wait(
        step, f"{names} has not taken the last change of its certificates", seconds=LOOK_LATER_S
    )


def _issue(observed: Observed, step: Step, held: TlsSecret, signer: str, why: str) -> Decision:
    name = observed.wanted.tls_secret
    return Decision(
        step=step,
        action=IssueCertificate(
            secret=name,
            authority=authority_secret(observed.wanted),
            signer=signer,
            authorities=held.authorities,
            resource_version=held.resource_version,
        ),
        target=name,
        why=why,
    )


def _trust(
    observed: Observed, step: Step, held: TlsSecret, authorities: tuple[str, ...], why: str
) -> Decision:
    name = observed.wanted.tls_secret
    return Decision(
        step=step,
        action=TrustAuthorities(
            secret=name,
            authority=authority_secret(observed.wanted),
            authorities=authorities,
            resource_version=held.resource_version,
        ),
        target=name,
        why=why,
    )
