"""A running LiteLLM proxy tells the gateway every call, by our callback, by its own webhook and into a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apportion.gateway.usage_log import read_segment
from tests.gateway import litellm_proxy
from tests.gateway.answers import says
from tests.gateway.litellm_provider import ANSWER, PROMPT, provide
from tests.gateway.litellm_proxy import Proxy
from tests.gateway.stage import SECRET, playing

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
WAYS = ("callback", "webhook", "folder")
FOLDER_CALLBACK = """
import os
from pathlib import Path
from apportion.litellm_callback import Callback

# LiteLLM takes one callback of a class.
class ToFolder(Callback):
    pass

callback = ToFolder({"APPORTION_LOG": str(Path(os.environ["HOME"]) / "folder")})
"""
OPENAI = {"uncached_input_tokens": 36, "cache_read_tokens": 64, "output_tokens": 20, "reasoning_tokens": 8}
ANTHROPIC = {"uncached_input_tokens": 10, "cache_read_tokens": 50, "cache_write_5m_tokens": 20,
             "cache_write_1h_tokens": 10, "output_tokens": 7}  # fmt: skip
GEMINI = {"uncached_input_tokens": 60, "cache_read_tokens": 40, "tool_prompt_tokens": 5, "output_tokens": 20,
          "reasoning_tokens": 8}  # fmt: skip


class Call(NamedTuple):
    """A call, and what its record has to say.

    Attributes:
        path: Of the proxy.
        body: Of the request, without its name.
        said: Of its record; tokens that are not named are 0.
        leave_after: After how many bytes its caller leaves.
    """

    path: str
    body: Mapping[str, Any]
    said: Mapping[str, Any]
    leave_after: int | None = None


def _asks(words: str, model: str = "fast", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": f"{PROMPT} {words}"}], "max_tokens": 9, **more}


OK = {"state": "measured", "outcome": "ok", "status": 200, "requests": 1}
GPT = {**OK, "provider": "openai", "request_model": "gpt-4o", "service_tier": "default", **OPENAI}
CLAUDE = {**OK, "provider": "anthropic", "operation": "chat", "request_model": "claude-sonnet-4-5", **ANTHROPIC,
          "fees": {"web_searches": 2}}  # fmt: skip
FLASH = {**OK, "provider": "gcp.gemini", "request_model": "gemini-2.5-flash", "response_model": "gemini-2.5-flash",
         **GEMINI}  # fmt: skip
NOTHING = {"requests": 0, "state": "measured"}
FAILED = {"state": "missing", "outcome": "error", "requests": 1, "provider": "openai"}
CALLS = {
    "chat": Call(CHAT, _asks("1"), {**GPT, "operation": "chat"}),
    "chat again": Call(CHAT, _asks("1"), {**NOTHING, "provider": "openai",
                       "why": "answered from LiteLLM's own cache; no provider was asked"}),
    "chat streamed": Call(CHAT, _asks("2", stream=True), {**GPT, "operation": "chat"}),
    "embeddings": Call("/v1/embeddings", {"model": "vectors", "input": PROMPT},
                       {**OK, "operation": "embeddings", "response_model": "text-embedding-3-small",
                        "uncached_input_tokens": 11}),
    "responses": Call(RESPONSES, {"model": "fast", "input": PROMPT}, {**GPT, "operation": "responses"}),
    "responses streamed": Call(RESPONSES, {"model": "fast", "input": PROMPT, "stream": True},
                               {**GPT, "operation": "responses"}),
    "claude": Call(CHAT, _asks("3", "claude"), {**CLAUDE, "service_tier": "standard"}),
    "claude streamed": Call(CHAT, _asks("4", "claude", stream=True), CLAUDE),
    "messages": Call(MESSAGES, _asks("5", "claude"), {**CLAUDE, "service_tier": "standard"}),
    "messages streamed": Call(MESSAGES, _asks("6", "claude", stream=True), CLAUDE),
    "gemini": Call(CHAT, _asks("7", "flash"), {**FLASH, "operation": "chat"}),
    "gemini streamed": Call(CHAT, _asks("8", "flash", stream=True), {**FLASH, "operation": "chat"}),
    "generate": Call("/v1beta/models/flash:generateContent", {"contents": [{"parts": [{"text": PROMPT}]}]},
                     {**FLASH, "operation": "generate_content"}),
    "azure": Call(CHAT, _asks("9", "azure"), {**GPT, "provider": "azure.ai.openai", "operation": "chat",
                                              "deployment": "our-deployment", "request_model": "our-deployment"}),
    "too many": Call(CHAT, _asks("FAIL-429"), {**FAILED, "status": 429}),
    "bad": Call(CHAT, _asks("FAIL", stream=True), {**FAILED, "status": 400}),
    "unknown": Call(CHAT, _asks("10", "nowhere"), {**NOTHING, "outcome": "error", "status": 400}),
    "no usage": Call(CHAT, _asks("NO-USAGE", stream=True), {**OK, "state": "estimated"}),
    "cut": Call(CHAT, _asks("CUT", stream=True), {**OK, "state": "estimated"}),
    "left": Call(CHAT, _asks("SLOW", "claude", stream=True), {
        **CLAUDE, "state": "estimated", "outcome": "caller_gone", "status": 499, "output_tokens": None,
        "why": "the caller left; LiteLLM counted what had come"}, leave_after=40),
}  # fmt: skip
# What only the callback knows, because LiteLLM puts its own in the place of it.
SERVED = {"chat": "gpt-4o-2024-08-06", "chat streamed": "gpt-4o-2024-08-06", "claude": "claude-sonnet-4-5-20250929",
          "claude streamed": "claude-sonnet-4-5-20250929", "azure": "gpt-4o-2024-08-06"}  # fmt: skip
OWN_IDS = {"chat": "chatcmpl-", "chat streamed": "chatcmpl-", "responses": "resp_", "responses streamed": "resp_",
           "claude": "msg_", "messages": "msg_", "messages streamed": "msg_", "gemini": "g-",
           "gemini streamed": "g-"}  # fmt: skip


class Heard(NamedTuple):
    """What came of all calls.

    Attributes:
        records: By the way and by the call.
        logs: Everything that was written, by the way.
        said: What LiteLLM printed.
    """

    records: Mapping[str, Mapping[str, list[dict[str, Any]]]]
    logs: Mapping[str, bytes]
    said: str


def _settings(port: int) -> dict[str, Any]:
    address = f"http://127.0.0.1:{port}"
    models = {
        "fast": {"model": "openai/gpt-4o", "api_base": f"{address}/v1"},
        "vectors": {"model": "openai/text-embedding-3-small", "api_base": f"{address}/v1"},
        "claude": {"model": "anthropic/claude-sonnet-4-5", "api_base": address},
        "flash": {"model": "gemini/gemini-2.5-flash", "api_base": address},
        "azure": {"model": "azure/our-deployment", "api_base": address, "api_version": "2024-10-21"},
    }
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {**how, "api_key": "sk-x"}} for name, how in models.items()
        ],
        "litellm_settings": {
            "callbacks": ["apportion.litellm_callback.callback", "folder_callback.callback", "generic_api"],
            "cache": True,
            "cache_params": {"type": "local", "supported_call_types": ["acompletion"]},
            "num_retries": 0,
        },
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"master_key": litellm_proxy.KEY},
    }


def _ask(proxy: Proxy, name: str, call: Call) -> None:
    # A retry of the official clients would be another call.
    headers = {"x-apportion-feature": "answers", "x-litellm-tags": f"case={name.replace(' ', '-')},nightly"}
    proxy.ask(call.path, call.body, headers, leave_after=call.leave_after)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "folder_callback.py").write_text(FOLDER_CALLBACK)
    with playing(provide, folder / "callback") as stage, playing(says(), folder / "webhook") as hook:
        environment = {
            "APPORTION_URL": f"http://127.0.0.1:{stage.port}", "APPORTION_KEY": SECRET,
            "GENERIC_LOGGER_ENDPOINT": f"http://127.0.0.1:{hook.port}/v1/litellm",
            "GENERIC_LOGGER_HEADERS": f"x-apportion-key={SECRET}",
        }  # fmt: skip
        with litellm_proxy.running(folder, _settings(stage.upstream_port), environment) as proxy:
            for name, call in CALLS.items():
                _ask(proxy, name, call)
            logs = {way: folder / way for way in WAYS}
            end = time.monotonic() + 40
            while time.monotonic() < end and any(len(_records(log)) < len(CALLS) for log in logs.values()):
                time.sleep(0.2)
            # A record too many would come late.
            time.sleep(2)
        found = {way: _by_call(_records(log)) for way, log in logs.items()}
        written = {way: b"".join(path.read_bytes() for path in sorted(log.iterdir())) for way, log in logs.items()}
        yield Heard(found, written, proxy.said.read_text())


def _records(log: Path) -> list[dict[str, Any]]:
    if not log.exists():
        return []
    return [record for path in sorted(log.iterdir()) for record in read_segment(path) if record is not None]


def _by_call(records: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Records by the call that their tags name; one that was told twice has one name."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        name = record["tags"].get("case", "").replace("-", " ")
        found.setdefault(name, {})[record["record_id"]] = record
    return {name: list(each.values()) for name, each in found.items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CALLS)
def test_every_call_leaves_one_record(heard: Heard, name: str, way: str) -> None:
    found = heard.records[way].get(name, [])
    assert len(found) == 1, [record["record_id"] for record in found]
    (record,) = found
    said = CALLS[name].said
    assert {key: record.get(key) for key in said if said[key] is not None} == {
        key: value for key, value in said.items() if value is not None
    }
    if said["state"] != "estimated":
        tokens = {key: value for key, value in record.items() if key.endswith("_tokens") and value}
        assert tokens == {key: value for key, value in said.items() if key.endswith("_tokens")}
    assert record["via"] == "litellm"


@pytest.mark.parametrize("name", CALLS)
def test_all_ways_name_the_record_alike(heard: Heard, name: str) -> None:
    names = {way: heard.records[way][name][0]["record_id"] for way in WAYS}
    assert len(set(names.values())) == 1, names


def test_nothing_else_is_written(heard: Heard) -> None:
    assert {way: set(found) for way, found in heard.records.items()} == {way: set(CALLS) for way in WAYS}


def test_no_text_is_written(heard: Heard) -> None:
    for way, written in heard.logs.items():
        assert PROMPT.encode() not in written, way
        assert ANSWER.encode() not in written, way
        assert litellm_proxy.KEY.encode() not in written, way
        assert SECRET.encode() not in written, way


@pytest.mark.parametrize("way", ["callback", "folder"])
def test_the_callback_knows_what_the_provider_said(heard: Heard, way: str) -> None:
    served = {name: heard.records[way][name][0].get("response_model") for name in SERVED}
    assert served == SERVED
    ids = {name: heard.records[way][name][0]["call_id"] for name in OWN_IDS}
    assert {name: found for name, found in ids.items() if not found.startswith(OWN_IDS[name])} == {}


@pytest.mark.parametrize("way", WAYS)
def test_whose_a_call_is_is_known(heard: Heard, way: str) -> None:
    tags = heard.records[way]["chat"][0]["tags"]
    team = {} if way == "folder" else {"team": "search"}
    assert tags == {**team, "feature": "answers", "case": "chat", "nightly": "true"}
    assert heard.records[way]["chat"][0]["model_group"] == "fast"


def test_litellm_has_nothing_to_complain_of(heard: Heard) -> None:
    assert "apportion" not in heard.said, heard.said[-3000:]
    assert json.dumps(PROMPT) not in heard.said
