"""The Kubernetes API in a dozen calls, with plain objects as JSON has them.

Rules: every call has a deadline and is made once, the next cycle tries again; what went wrong is
told by its class, as each asks for something else: Absent (look again), Conflict (plan again),
Forbidden (tell a person), Invalid (tell a person), Busy (wait; whether it was done is not known).
What we want is applied by the server, under one manager's name; what we saw is applied to `status`
under another; single fields (a size, a label, a lock) are patched under a third, so that applying
never takes them for its own. An apply first asks without force: who owns a field otherwise is told
of, and then it is ours.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from kubernetes.aio import client as kube_client
from kubernetes.aio import config as kube_config
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import DynamicApiError

from proconsul_operator.actions.kube_kinds import KUBE_KINDS
from proconsul_operator.specs.wanted import Manifest

MANAGER: Final = "proconsul-operator"
STATUS_MANAGER: Final = "proconsul-operator-status"
PATCH_MANAGER: Final = "proconsul-operator-acts"

CALL_S: Final = 10.0
PAGE: Final = 500
PAGES_MAX: Final = 200
RETRY_AFTER_S_MAX: Final = 60.0
NOTE_MAX: Final = 1000  # of an Event: Kubernetes takes 1024 bytes

OWNING_TRIES_MAX: Final = 5
_JSON: Final = "application/json-patch+json"
_MERGE: Final = "application/merge-patch+json"
_FIELD_CONFLICT: Final = "FieldManagerConflict"


class KubeError(Exception):
    """The call did not do what it was for."""


class AbsentError(KubeError):
    """404: there is no such object, or no such kind."""


class ConflictError(KubeError):
    """409: it is not as we thought, or, for an apply, `fields` belong to others."""

    def __init__(self, text: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.fields = fields


class ForbiddenError(KubeError):
    """401, 403: our rights do not go so far, or a policy is against it."""


class InvalidError(KubeError):
    """400, 422: the object cannot be."""


class BusyError(KubeError):
    """429, 5xx, or no answer: it may have been done. Wait `retry_after_s` if it is not 0."""

    def __init__(self, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, as RBAC sees it, and how it ended: a status, or 0 for no answer."""

    verb: str
    group: str
    resource: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What is there after an apply, and the fields that others had set otherwise."""

    object: Manifest
    taken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Preconditions of a change: it is refused if the object is another, or was changed."""

    uid: str = ""
    resource_version: str = ""

    @property
    def metadata(self) -> Manifest:
        """In a patch."""
        held = {"uid": self.uid, "resourceVersion": self.resource_version}
        return {key: value for key, value in held.items() if value}


async def settings_of(kubeconfig: str) -> Any:
    """A kubernetes.aio Configuration: by a file, or with "" as the pod's ServiceAccount."""
    settings: Any = kube_client.Configuration()
    settings.disable_strict_ssl_verification = True  # as_go in actions/tls.py says why
    if kubeconfig:
        load: Any = kube_config.load_kube_config
        await load(config_file=kubeconfig, client_configuration=settings)
    else:
        kube_config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    return settings


class KubeGateway:
    """The API server, under our name."""

    def __init__(self, api: Any, told: Callable[[Call], None]) -> None:
        """`api` is a kubernetes.aio ApiClient; `told` hears of every call."""
        self._api = api
        made: Any = DynamicClient
        self._client = made(api)  # without discovery, which it would do when awaited
        self._told = told

    @classmethod
    async def open(cls, kubeconfig: str, told: Callable[[Call], None]) -> "KubeGateway":
        """By a file, or with "" as the pod's ServiceAccount."""
        return cls(kube_client.ApiClient(await settings_of(kubeconfig)), told)

    async def close(self) -> None:
        """No more calls."""
        await self._api.close()

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object, as it is in the store now; None if it is not there."""
        try:
            return await self._call("get", kind, namespace, name)
        except AbsentError:
            return None

    async def list(self, kind: str, namespace: str | None, labels: str = "") -> list[Manifest]:
        """All of a namespace, or of every one, with these labels. [] for an unknown kind."""
        found: list[Manifest] = []
        more = ""
        for _ in range(PAGES_MAX):
            try:
                page = await self._call(
                    "list", kind, namespace, "",
                    label_selector=labels or None, limit=PAGE, _continue=more or None,
                )  # fmt: skip
            except AbsentError:
                if more:
                    raise BusyError(f"{kind}: the list changed while it was read") from None
                return []
            api_version = KUBE_KINDS[kind].api_version
            found += [
                {"apiVersion": api_version, "kind": kind, **each} for each in page.get("items", ())
            ]
            more = page.get("metadata", {}).get("continue", "")
            if not more:
                return found
        raise BusyError(f"more than {PAGE * PAGES_MAX} objects of kind {kind}")

    async def apply(self, manifest: Manifest) -> Applied:
        """Our fields as they are wanted. A `resourceVersion` in it is a precondition."""
        try:
            return Applied(object=await self._apply(manifest, MANAGER, force=False))
        except ConflictError as conflict:
            if not conflict.fields:
                raise
            done = await self._apply(manifest, MANAGER, force=True)
            others = tuple(each for each in conflict.fields if f'"{MANAGER}' not in each)
            return Applied(object=done, taken=others)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """`status`, all of it that is ours."""
        return await self._apply(manifest, STATUS_MANAGER, force=True, subresource="status")

    async def _apply(
        self, manifest: Manifest, manager: str, *, force: bool, subresource: str = ""
    ) -> Manifest:
        meta = manifest["metadata"]
        return await self._call(
            "patch",
            manifest["kind"],
            meta.get("namespace", ""),
            meta["name"],
            subresource=subresource,
            body=manifest,
            content_type="application/apply-patch+yaml",
            field_manager=manager,
            force_conflicts="true" if force else None,
        )

    async def create_if_absent(self, manifest: Manifest, *, to_apply: bool = True) -> bool:
        """Make it; False if it is there already, however it is.

        `to_apply`: later applies may take its fields away, for which it is patched once more.
        """
        meta = manifest["metadata"]
        try:
            made = await self._call(
                "create", manifest["kind"], meta["namespace"], "",
                body=manifest, field_manager=MANAGER,
            )  # fmt: skip
        except ConflictError:
            return False
        if to_apply:
            await self._own_by_apply(made)
        return True

    async def _own_by_apply(self, made: Manifest) -> None:
        """What we created counts as applied: else no later apply could take a field away."""
        for _ in range(OWNING_TRIES_MAX):
            meta = made["metadata"]
            managers = [
                {**each, "operation": "Apply"} if each["manager"] == MANAGER else each
                for each in meta.get("managedFields", ())
            ]
            if not managers:
                return  # it has no fields at all
            version = meta["resourceVersion"]
            change = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": version},
                {"op": "replace", "path": "/metadata/managedFields", "value": managers},
            ]
            place = (made["kind"], meta["namespace"], meta["name"])
            try:
                await self._call(
                    "patch", *place, body=change, content_type=_JSON, field_manager=PATCH_MANAGER
                )
            except (ConflictError, InvalidError):  # somebody wrote to it just now
                found = await self.get(*place)
                if found is None:
                    return
                made = found
            else:
                return

    async def patch(
        self,
        kind: str,
        namespace: str,
        name: str,
        change: Mapping[str, Any],
        *,
        identity: Identity = Identity(),
        subresource: str = "",
    ) -> Manifest:
        """Merge a change in; None takes a field away."""
        meta = {**change.get("metadata", {}), **identity.metadata}
        body = {**change, **({"metadata": meta} if meta else {})}
        return await self._call(
            "patch", kind, namespace, name,
            subresource=subresource, body=body, content_type=_MERGE, field_manager=PATCH_MANAGER,
        )  # fmt: skip

    async def replace(self, manifest: Manifest) -> Manifest:
        """All of an object, with its resourceVersion as the precondition."""
        meta = manifest["metadata"]
        return await self._call(
            "update", manifest["kind"], meta["namespace"], meta["name"],
            body=manifest, field_manager=MANAGER,
        )  # fmt: skip

    async def delete(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        identity: Identity,
        propagation: str = "Background",
    ) -> None:
        """Delete it if it is still this one. One that is gone is gone."""
        body: Manifest = {"propagationPolicy": propagation}
        if identity.metadata:
            body["preconditions"] = identity.metadata
        try:
            await self._call("delete", kind, namespace, name, body=body)
        except AbsentError:
            return

    async def event(
        self, about: Mapping[str, Any], *, reason: str, note: str, warning: bool, now: str
    ) -> None:
        """One Event on an object, of which kind, apiVersion and metadata are needed."""
        meta = about["metadata"]
        await self._call(
            "create", "Event", meta["namespace"], "",
            field_manager=MANAGER,
            body={
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "generateName": f"{meta['name'][:200]}.",
                    "namespace": meta["namespace"],
                },
                "involvedObject": {
                    "apiVersion": about["apiVersion"],
                    "kind": about["kind"],
                    "name": meta["name"],
                    "namespace": meta["namespace"],
                    "uid": meta["uid"],
                },
                "type": "Warning" if warning else "Normal",
                "reason": reason,
                "message": note.encode()[:NOTE_MAX].decode(errors="ignore"),
                "source": {"component": MANAGER},
                "reportingComponent": MANAGER,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )  # fmt: skip

    async def _call(
        self,
        verb: str,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        subresource: str = "",
        **parameters: Any,
    ) -> Manifest:
        row = KUBE_KINDS[kind]
        path = row.path(namespace, name, subresource)
        resource = f"{row.plural}/{subresource}" if subresource else row.plural
        status = 0
        try:
            async with asyncio.timeout(CALL_S):
                answer = await self._client.request(
                    _METHODS[verb],
                    path,
                    serialize=False,
                    _request_timeout=aiohttp.ClientTimeout(total=CALL_S),
                    **parameters,
                )
                status = answer.status
                found: Manifest = json.loads(await answer.read())
                return found
        except DynamicApiError as error:
            status = error.status
            raise _told_apart(f"{verb} {path}", error) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise BusyError(f"{verb} {path}: {error or type(error).__name__}") from error
        finally:
            self._told(Call(verb=verb, group=row.group, resource=resource, status=status))


_METHODS: Final = {
    "get": "get", "list": "get", "create": "post", "update": "put", "patch": "patch",
    "delete": "delete",
}  # fmt: skip


def _told_apart(what: str, error: DynamicApiError) -> KubeError:
    status, said, causes = error.status, *_said(error.body)
    text = f"{what}: {status} {said}"
    if status == 404:
        return AbsentError(text)
    if status == 409:
        fields = tuple(
            f"{each.get('field', '').lstrip('.')} ({each.get('message', '')})"
            for each in causes
            if each.get("reason") == _FIELD_CONFLICT
        )
        return ConflictError(text, fields)
    if status == 422 and any(each.get("field") == "metadata.uid" for each in causes):
        return ConflictError(text)  # how a patch says that the object is another
    if status in (401, 403):
        return ForbiddenError(text)
    if status in (400, 405, 413, 415, 422):
        return InvalidError(text)
    return BusyError(text, _retry_after_s(error.headers))


def _said(body: Any) -> tuple[str, Sequence[Mapping[str, Any]]]:
    try:
        status = json.loads(body)
        return str(status["message"]), (status.get("details") or {}).get("causes") or ()
    except (TypeError, ValueError, KeyError, AttributeError):
        return str(body)[:200], ()


def _retry_after_s(headers: Any) -> float:
    try:
        return min(float(headers["Retry-After"]), RETRY_AFTER_S_MAX)
    except (TypeError, ValueError, KeyError):
        return 0.0
