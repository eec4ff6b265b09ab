"""`apportion.tags`: blocks, functions and generators of every kind, and what of it a record has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

import apportion
from apportion.capturing.tagging import tags_here
from tests.capture.clients import BODY, HEADERS, PATH
from tests.capture.conftest import Records
from tests.capture.test_official_clients import upstream
from tests.gateway.answers import CHAT, says, whole
from tests.gateway.stage import playing


def test_blocks_are_put_together_and_the_inner_one_counts() -> None:
    with apportion.tags(team="search", env="prod"):
        with apportion.tags({"cost.center": "4711"}, team="ads"):
            assert tags_here() == {"team": "ads", "env": "prod", "cost.center": "4711"}
        assert tags_here() == {"team": "search", "env": "prod"}
        with pytest.raises(RuntimeError), apportion.tags(team="ads"):
            raise RuntimeError
        assert tags_here() == {"team": "search", "env": "prod"}
    assert tags_here() == {}


def test_a_block_may_be_entered_again_inside_itself() -> None:
    block = apportion.tags(team="search")
    with block, apportion.tags(team="ads"), block:
        assert tags_here() == {"team": "search"}
    assert tags_here() == {}


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(TypeError, match="not as a str"):
        apportion.tags("team=search")  # type: ignore[arg-type]


def test_functions_and_coroutines() -> None:
    @apportion.tags(team="search")
    def plain(number: int) -> tuple[int, dict[str, str]]:
        """Says so."""
        return number, tags_here()

    @apportion.tags(team="search")
    async def waits() -> dict[str, str]:
        await asyncio.sleep(0)
        return tags_here()

    async def both() -> None:
        with apportion.tags(env="prod"):
            assert await waits() == {"team": "search", "env": "prod"}
            assert tags_here() == {"env": "prod"}

    assert plain(3) == (3, {"team": "search"})
    assert (plain.__name__, plain.__doc__) == ("plain", "Says so.")
    asyncio.run(both())


def test_tasks_do_not_see_each_others() -> None:
    async def work(team: str) -> dict[str, str]:
        with apportion.tags(team=team):
            await asyncio.sleep(0.01)
            return tags_here()

    async def all_of_them() -> list[dict[str, str]]:
        return await asyncio.gather(*(work(f"team-{n}") for n in range(20)))

    assert asyncio.run(all_of_them()) == [{"team": f"team-{n}"} for n in range(20)]


def test_a_generator_has_them_while_it_works_and_its_reader_never() -> None:
    ended: list[dict[str, str]] = []

    @apportion.tags(team="search")
    def numbers() -> Iterator[int]:
        try:
            for number in range(3):
                assert tags_here() == {"team": "search"}
                yield number
        finally:
            ended.append(tags_here())

    for number in numbers():
        assert tags_here() == {}
        if number == 1:
            break
    del number
    read = numbers()
    next(read)
    read.close()  # type: ignore[attr-defined]
    assert ended[-1] == {"team": "search"}
    assert tags_here() == {}


def test_a_generator_is_sent_to_thrown_at_and_returns() -> None:
    @apportion.tags(team="search")
    def echo():  # type: ignore[no-untyped-def] # noqa: ANN202 - what is sent in has no type worth its name
        got = None
        while got != "end":
            try:
                got = yield got, tags_here()
            except KeyError:
                got = "caught"
        return "done"

    made = echo()
    assert next(made) == (None, {"team": "search"})
    assert made.send(5) == (5, {"team": "search"})
    assert made.throw(KeyError()) == ("caught", {"team": "search"})
    with pytest.raises(StopIteration) as end:
        made.send("end")
    assert end.value.value == "done"
    failing = echo()
    next(failing)
    with pytest.raises(ValueError, match="mine"):
        failing.throw(ValueError("mine"))


def test_an_async_generator() -> None:
    ended: list[dict[str, str]] = []

    @apportion.tags(team="search")
    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(3):
                await asyncio.sleep(0)
                assert tags_here() == {"team": "search"}
                yield number
        finally:
            ended.append(tags_here())

    async def read() -> None:
        async for _ in numbers():
            assert tags_here() == {}
        half = numbers()
        await anext(half)
        await half.aclose()  # type: ignore[attr-defined]
        failing = numbers()
        await anext(failing)
        with pytest.raises(ValueError, match="mine"):
            await failing.athrow(ValueError("mine"))  # type: ignore[attr-defined]

    asyncio.run(read())
    assert ended == [{"team": "search"}] * 3


def test_a_thread_begins_without() -> None:
    found: list[dict[str, str]] = []
    with apportion.tags(team="search"):
        thread = threading.Thread(target=lambda: found.append(tags_here()))
        thread.start()
        thread.join()
    assert found == [{}]


def test_the_nearest_tag_of_a_call_counts(tmp_path: Path, log: Path, records: Records) -> None:
    body = BODY.replace(b"{", b'{"metadata":{"feature":"answers","team":"body","env":"body","user_id":"u-1"},', 1)
    with (
        playing(says(whole(CHAT)), tmp_path / "gateway") as stage,
        apportion.capture(log, tags={"env": "prod", "team": "process"}, servers={upstream(stage): "openai"}),
        apportion.tags(team="block", long="x" * 300, none=None, number=3, odd=["a"]),
        httpx2.Client() as client,
    ):
        client.post(upstream(stage) + PATH, content=body, headers=HEADERS)
        client.post(upstream(stage) + PATH, content=body, headers={**HEADERS, "x-apportion-team": "call"})
        assert stage.heard[1].header(b"x-apportion-team") == b"call"
    first, second = records()
    assert first["tags"] == {"team": "block", "number": "3", "env": "prod", "feature": "answers"}
    assert first["tags_dropped"] == 2
    assert second["tags"]["team"] == "call"
    assert first["user_id"] == "u-1"
