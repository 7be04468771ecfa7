"""A new gossip key, while the cluster works.

The key goes round in four moves, each seen everywhere before the next: the Secret has old
and new, all have the new one, all use it, none has the old one. Which of two keys is the old one is
told by the fingerprint in the status, which is written before the first move and changes after the
last. No key is taken away while anybody is missing: who comes back with the old one alone would be
cut off.
"""

import hashlib

import msgspec

from proconsul_operator.api.cluster import GossipStatus
from proconsul_operator.api.group import ROTATE_GOSSIP
from proconsul_operator.api.values import duration_s, unix_s
from proconsul_operator.plans.actions import (
    LOOK_LATER_S,
    Decision,
    KeyringInstall,
    KeyringRemove,
    KeyringUse,
    RecordStatus,
    StoreGossipKeys,
    wait,
)
from proconsul_operator.plans.observe import GossipSecret, Keyring, Leader, Observed
from proconsul_operator.plans.safety import unwell_pods
from proconsul_operator.plans.steps import Step


def fingerprint(key: str) -> str:
    """Tells keys apart without telling them."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def gossip(observed: Observed) -> Decision | None:
    """The next move of a rotation that is asked for, due, or begun."""
    secret = observed.gossip
    if observed.spec.gossip is None or secret is None:
        return None
    if observed.spec.gossip.secret_name and len(secret.keys) == 1:
        return None  # somebody else keeps the Secret
    if len(secret.keys) > 1:
        return _note(observed, secret) or _go_on(observed, secret)
    if not _is_due(observed):
        return None
    return _store(
        observed,
        Step.ADD_KEY,
        secret,
        (secret.keys[0], observed.fresh.gossip_key),
        "the gossip key is to change",
    )


def _asked(observed: Observed) -> str:
    return observed.annotations.get(ROTATE_GOSSIP, "")


def _noted(observed: Observed) -> str:
    return "" if observed.status.gossip is None else observed.status.gossip.rotation


def _is_due(observed: Observed) -> bool:
    if _asked(observed) and _asked(observed) != _noted(observed):
        return True
    asked = observed.spec.gossip
    held = observed.status.gossip
    if asked is None or asked.rotation is None or held is None or held.last_rotation is None:
        return False
    return observed.now_s >= unix_s(held.last_rotation) + duration_s(asked.rotation.every)


def _note(observed: Observed, secret: GossipSecret) -> Decision | None:
    """Which key is the old one, and which wish is being carried out."""
    held = observed.status.gossip
    known = {fingerprint(key) for key in secret.keys}
    old_known = held is not None and held.primary_fingerprint in known
    if old_known and _noted(observed) == _asked(observed):
        return None
    old = held.primary_fingerprint if old_known and held else fingerprint(secret.keys[0])
    noted = msgspec.structs.replace(
        held or GossipStatus(), primary_fingerprint=old, rotation=_asked(observed)
    )
    return Decision(
        step=Step.NOTE_ROTATION,
        action=RecordStatus(fields={"gossip": noted}),
        target=observed.wanted.gossip_secret,
        why="the rotation has begun",
    )


def _go_on(observed: Observed, secret: GossipSecret) -> Decision:
    held = observed.status.gossip
    assert held is not None, "noted before"
    old = next(key for key in secret.keys if fingerprint(key) == held.primary_fingerprint)
    new = next(key for key in secret.keys if key != old)
    ring = observed.leader.keyring if isinstance(observed.leader, Leader) else None
    unwell = unwell_pods(observed)
    if not isinstance(ring, Keyring) or ring.failed or unwell:
        missing = ", ".join(unwell) or "a member or agent"
        return wait(
            Step.AWAIT_KEYRING, f"{missing} does not answer about its keys", seconds=LOOK_LATER_S
        )
    if not ring.everywhere(new):
        return _key(Step.INSTALL_KEY, KeyringInstall(key=new), "all must have the new key first")
    if secret.keys[0] != new:
        return _store(
            observed, Step.PREFER_KEY, secret, (new, old), "who starts now uses the new key"
        )
    if not ring.primary_everywhere(new):
        return _key(Step.USE_KEY, KeyringUse(key=new), "all have it")
    if ring.keys.get(old, 0):
        return _key(Step.REMOVE_KEY, KeyringRemove(key=old), "nobody uses the old key")
    return _store(observed, Step.FORGET_KEY, secret, (new,), "nobody has the old key")


def _key(step: Step, action: KeyringInstall | KeyringUse | KeyringRemove, why: str) -> Decision:
    return Decision(step=step, action=action, target=fingerprint(action.key), why=why)


def _store(
    observed: Observed, step: Step, secret: GossipSecret, keys: tuple[str, ...], why: str
) -> Decision:
    action = StoreGossipKeys(keys=keys, resource_version=secret.resource_version)
    return Decision(step=step, action=action, target=observed.wanted.gossip_secret, why=why)
