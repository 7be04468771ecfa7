"""Objects in a bucket of S3, or of what speaks its protocol, by boto3.

Who we are: the keys in AWS_ACCESS_KEY_ID and so on, where a Secret was named; without one boto3
finds the workload identity of the pod's ServiceAccount by itself. Checksums are our own SHA-256,
which the service verifies when it takes the object; the newer ones that boto3 would add are left
out, as not every service knows them.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import boto3.s3.transfer
import botocore.config
import botocore.exceptions

from proconsul_operator.actions.objectstore import (
    PIECE_BYTES,
    AbsentError,
    DeniedError,
    Entry,
    StoreError,
)
from proconsul_operator.api.places import S3

ONE_PUT_BYTES_MAX: Final = 2**30  # S3 takes 5 GiB; above this it goes in parts, each tried again
CONNECT_S: Final = 10
READ_S: Final = 60
ATTEMPTS_MAX: Final = 5

_ABSENT: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_DENIED: Final = frozenset(
    {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket and what the names in it begin with. `ca_bundle`: a file of all trusted CAs."""

    s3: S3
    prefix: str = ""
    sse: str = ""
    ca_bundle: str = ""


class S3Store:
    """See ObjectStore."""

    def __init__(self, bucket: Bucket) -> None:
        """Nothing is called yet."""
        self._bucket = bucket
        self._prefix = f"{bucket.prefix.strip('/')}/" if bucket.prefix.strip("/") else ""
        style = "path" if bucket.s3.path_style else "virtual"
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=bucket.s3.endpoint or None,
            region_name=bucket.s3.region or "us-east-1",
            verify=bucket.ca_bundle or True,
            config=botocore.config.Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
                s3={"addressing_style": style},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def put(self, name: str, source: Path, *, sha256: str) -> None:
        """See ObjectStore."""
        more: dict[str, Any] = {"Metadata": {"sha256": sha256}}
        if self._bucket.sse:
            more["ServerSideEncryption"] = self._bucket.sse
        where = self._where(name)
        with _told(self.url(name)):
            if source.stat().st_size > ONE_PUT_BYTES_MAX:
                self._client.upload_file(str(source), where["Bucket"], where["Key"], ExtraArgs=more)
                return
            checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
            with source.open("rb") as body:
                self._client.put_object(**where, **more, Body=body, ChecksumSHA256=checksum)

    def get(self, name: str) -> Iterator[bytes]:
        """See ObjectStore."""
        with _told(self.url(name)):
            body = self._client.get_object(**self._where(name))["Body"]
            try:
                yield from body.iter_chunks(PIECE_BYTES)
            finally:
                body.close()

    def list(self, prefix: str) -> Iterator[Entry]:
        """See ObjectStore."""
        pages = self._client.get_paginator("list_objects_v2")
        with _told(self.url(prefix)):
            for page in pages.paginate(Bucket=self._bucket.s3.bucket, Prefix=self._prefix + prefix):
                for held in page.get("Contents", ()):
                    yield Entry(
                        name=held["Key"].removeprefix(self._prefix),
                        size_bytes=held["Size"],
                        modified_s=held["LastModified"].timestamp(),
                    )

    def delete(self, name: str) -> None:
        """See ObjectStore."""
        with _told(self.url(name)):
            self._client.delete_object(**self._where(name))

    def url(self, name: str) -> str:
        """See ObjectStore."""
        return f"s3://{self._bucket.s3.bucket}/{self._prefix}{name}"

    def _where(self, name: str) -> Mapping[str, Any]:
        return {"Bucket": self._bucket.s3.bucket, "Key": self._prefix + name}


class _told:  # noqa: N801 - reads as what it does
    """boto3's errors as ours, with what it was about."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Say it our way."""
        if isinstance(error, botocore.exceptions.ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            text = f"{self._url}: {error}"
            if code in _ABSENT:
                raise AbsentError(text) from error
            raise (DeniedError if code in _DENIED else StoreError)(text) from error
        if isinstance(error, botocore.exceptions.NoCredentialsError):
            raise DeniedError(
                f"{self._url}: neither a Secret nor a workload identity says who we are"
            ) from error
        if isinstance(
            error, botocore.exceptions.BotoCoreError | boto3.exceptions.Boto3Error | OSError
        ):
            raise StoreError(f"{self._url}: {error}") from error
