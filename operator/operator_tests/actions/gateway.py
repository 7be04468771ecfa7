"""A real S3 gateway on a folder: S3_REAL names the program (versitygw)."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3

from server_tests.loopback import address
from server_tests.process import die_with_the_tests

S3_REAL = os.environ.get("S3_REAL", "")
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret-of-tests"}
START_S = 30.0
PORT = 7070


@contextmanager
def gateway(folder: Path, host: int) -> Iterator[str]:
    """Its URL; the bucket `backups` is there."""
    where = address(host)
    data = folder / "s3"
    data.mkdir()
    environment = {
        "ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"],
        "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
        "PATH": os.environ["PATH"],
    }
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(
            [S3_REAL, "--port", f"{where}:{PORT}", "posix", str(data)],
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        )
    try:
        _await(where, process)
        url = f"http://{where}:{PORT}"
        boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        ).create_bucket(Bucket="backups")
        yield url
    finally:
        process.kill()
        process.wait()


def _await(where: str, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with suppress(OSError), socket.create_connection((where, PORT), timeout=1):
            return
        time.sleep(0.05)  # noqa: TID251 - another process is waited for
    raise AssertionError("the S3 gateway did not start")
