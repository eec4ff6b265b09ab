"""The official clients in a process that captures: the same answers, the same bytes, and the gateway's own records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import apportion
from tests.capture.conftest import Records
from tests.capture.sdks import KEY, PROVIDERS, SDKS, Sdk
from tests.gateway.stage import Stage, playing

# What differs between two calls that are alike, and between the two ways.
_OWN = {"record_id", "called_at", "milliseconds", "first_byte_ms", "via", "upstream", "crc", "region"}


def upstream(stage: Stage) -> str:
    """The address of the server that plays."""
    return f"http://127.0.0.1:{stage.worker.terms.upstreams['up'].port}"


def said(record: dict[str, Any]) -> dict[str, Any]:
    """What a record says of the call itself; a provider's id stands for ours where there is none."""
    found = {key: value for key, value in record.items() if key not in _OWN}
    if record["call_id"] == record["record_id"]:
        del found["call_id"]
    return found


# Google's client inherits from aiohttp's, where that is installed.
@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_a_call_is_metered_as_the_gateway_meters_it(
    sdk: Sdk, tmp_path: Path, log: Path, records: Records, told: set[str]
) -> None:
    provider = PROVIDERS[sdk.provider]
    with playing(sdk.play, tmp_path / "gateway", provider=provider, secret=None, pass_through=True) as stage:
        plain = sdk.call(upstream(stage))
        with apportion.capture(log, servers={upstream(stage): provider}):
            captured = sdk.call(upstream(stage))
        through = sdk.call(f"http://127.0.0.1:{stage.port}/up")
        (by_gateway,) = stage.records()
    assert captured == plain == through
    assert stage.heard[0].body == stage.heard[1].body
    assert _fixed(stage.heard[0].head) == _fixed(stage.heard[1].head)
    (record,) = records()
    assert told == set()
    assert (record["via"], record["state"], record["outcome"], record["requests"]) == ("capture", "measured", "ok", 1)
    assert {name: record[name] for name in sdk.tokens} == sdk.tokens
    assert said(record) == said(by_gateway)
    assert KEY not in str(record)
    assert "hello" not in str(record).lower()


def _fixed(head: bytes) -> list[bytes]:
    """The lines of a head but for those in which a client counts or dates its own calls."""
    own = (
        b"authorization: aws4",
        b"amz-sdk-invocation-id",
        b"x-amz-date",
        b"amz-sdk-request",
        b"x-stainless-read-timeout",
    )
    return [line for line in head.split(b"\r\n") if not line.lower().startswith(own)]
