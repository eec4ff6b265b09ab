"""Every HTTP client that is watched, asked alike."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import httpx2
import pytest
import requests
import urllib3

BODY = b'{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user"}]}'
HEADERS = {"authorization": "Bearer sk-of-nobody", "content-type": "application/json"}
PATH = "/v1/chat/completions"
SECONDS = 1.0
# What stops a read in the middle, as a caller would who has enough.
Look = Callable[[bytes], bool]


class Client(NamedTuple):
    """A client.

    Attributes:
        name: Of it.
        post: Sends the body to an address and reads the answer; each piece is handed to a function, and reading
            ends early where that says so. Gives the status.
    """

    name: str
    post: Callable[[str, Look], int]


def _httpx(module: ModuleType) -> Callable[[str, Look], int]:
    def post(url: str, look: Look) -> int:
        with (
            module.Client(timeout=SECONDS) as client,
            client.stream("POST", url + PATH, content=BODY, headers=HEADERS) as answer,
        ):
            _read(answer.iter_bytes(), look)
            return int(answer.status_code)

    return post


def _async_httpx(module: ModuleType) -> Callable[[str, Look], int]:
    async def call(url: str, look: Look) -> int:
        async with (
            module.AsyncClient(timeout=SECONDS) as client,
            client.stream("POST", url + PATH, content=BODY, headers=HEADERS) as answer,
        ):
            await _read_async(answer.aiter_bytes(), look)
            return int(answer.status_code)

    return lambda url, look: asyncio.run(call(url, look))


def _requests(url: str, look: Look) -> int:
    with (
        requests.Session() as session,
        session.post(url + PATH, data=BODY, headers=HEADERS, stream=True, timeout=SECONDS) as answer,
    ):
        _read(answer.iter_content(None), look)
        return answer.status_code


def _urllib3(url: str, look: Look) -> int:
    pool = urllib3.PoolManager(retries=False, timeout=SECONDS)
    answer = pool.request("POST", url + PATH, body=BODY, headers=HEADERS, preload_content=False)
    try:
        _read(answer.stream(None), look)
        return answer.status
    finally:
        answer.close()
        pool.clear()


def _urllib(url: str, look: Look) -> int:
    asked = urllib.request.Request(url + PATH, data=BODY, headers=HEADERS, method="POST")  # noqa: S310 - as below
    try:
        answer = urllib.request.urlopen(asked, timeout=SECONDS)  # noqa: S310 - an address of the test's own
    except urllib.error.HTTPError as error:
        error.read()
        error.close()
        return error.code
    with answer:
        _read(iter(lambda: answer.read1(1 << 16), b""), look)
        if answer.length:
            raise http.client.IncompleteRead(b"")
        return int(answer.status)


def _aiohttp(module: ModuleType) -> Callable[[str, Look], int]:
    async def call(url: str, look: Look) -> int:
        limits = module.ClientTimeout(sock_read=SECONDS)
        async with (
            module.ClientSession(timeout=limits) as session,
            session.post(url + PATH, data=BODY, headers=HEADERS) as answer,
        ):
            await _read_async(answer.content.iter_any(), look)
            return int(answer.status)

    return lambda url, look: asyncio.run(call(url, look))


def _read(pieces: Iterator[Any], look: Look) -> None:
    for piece in pieces:
        if look(piece):
            return


async def _read_async(pieces: AsyncIterator[bytes], look: Look) -> None:
    async for piece in pieces:
        if look(piece):
            return


def _optional(name: str, made: Callable[[ModuleType], Callable[[str, Look], int]], label: str) -> Any:
    with contextlib.suppress(ImportError):
        return pytest.param(Client(label, made(importlib.import_module(name))), id=label)
    absent = pytest.mark.skip(reason=f"{name} is not installed")
    return pytest.param(Client(label, lambda *_: 0), id=label, marks=absent)


CLIENTS = (
    pytest.param(Client("httpx2", _httpx(httpx2)), id="httpx2"),
    pytest.param(Client("httpx2 async", _async_httpx(httpx2)), id="httpx2 async"),
    pytest.param(Client("requests", _requests), id="requests"),
    pytest.param(Client("urllib3", _urllib3), id="urllib3"),
    pytest.param(Client("urllib", _urllib), id="urllib"),
    _optional("httpx", _httpx, "httpx"),
    _optional("httpx", _async_httpx, "httpx async"),
    _optional("aiohttp", _aiohttp, "aiohttp"),
)
