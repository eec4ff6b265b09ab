"""Google's own client through the gateway and directly, for the Gemini API and for Vertex AI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from apportion.gateway.upstream import Auth
from tests.gateway.clients.shapes import GEMINI_MODEL, shape
from tests.gateway.replay import both, check, gzipped, replays
from tests.gateway.stage import SECRET

Ask = Callable[[Any], Any]
ASKS: dict[str, Ask] = {
    "generate": lambda models: models.generate_content(model=GEMINI_MODEL, contents="Grüß Gott ☕"),
    "generate stream": lambda models: models.generate_content_stream(model=GEMINI_MODEL, contents="Grüß Gott ☕"),
    "embed": lambda models: models.embed_content(model="gemini-embedding-2", contents="a"),
    "gemini tokens": lambda models: models.count_tokens(model=GEMINI_MODEL, contents="a"),
    "vertex generate": lambda models: models.generate_content(
        model=GEMINI_MODEL, contents="a", config=types.GenerateContentConfig(labels={"feature": "answers"})
    ),
    "vertex generate stream": lambda models: models.generate_content_stream(model=GEMINI_MODEL, contents="a"),
    "vertex embed": lambda models: models.embed_content(model="text-embedding-005", contents="a"),
}


def gemini(base: str, key: str) -> genai.Client:
    """A client for the Gemini API."""
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base))


def vertex(base: str, key: str) -> genai.Client:
    """A client for Vertex AI, whose identity is a bearer's."""
    return genai.Client(
        vertexai=True, project="larkspur", location="europe-west4",
        credentials=Credentials(token=key),  # type: ignore[no-untyped-call, unused-ignore]
        http_options=types.HttpOptions(base_url=base),
    )  # fmt: skip


def _of(name: str) -> Callable[[str, str], genai.Client]:
    return vertex if name.startswith("vertex") else gemini


def _auth(name: str) -> Auth:
    return "bearer" if name.startswith("vertex") else "x-goog-api-key"


def sync(base: str, key: str, name: str) -> Any:
    """Ask with the client that blocks."""
    with _of(name)(base, key) as client:
        found = ASKS[name](client.models)
        return list(found) if name.endswith("stream") else found


def with_async(base: str, key: str, name: str) -> Any:
    """Ask with the client that does not block."""

    async def asked() -> Any:
        client = _of(name)(base, key)
        async with client.aio as made:
            found = await ASKS[name](made.models)
            result = [each async for each in found] if name.endswith("stream") else found
        client.close()
        return result

    return asyncio.run(asked())


# The client builds on a class of aiohttp's, where that is installed, that wants no heirs.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@pytest.mark.parametrize("way", [sync, with_async])
@pytest.mark.parametrize("name", ASKS)
def test_every_operation(tmp_path: Path, name: str, way: Callable[[str, str, str], Any]) -> None:
    answer = shape(name)
    with both(tmp_path, auth=_auth(name), provider=answer.provider) as sides:
        result, records = sides.compare(lambda base, key: way(base, key, name), replays(answer))
        check(records, answer)
        if name.endswith("stream"):
            assert len(result) == len(answer.pieces)
        (record,) = records
        if answer.provider == "gcp.vertex_ai":
            assert (record["project"], record["region"]) == ("larkspur", "europe-west4")
        assert record["tags"].get("feature") == ("answers" if name == "vertex generate" else None)


@pytest.mark.parametrize("name", ["generate", "generate stream"])
def test_a_packed_answer(tmp_path: Path, name: str) -> None:
    answer = shape(name)
    with both(tmp_path, auth="x-goog-api-key", provider=answer.provider) as sides:
        call = lambda base, key: sync(base, key, name)  # noqa: E731
        _, records = sides.compare(call, replays(answer, packed=gzipped))
        check(records, answer)


def test_an_identity_of_google_behind_a_key_of_the_gateway(tmp_path: Path) -> None:
    def call(base: str, key: str) -> Any:
        ours = {"X-Apportion-Key": SECRET} if "/up" in base else {}
        with genai.Client(
            vertexai=True, project="larkspur", location="europe-west4",
            credentials=Credentials(token=key),  # type: ignore[no-untyped-call, unused-ignore]
            http_options=types.HttpOptions(base_url=base, headers=ours),
        ) as client:  # fmt: skip
            return ASKS["vertex generate"](client.models)

    answer = shape("vertex generate")
    with both(tmp_path, provider="gcp.vertex_ai", pass_through=True) as sides:
        _, records = sides.compare(call, replays(answer), key="ya29.mine", gateway_key="ya29.mine")
        check(records, answer)
        assert sides.stage.heard[-1].header(b"authorization") == b"Bearer ya29.mine"


def test_who_is_nobody_is_refused_in_googles_own_words(tmp_path: Path) -> None:
    with (
        both(tmp_path, provider="gcp.vertex_ai") as sides,
        vertex(f"http://127.0.0.1:{sides.through.port}/up", "nobodys") as client,
        pytest.raises(genai.errors.ClientError) as caught,
    ):
        ASKS["vertex generate"](client.models)
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
