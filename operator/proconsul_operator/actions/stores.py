"""From what a spec says (a destination, a location) to an object store, and back from a URL.

A Job's pod has what the store needs at fixed places: the claim's root, the CA to trust, and in its
environment the keys and the value of the Authorization header (job_pods.py puts them there).
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import botocore.httpsession
import msgspec

from proconsul_operator.actions.authorities import lenient
from proconsul_operator.actions.http_store import HttpStore
from proconsul_operator.actions.objectstore import FolderStore, ObjectStore, StoreError
from proconsul_operator.actions.s3_store import Bucket, S3Store
from proconsul_operator.api.places import Destination, Http, Location, Pvc, S3Location

AUTHORIZATION: Final = "PROCONSUL_STORE_AUTHORIZATION"
VOLUME: Final = Path("/proconsul/store")
CA_FILE: Final = Path("/proconsul/store-ca/ca.crt")
WORK: Final = Path("/proconsul/work")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a Job's pod has its things. `ca_file` need not be there."""

    volume: Path = VOLUME
    ca_file: Path = CA_FILE
    work: Path = WORK
    authorization: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Places":
        """Of a pod that job_pods.py made."""
        return cls(authorization=environment.get(AUTHORIZATION, ""))


def open_destination(destination: Destination, places: Places) -> ObjectStore:
    """A store to write into: exactly one of the three is given (a rule of the schema)."""
    if destination.s3 is not None:
        s3 = destination.s3
        return S3Store(Bucket(s3=s3, prefix=s3.prefix, sse=s3.sse, ca_bundle=_bundle(places)))
    if destination.pvc is not None:
        return FolderStore(places.volume, destination.pvc.claim_name, destination.pvc.path)
    assert destination.http is not None, "a rule of the schema"
    return _http(destination.http.url, places)


def open_location(location: Location, places: Places) -> tuple[ObjectStore, str]:
    """A store, and the name in it of the one object that is meant."""
    if location.s3 is not None:
        return S3Store(Bucket(s3=location.s3, ca_bundle=_bundle(places))), location.s3.key
    if location.pvc is not None:
        folder, _, name = location.pvc.path.strip("/").rpartition("/")
        return FolderStore(places.volume, location.pvc.claim_name, folder), name
    assert location.http is not None, "a rule of the schema"
    folder, _, name = location.http.url.rpartition("/")
    return _http(folder, places), name


def location_of(destination: Destination, url: str) -> Location:
    """Where a snapshot lies that was written to `destination` and is told of by its URL."""
    if destination.s3 is not None:
        s3 = destination.s3
        start = f"s3://{s3.bucket}/"
        _require(url, start)
        held = {
            field: getattr(s3, field) for field in S3Location.__struct_fields__ if field != "key"
        }
        return Location(s3=S3Location(**held, key=url.removeprefix(start)))
    if destination.pvc is not None:
        start = f"pvc://{destination.pvc.claim_name}/"
        _require(url, start)
        path = url.removeprefix(start)
        return Location(pvc=Pvc(claim_name=destination.pvc.claim_name, path=path))
    assert destination.http is not None, "a rule of the schema"
    _require(url, "http")
    held_http: Http = msgspec.structs.replace(destination.http, url=url)
    return Location(http=held_http)


def _require(url: str, start: str) -> None:
    if not url.startswith(start):
        raise StoreError(f"{url} does not lie in {start}")


def _http(url: str, places: Places) -> HttpStore:
    tls = None
    if places.ca_file.exists():
        tls = lenient(ssl.create_default_context())
        tls.load_verify_locations(cafile=places.ca_file)
    return HttpStore(url, authorization=places.authorization, tls=tls)


def _bundle(places: Places) -> str:
    """One file with the usual CAs and the named one; "" where none is named."""
    if not places.ca_file.exists():
        return ""
    usual = os.environ.get("AWS_CA_BUNDLE") or botocore.httpsession.get_cert_path(verify=True)
    bundle = places.work / "ca-bundle.crt"
    parts = (Path(usual).read_text(encoding="utf-8"), places.ca_file.read_text(encoding="utf-8"))
    bundle.write_text("\n".join(parts), encoding="utf-8")
    return str(bundle)
