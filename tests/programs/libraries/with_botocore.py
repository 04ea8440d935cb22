"""``botocore`` against object storage that checks signatures. Arguments: see ``columns``."""

from __future__ import annotations

import functools
import io
import tempfile
from typing import Any

import botocore.exceptions  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from columns import LONG, SHORT, show, summary
from report import pattern

KEY_ID, SECRET = "AKIDTEST", "a secret of the tests"


SESSION = botocore.session.Session()


@functools.cache  # reading the description of the service takes a second
def _client(endpoint: str, secret: str = SECRET, timeout: float = LONG) -> Any:
    config = Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        connect_timeout=LONG,
        read_timeout=timeout,
    )
    return SESSION.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=secret,
        config=config,
    )


def put_and_get(endpoint: str) -> object:
    client = _client(endpoint)
    stored = client.put_object(
        Bucket="bucket",
        Key="a folder/ä+b=c&d",
        Body=pattern(70_000),
        ContentType="text/plain; charset=utf-8",
        Metadata={"with-blanks": "a   b", "plain": "one"},
    )
    found = client.get_object(Bucket="bucket", Key="a folder/ä+b=c&d")
    return [
        stored["ResponseMetadata"]["HTTPStatusCode"],
        summary(found["Body"].read()),
        found["ContentType"],
        found["Metadata"],
        stored["ETag"] == found["ETag"],
    ]


def bodies(endpoint: str) -> object:
    """Bodies of each kind: empty, a file, and one larger than any buffer."""
    client = _client(endpoint)
    found = []
    for body in (b"", io.BytesIO(pattern(3000)), pattern(3 << 20)):
        client.put_object(Bucket="bucket", Key="body", Body=body)
        found.append(summary(client.get_object(Bucket="bucket", Key="body")["Body"].read()))
    client.delete_object(Bucket="bucket", Key="body")
    return found


def pages(endpoint: str) -> object:
    client = _client(endpoint)
    for number in range(7):
        client.put_object(Bucket="bucket", Key=f"page/{number}", Body=bytes(number))
    paginator = client.get_paginator("list_objects_v2")
    found = paginator.paginate(Bucket="bucket", Prefix="page/", PaginationConfig={"PageSize": 3})
    return [[(one["Key"], one["Size"]) for one in page["Contents"]] for page in found]


def reuse(endpoint: str) -> object:
    client = _client(endpoint)
    answers = [client.list_objects_v2(Bucket="bucket", Prefix="none") for _ in range(5)]
    headers = [answer["ResponseMetadata"]["HTTPHeaders"] for answer in answers]
    return len({fields["x-connection"] for fields in headers})


def from_a_file(endpoint: str) -> object:
    """A file on disk, larger than any buffer, as the body."""
    client = _client(endpoint)
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(pattern(3 << 20))
        file.seek(0)
        client.put_object(Bucket="bucket", Key="file", Body=file)
    return summary(client.get_object(Bucket="bucket", Key="file")["Body"].read())


def streamed(endpoint: str) -> object:
    client = _client(endpoint)
    client.put_object(Bucket="bucket", Key="large", Body=pattern(300_000))
    body = client.get_object(Bucket="bucket", Key="large")["Body"]
    pieces = list(body.iter_chunks(10_000))
    return [len(pieces), summary(b"".join(pieces))]


def errors(endpoint: str) -> object:
    """What the server refuses: a missing object, and a wrong secret."""
    found = []
    for client in (_client(endpoint), _client(endpoint, secret="wrong")):
        try:
            client.get_object(Bucket="bucket", Key="missing")
        except botocore.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            found.append([type(error).__name__, error.response["Error"]["Code"], status])
    return found


def plain(endpoint: str) -> object:
    found = _client(endpoint).list_objects_v2(Bucket="bucket", Prefix="nothing/")
    return found.get("KeyCount", 0)


def timeout(endpoint: str) -> object:
    """The bucket ``slow`` does not answer."""
    return _client(endpoint, timeout=SHORT).list_objects_v2(Bucket="slow")["KeyCount"]


show(
    {
        "get": put_and_get,
        "get, in pages": pages,
        "get, refused": errors,
        "post": bodies,
        "reuse": reuse,
        "download": streamed,
        "upload": from_a_file,
        "tls": plain,
        "untrusted": plain,
        "timeout": timeout,
        "denied": plain,
    }
)
