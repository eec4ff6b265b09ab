"""A real server of S3 on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection

from moto.server import ThreadedMotoServer

from tests.engines.clusters import HOST

BUCKET = "finance"


@contextmanager
def s3() -> Iterator[Mapping[str, str]]:
    """A server with one empty bucket: its address and credentials, as the stores' own tools find them."""
    made = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    made.start()
    try:
        host, port = made.get_host_and_port()
        with closing(HTTPConnection(host, port, timeout=30)) as client:
            client.request("PUT", f"/{BUCKET}")
            assert client.getresponse().status == 200
        yield {
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "mine",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
        }
    finally:
        made.stop()
