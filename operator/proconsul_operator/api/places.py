"""Where snapshots are put and fetched: S3, a volume, or plain HTTP.

A destination is a folder to write into, a location is one object in it. Exactly one of the three
is given (rules.py). Access to S3 without `credentialsSecretRef` is by workload identity: the Job's
ServiceAccount says who it is.
"""

from typing import Annotated, Literal

from msgspec import Meta

from proconsul_operator.api.values import Key, Name, Part, Text

Path = Annotated[str, Meta(max_length=1024)]
Url = Annotated[str, Meta(min_length=8, max_length=2048, pattern=r"^https?://[!-~]+$")]
OptionalUrl = Annotated[str, Meta(max_length=2048, pattern=r"^$|^https?://[!-~]+$")]
Bucket = Annotated[str, Meta(min_length=3, max_length=63, pattern=r"^[a-z0-9][-.a-z0-9]*[a-z0-9]$")]


class LocalRef(Part, frozen=True, kw_only=True):
    """Another object of the same namespace."""

    name: Annotated[Name, Meta(description="Its name.")]


class SecretRef(Part, frozen=True, kw_only=True):
    """A Secret of the same namespace."""

    name: Annotated[Name, Meta(description="The Secret's name.")]


class SecretKeyRef(Part, frozen=True, kw_only=True):
    """One key of a Secret of the same namespace."""

    name: Annotated[Name, Meta(description="The Secret's name.")]
    key: Annotated[Key, Meta(description="The key in its data.")]


class S3(Part, frozen=True, kw_only=True):
    """A bucket, and how to come in."""

    endpoint: Annotated[
        OptionalUrl,
        Meta(description="URL of an S3-compatible service. Empty: Amazon's of `region`."),
    ] = ""
    bucket: Annotated[Bucket, Meta(description="The bucket's name.")]
    region: Annotated[Text, Meta(description="The region. Empty: what the service answers to.")] = (
        ""
    )
    credentials_secret_ref: Annotated[
        SecretRef | None,
        Meta(
            description="Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and "
            "AWS_SESSION_TOKEN). Without it the Job's ServiceAccount is used: workload identity."
        ),
    ] = None
    ca_secret_ref: Annotated[
        SecretKeyRef | None,
        Meta(description="Certificates (PEM) to trust beside the usual ones, for `endpoint`."),
    ] = None
    path_style: Annotated[
        bool, Meta(description="The bucket's name in the path and not in the host's name.")
    ] = True


class S3Destination(S3, frozen=True, kw_only=True):
    """A bucket and a prefix in it to write under."""

    prefix: Annotated[Path, Meta(description="What the names of all objects begin with.")] = ""
    sse: Annotated[
        Literal["", "AES256", "aws:kms"],
        Meta(description="Server-side encryption that is asked for. Empty: the bucket's own rule."),
    ] = ""


class S3Location(S3, frozen=True, kw_only=True):
    """One object in a bucket."""

    key: Annotated[str, Meta(min_length=1, max_length=1024, description="The object's whole name.")]


class Pvc(Part, frozen=True, kw_only=True):
    """A place on a PersistentVolumeClaim of the same namespace."""

    claim_name: Annotated[Name, Meta(description="The claim's name.")]
    path: Annotated[
        Path, Meta(description="Folder (to write) or file (to read), from the volume's root.")
    ] = ""


class Http(Part, frozen=True, kw_only=True):
    """A server that takes PUT and answers GET."""

    url: Annotated[Url, Meta(description="Folder (to write) or file (to read).")]
    authorization_secret_ref: Annotated[
        SecretKeyRef | None, Meta(description="Value of the Authorization header.")
    ] = None
    ca_secret_ref: Annotated[
        SecretKeyRef | None, Meta(description="Certificates (PEM) to trust beside the usual ones.")
    ] = None


class Destination(Part, frozen=True, kw_only=True):
    """Where to write; exactly one of the three."""

    s3: Annotated[
        S3Destination | None, Meta(description="A bucket of S3 or of what speaks its protocol.")
    ] = None
    pvc: Annotated[Pvc | None, Meta(description="A folder on a volume.")] = None
    http: Annotated[Http | None, Meta(description="A server that takes PUT.")] = None


class Location(Part, frozen=True, kw_only=True):
    """Where one snapshot lies; exactly one of the three."""

    s3: Annotated[S3Location | None, Meta(description="An object in a bucket.")] = None
    pvc: Annotated[Pvc | None, Meta(description="A file on a volume.")] = None
    http: Annotated[Http | None, Meta(description="A URL that answers GET.")] = None


class SnapshotSource(Part, frozen=True, kw_only=True):
    """A snapshot, by its record or by where it lies; exactly one of the two."""

    snapshot_ref: Annotated[
        LocalRef | None, Meta(description="A completed ProconsulSnapshot of the same namespace.")
    ] = None
    location: Annotated[
        Location | None, Meta(description="Where it lies, when there is no record of it.")
    ] = None
