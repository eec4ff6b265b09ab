"""Calls that are encrypted, straight to the provider and through a proxy: what is metered is what the client sees."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import apportion
from tests.capture.clients import BODY, HEADERS, PATH, SECONDS
from tests.capture.conftest import Records
from tests.gateway.answers import CHAT, whole
from tests.gateway.stage import hear

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_DAY = dt.timedelta(days=1)


class Servers(NamedTuple):
    """What is running.

    Attributes:
        url: Of a provider that is spoken to with TLS.
        proxy: Of a proxy that leads there.
        authority: The certificate to trust.
    """

    url: str
    proxy: str
    authority: Path


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - _DAY, now + _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, form, plain)
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await hear(reader)
        writer.write(whole(CHAT))
        await writer.drain()


async def _lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    host, _, port = head.split(b" ", 2)[1].decode().partition(":")
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pump(here: asyncio.StreamReader, on: asyncio.StreamWriter) -> None:
        while data := await here.read(1 << 16):
            on.write(data)

    first = [asyncio.ensure_future(pump(reader, far_writer)), asyncio.ensure_future(pump(far_reader, writer))]
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in first:
            each.cancel()
        await asyncio.gather(*first, return_exceptions=True)
        far_writer.transport.abort()


async def _serve(play: Play, stop: asyncio.Event, tls: ssl.SSLContext | None, ports: list[int]) -> None:
    """Answer until told to stop, and leave nothing open."""
    open_: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await play(reader, writer)
        writer.transport.abort()
        open_.discard(task)

    server = await asyncio.start_server(connected, "localhost", 0, ssl=tls)
    ports.append(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()
    for task in list(open_):
        task.cancel()
    await asyncio.gather(*open_, return_exceptions=True)
    await asyncio.sleep(0.05)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """A provider and a proxy."""
    authority = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    provider: list[int] = []
    proxy: list[int] = []
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def both() -> None:
        await asyncio.gather(_serve(_answer, stop, context, provider), _serve(_lead, stop, None, proxy))

    thread = threading.Thread(target=loop.run_until_complete, args=(both(),), daemon=True)
    thread.start()
    while not (provider and proxy):
        threading.Event().wait(0.01)
    yield Servers(f"https://localhost:{provider[0]}", f"http://localhost:{proxy[0]}", authority)
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.mark.parametrize("proxied", [False, True], ids=["straight", "through a proxy"])
def test_what_is_encrypted_is_metered(servers: Servers, proxied: bool, log: Path, records: Records) -> None:
    proxy = servers.proxy if proxied else None
    trusted = ssl.create_default_context(cafile=str(servers.authority))
    with apportion.capture(log, servers={servers.url: "openai"}):
        with httpx2.Client(verify=trusted, proxy=proxy, timeout=SECONDS * 5) as client:
            assert client.post(servers.url + PATH, content=BODY, headers=HEADERS).content == CHAT
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(servers.authority)
            session.proxies = {"https": proxy} if proxy else {}
            for _ in range(2):
                found = session.post(servers.url + PATH, data=BODY, headers=HEADERS, timeout=SECONDS * 5)
                assert found.content == CHAT
    assert [(each["state"], each["request_model"], each["outcome"]) for each in records()] == [
        ("measured", "gpt-4o", "ok")
    ] * 3


def test_a_certificate_that_nobody_trusts(servers: Servers, log: Path, records: Records) -> None:
    with apportion.capture(log, servers={servers.url: "openai"}):
        with httpx2.Client() as client, pytest.raises(httpx2.ConnectError):
            client.post(servers.url + PATH, content=BODY, headers=HEADERS)
        with requests.Session() as session, pytest.raises(requests.exceptions.SSLError):
            session.post(servers.url + PATH, data=BODY, headers=HEADERS)
    assert [(each["state"], each["outcome"]) for each in records()] == [("missing", "refused_by_network")] * 2
