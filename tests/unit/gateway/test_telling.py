"""What the gateway tells of itself: in which form, how often, and what it keeps to itself."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apportion.gateway.telling import Seldom, fault, set_up, tell, tell_call

ROOT = Path(__file__).parents[3]
CANARY = "canary-of-a-prompt"


class Said:
    """What was written to stderr so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Said]:
    root, raises = logging.getLogger(), logging.raiseExceptions
    handlers, level = list(root.handlers), root.level
    yield Said(capsys)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raises


def objects(said: Said) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_a_line_of_text_says_when_how_bad_who_and_what(said: Said) -> None:
    set_up("text", "worker")
    tell("reload", "it goes on", block="first\n  second")
    first, *more = said.getvalue().splitlines()
    at, level, process, _, message = first.split(maxsplit=4)
    assert at.endswith("Z")
    assert (level, process, message) == ("info", "worker", "it goes on")
    assert more == ["first", "  second"]


def test_an_object_says_the_same_with_its_name_and_its_facts(said: Said) -> None:
    set_up("json", "gateway")
    tell("worker-end", "a worker ended", level=logging.ERROR, block="a\nb", code=-9)
    (found,) = objects(said)
    assert {key: found[key] for key in ("level", "event", "message", "process", "code", "explained")} == {
        "level": "error", "event": "worker-end", "message": "a worker ended", "process": "gateway", "code": -9,
        "explained": "a\nb",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_nobody_writes_a_second_line_or_moves_the_cursor(said: Said, form: Any) -> None:
    set_up(form, "worker")
    tell("x", "one\nerror two\x1b[2J\u2028three" + "y" * 5000)
    text = said.getvalue()
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert len(text) < 2500


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_fault_says_where_it_is_and_not_what_it_quotes(said: Said, form: Any) -> None:
    set_up(form, "worker")
    try:
        int(CANARY)
    except ValueError as error:
        fault("a call could not be read", error)
        logging.getLogger("a.library").exception("it failed")
    text = said.getvalue()
    assert CANARY not in text
    assert text.count("ValueError") >= 2
    assert "test_telling.py" in text


def test_libraries_are_told_of_only_when_something_is_wrong(said: Said) -> None:
    set_up("text", "worker")
    logging.getLogger("botocore").info(CANARY)
    logging.getLogger("asyncio").warning("slow")
    assert said.getvalue().splitlines()[0].endswith("slow")


def test_what_happens_often_is_told_at_once_and_then_once_a_minute(said: Said) -> None:
    set_up("json", "worker")
    now = [0.0]
    seldom = Seldom(lambda: now[0])
    for _ in range(1000):
        seldom.tell("refused", "key-unknown", "a request was refused", code="key-unknown")
        now[0] += 0.05
        seldom.look()
    seldom.tell("refused", "tags-needed", "another", code="tags-needed")
    assert [each["code"] for each in objects(said)] == ["key-unknown", "tags-needed"]
    now[0] = 61.0
    seldom.look()
    *_, last = objects(said)
    assert (last["code"], last["times"]) == ("key-unknown", 999)
    now[0] = 200.0
    seldom.look()
    seldom.look()
    assert len(objects(said)) == 3
    seldom.tell("refused", "key-unknown", "a request was refused", code="key-unknown")
    assert len(objects(said)) == 4


def test_every_event_is_documented() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "apportion").rglob("*.py")]
    told = {name for text in sources for name in re.findall(r"\btell\(\s*\"([a-z-]+)\"", text)}
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.partition("## What it tells")[2].partition("## Metrics")[0]
    assert {"worker-end", "refused", "call"} <= told
    assert told - set(re.findall(r"`([a-z-]+)`", table)) == set()


def test_what_was_counted_is_told_at_the_end(said: Said) -> None:
    set_up("json", "worker")
    seldom = Seldom()
    for _ in range(3):
        seldom.tell("log-full", "", "no room")
    seldom.close()
    assert [each.get("times") for each in objects(said)] == [None, 2]


def test_a_call_is_told_by_what_tells_it_from_others(said: Said) -> None:
    set_up("json", "worker")
    tags = {"team": CANARY}
    told = {"record_id": "gw_1", "upstream": "up", "operation": "chat", "outcome": "ok", "status": 200}
    kept = {"state": "measured", "milliseconds": 7, "api_key_id": "ak_1"}
    tell_call([told | kept | {"request_model": CANARY, "user_id": CANARY, "tags": tags}])
    (found,) = objects(said)
    assert CANARY not in json.dumps(found)
    assert (found["event"], found["record_id"], found["status"]) == ("call", "gw_1", 200)
