"""Limits on a gateway that runs: races, other routes, other providers' errors, prices, and what a run has allocated."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apportion.gateway.budgets import Budgets
from apportion.gateway.limits import AtLimit, Budget, Limit, Unit
from tests.gateway.answers import CHAT, says, whole
from tests.gateway.stage import Caller, Stage, playing, request
from tests.gateway.test_command import BILL, PATH, SETTINGS, Running, apportion, running

OWN = "sk-own"  # no secret: the upstream here takes any
CALL = json.dumps({"model": "gpt-4o", "max_tokens": 10}).encode()


def project(tmp_path: Path, stage: Stage, limits: str, more: str = "") -> Path:
    folder = tmp_path / "larkspur"
    folder.mkdir()
    text = SETTINGS.format(port=stage.upstream_port, more="").replace("  providers:", f"{more}  providers:")
    text = text.replace("bills:", f"  limits:\n{limits}bills:")
    (folder / "apportion.yaml").write_text(text)
    return folder


async def _ask(port: int, data: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


def at_once(gateway: Running | Stage, number: int, *headers: str) -> Counter[int]:
    """The statuses of so many calls that are made at once, each on a connection of its own."""
    data = request(PATH, CALL, secret=OWN, headers=headers)

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(_ask(gateway.port, data) for _ in range(number)))

    return Counter(asyncio.run(all_of_them()))


def asked(gateway: Running, *headers: str) -> tuple[int, dict[str, str], bytes]:
    with Caller(gateway) as caller:
        return caller.send(request(PATH, CALL, secret=OWN, headers=headers)).answer()


def limited(stage: Stage, *limits: Limit) -> None:
    def give() -> None:
        stage.worker.budgets = Budgets(stage.log.parent / "counters", Budget(limits), time.time())

    stage.call(give)


def test_200_calls_at_once_on_three_workers_do_not_pass_a_limit(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        limits = "    - {name: search, for: {team: search}, per: year, calls: 50}\n"
        folder = project(tmp_path, stage, limits, "  workers: 3\n")
        with running(stage, folder) as gateway:
            found = at_once(gateway, 200, "x-apportion-team: search")
            assert (set(found), found.total()) == ({200, 429}, 200)
            # Two workers that reserve the last call in the same instant both give it back: never more, and then again.
            assert found[200] <= 50
            for _ in range(5):
                found += at_once(gateway, 20, "x-apportion-team: search")
            assert found[200] == len(stage.heard) == 50
            assert at_once(gateway, 5, "x-apportion-team: ml") == {200: 5}
        assert len(gateway.records()) == 55
        with running(stage, folder) as gateway:
            assert at_once(gateway, 5, "x-apportion-team: search") == {429: 5}
        (row,) = json.loads(apportion(folder, "limits", "--format", "json"))["rows"]
        assert (row["limit"], row["of"], row["used"], row["at_limit"]) == ("search", "team=search", 50, "block")


@pytest.mark.parametrize(
    ("provider", "path", "says_"),
    [
        ("openai", "/up/v1/chat/completions", ["error", "code"]),
        ("anthropic", "/up/v1/messages", ["error", "type"]),
        ("gcp.gemini", "/up/v1beta/models/g:generateContent", ["error", "status"]),
        ("aws.bedrock", "/up/model/m/converse", ["message"]),
    ],
)
def test_the_answer_is_an_error_of_the_provider_s_own(
    tmp_path: Path, provider: str, path: str, says_: list[str]
) -> None:
    expected = {"code": "limit-reached", "type": "rate_limit_error", "status": "RESOURCE_EXHAUSTED"}
    with playing(says(whole(CHAT)), tmp_path / "log", provider=provider) as stage, Caller(stage) as caller:
        limited(stage, Limit("l", "calls", 0, "day"))
        status, headers, body = caller.send(request(path)).answer()
        assert (status, headers["x-apportion-refused"]) == (429, "limit-reached")
        assert 0 < int(headers["retry-after"]) <= 86_400
        found = json.loads(body)
        for key in says_:
            found = found[key]
        assert found == expected.get(says_[-1], found)
        assert stage.heard == []


@pytest.mark.parametrize("path", ["/up/v1/chat/completions", "/up/v1/embeddings", "/up/v1/what-nobody-knows-yet"])
def test_every_route_counts(tmp_path: Path, path: str) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage, Caller(stage) as caller:
        limited(stage, Limit("l", "calls", 1, "day"))
        assert caller.send(request(path)).answer()[0] == 200
        assert caller.send(request(path)).answer()[0] == 429
        assert caller.send(request("/up/v1/models", method="GET")).answer()[0] == 200


def test_a_form_with_files_counts_too(tmp_path: Path) -> None:
    head = "POST /up/v1/audio/transcriptions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer apk-the-callers\r\n"
    form = f"{head}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 6\r\n\r\n--x--\n".encode()
    with playing(says(whole(CHAT)), tmp_path / "log") as stage, Caller(stage) as caller:
        limited(stage, Limit("l", "calls", 1, "day"))
        assert caller.send(form).answer()[0] == 200
        assert caller.send(form).answer()[0] == 429


@pytest.mark.parametrize("unit", ["calls", "tokens"])
def test_what_fails_gives_back_what_it_held(tmp_path: Path, unit: Unit) -> None:
    failing = says(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}")
    with playing(failing, tmp_path / "log") as stage, Caller(stage) as caller:
        limited(stage, Limit("l", unit, 1 if unit == "calls" else 1100, "day"))
        for _ in range(5):
            assert caller.send(request()).answer()[0] == 500
        assert len(stage.records(5)) == 5


def test_who_leaves_before_a_call_is_made_holds_nothing(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        limited(stage, Limit("l", "calls", 1, "day"))
        for _ in range(3):
            with Caller(stage) as caller:
                caller.send(request()[:-5])
        for _ in range(100):
            if not stage.call(lambda: len(stage.worker.exchanges)):
                break
            time.sleep(0.02)
        with Caller(stage) as caller:
            assert caller.send(request()).answer()[0] == 200


@pytest.mark.parametrize(("at_limit", "statuses"), [("warn", [200, 200, 200]), ("throttle", [200, 200, 429])])
def test_other_things_than_a_block(tmp_path: Path, at_limit: AtLimit, statuses: list[int]) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage, Caller(stage) as caller:
        limited(stage, Limit("l", "calls", 1, "day", at_limit=at_limit))
        assert [caller.send(request()).answer()[0] for _ in statuses] == statuses
        marked = [record.get("over_limits") for record in stage.records(statuses.count(200))]
        assert marked[:2] == [None, ["l"]]


def test_money_is_metered_at_list_prices_and_begins_anew_at_what_a_run_allocates(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        limits = "    - {name: teams, each: team, per: month, money: 20}\n"
        folder = project(tmp_path, stage, limits)
        with running(stage, folder) as gateway:
            assert asked(gateway, "x-apportion-team: search")[0] == 200
            time.sleep(2)
            (row,) = json.loads(apportion(folder, "limits", "--format", "json"))["rows"]
            assert (row["of"], row["allocated"]) == ("search", None)
            assert row["metered"] == row["used"]
            assert gateway.process.poll() is None
        bills = folder / "bills"
        bills.mkdir()
        month = f"{datetime.now(UTC):%Y-%m}"
        following = f"{(datetime.now(UTC).replace(day=28, hour=0)).timestamp() + 5 * 86_400}"
        after = datetime.fromtimestamp(float(following), UTC)
        bill = BILL.format(month=month, following=f"{after:%Y-%m}").replace("12.00", "25.00")
        (bills / "openai.csv").write_text(bill)
        apportion(folder, "run")
        with running(stage, folder) as gateway:
            time.sleep(2)
            status, headers, body = asked(gateway, "x-apportion-team: search")
            assert (status, headers["x-apportion-refused"]) == (429, "limit-reached")
            assert b"USD 25.00 of USD 20.00" in body
            assert asked(gateway, "x-apportion-team: ml")[0] == 200
        row = next(
            row for row in json.loads(apportion(folder, "limits", "--format", "json"))["rows"] if row["of"] == "search"
        )
        assert (row["allocated"], row["used"]) == ("25.00", "25.00")
