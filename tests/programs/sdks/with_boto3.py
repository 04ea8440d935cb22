"""``boto3`` moves files with threads. Argument: the origin of the object storage."""

from __future__ import annotations

import hashlib
import io
import pathlib
import sys
import tempfile

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from report import attempt, pattern

PART = 5 << 20
SIZE = 2 * PART + 12_345
THREADS = TransferConfig(
    multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4, use_threads=True
)
CLIENT = boto3.client(
    "s3",
    region_name="us-east-1",
    endpoint_url=sys.argv[1],
    aws_access_key_id="AKIDTEST",
    aws_secret_access_key="a secret of the tests",
    config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
)


def digest(body: bytes) -> list[object]:
    return [len(body), hashlib.sha256(body).hexdigest()]


def files() -> object:
    with tempfile.TemporaryDirectory() as directory:
        source, target = (pathlib.Path(directory, name) for name in ("source", "target"))
        source.write_bytes(pattern(SIZE))
        moved: list[int] = []
        CLIENT.upload_file(str(source), "bucket", "large", Config=THREADS, Callback=moved.append)
        sent = sum(moved)
        moved.clear()
        CLIENT.download_file("bucket", "large", str(target), Config=THREADS, Callback=moved.append)
        return [sent, sum(moved), digest(target.read_bytes())]


def objects() -> object:
    CLIENT.upload_fileobj(io.BytesIO(pattern(3000)), "bucket", "small", Config=THREADS)
    found = io.BytesIO()
    CLIENT.download_fileobj("bucket", "small", found, Config=THREADS)
    return digest(found.getvalue())


def resource() -> object:
    bucket = boto3.resource(
        "s3",
        region_name="us-east-1",
        endpoint_url=sys.argv[1],
        aws_access_key_id="AKIDTEST",
        aws_secret_access_key="a secret of the tests",
        config=Config(s3={"addressing_style": "path"}),
    ).Bucket("bucket")
    return [(one.key, one.size) for one in bucket.objects.all()]


def missing() -> object:
    with tempfile.TemporaryDirectory() as directory:
        target = pathlib.Path(directory, "target")
        try:
            CLIENT.download_file("bucket", "none", str(target), Config=THREADS)
        except CLIENT.exceptions.ClientError as error:
            return [str(error), sorted(path.name for path in pathlib.Path(directory).iterdir())]
    return None


for action in (files, objects, resource, missing):
    attempt(action.__name__, action)
