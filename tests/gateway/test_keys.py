"""Keys as their user makes them, on a gateway that runs: made, used, changed, renewed and revoked."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gateway.answers import CHAT, says, whole
from tests.gateway.stage import OWN_SECRET, Caller, Stage, playing, request
from tests.gateway.test_command import PATH, SETTINGS, Running, apportion, running

CALL = json.dumps({"model": "gpt-4o"}).encode()


def project(tmp_path: Path, stage: Stage, more: str = "", provider: str = ', key_from: "file:{folder}/key"') -> Path:
    folder = tmp_path / "larkspur"
    folder.mkdir()
    (folder / "key").write_text(f"{OWN_SECRET}\n")
    text = SETTINGS.format(port=stage.upstream_port, more="")
    text = text.replace(f'{stage.upstream_port}"}}', f'{stage.upstream_port}"{provider.format(folder=folder)}}}')
    text = text.replace("  providers:", f"{more}  providers:")
    text = text.replace("{team: [{tag: team}]}", "{team: [{tag: team}], customer: [{tag: customer}]}")
    (folder / "apportion.yaml").write_text(text)
    return folder


def asked(gateway: Running, secret: str, *headers: str) -> tuple[int, dict[str, str], bytes]:
    with Caller(gateway) as caller:
        return caller.send(request(PATH, CALL, secret=secret, headers=headers)).answer()


def until(gateway: Running, secret: str, status: int, *headers: str) -> dict[str, object]:
    """Ask until the answer has a status: a change is taken up within two seconds."""
    for _ in range(60):
        found, _, body = asked(gateway, secret, *headers)
        if found == status:
            return dict(json.loads(body))
        time.sleep(0.1)
    raise AssertionError(f"the last answer was {found}: {body!r}")


def test_a_key_from_its_making_to_its_end(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        folder = project(tmp_path, stage)
        with running(stage, folder) as gateway:
            gateway.until("metering on")
            first = apportion(folder, "key", "create", "search", "--tag", "team=search").strip()
            until(gateway, first, 200, "x-apportion-team: other", "x-apportion-customer: acme")
            assert stage.heard[-1].header(b"authorization") == f"Bearer {OWN_SECRET}".encode()
            assert first.encode() not in stage.heard[-1].head
            second = apportion(folder, "key", "rotate", "search", "--overlap", "0").strip()
            assert "expired" in str(until(gateway, first, 401))
            assert asked(gateway, second)[0] == 200
            apportion(folder, "key", "change", "search", "--requires", "customer", "--reject-untagged")
            assert "customer" in str(until(gateway, second, 400))
            assert asked(gateway, second, "x-apportion-customer: acme")[0] == 200
            apportion(folder, "key", "revoke", "search")
            assert "revoked" in str(until(gateway, second, 401))
        records = gateway.records()
        assert {str(record["api_key_id"])[:3] for record in records} == {"ak_"}
        assert {record["tags"]["team"] for record in records} == {"search"}  # type: ignore[index]
        assert len(stage.heard) == len(records)
        listed = json.loads(apportion(folder, "key", "list", "--all", "--format", "json"))["rows"]
        assert [(row["key"], row["state"]) for row in listed] == [("search", "revoked")]
        kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert first.encode() not in kept
        assert second.encode() not in kept


def test_a_provider_s_key_that_is_replaced_is_taken_up(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        folder = project(tmp_path, stage)
        secret = apportion(folder, "key", "create", "search").strip()
        with running(stage, folder) as gateway:
            assert asked(gateway, secret)[0] == 200
            (folder / "key").write_text("sk-the-next")
            for _ in range(60):
                asked(gateway, secret)
                if stage.heard[-1].header(b"authorization") == b"Bearer sk-the-next":
                    break
                time.sleep(0.1)
            assert stage.heard[-1].header(b"authorization") == b"Bearer sk-the-next"
            (folder / "key").unlink()
            gateway.until("key holds no key")
            assert "no key of its own" in str(until(gateway, secret, 503))


def test_only_keys_of_the_gateway_where_that_is_said(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        folder = project(tmp_path, stage, "  callers: keys\n")
        with running(stage, folder) as gateway:
            status, _, body = asked(gateway, "sk-the-callers-own")
            assert (status, stage.heard) == (401, [])
            assert b"brings no key of this gateway" in body


def test_a_key_beside_the_provider_s_own(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        folder = project(tmp_path, stage)
        secret = apportion(folder, "key", "create", "search", "--tag", "team=search").strip()
        with running(stage, folder) as gateway:
            assert asked(gateway, "sk-own", f"x-apportion-key: {secret}")[0] == 200
        assert stage.heard[0].header(b"authorization") == b"Bearer sk-own"
        assert secret.encode() not in stage.heard[0].head
        (record,) = gateway.records()
        assert (str(record["api_key_id"])[:3], record["tags"]) == ("ak_", {"team": "search"})


def test_it_starts_with_the_keys_that_it_knew_where_the_books_cannot_be_had(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        folder = project(tmp_path, stage)
        secret = apportion(folder, "key", "create", "search").strip()
        with running(stage, folder) as gateway:
            assert asked(gateway, secret)[0] == 200
        for path in (folder / ".apportion").glob("books.db*"):
            path.unlink()
        (folder / ".apportion" / "books.db").write_bytes(b"no database" * 1000)
        with running(stage, folder) as gateway:
            gateway.until("goes on with the keys that it knows")
            assert asked(gateway, secret)[0] == 200


@pytest.mark.parametrize(
    ("words", "says_"),
    [
        (("create", "x", "--tag", "tema=search"), "did you mean team?"),
        (("create", "x", "--tag", "search"), "no tag such as team=search"),
        (("create", "x", "--expires", "2020-01-01"), "has passed"),
        (("create", "x", "--provider", "opnai"), "did you mean openai?"),
        (("create", " "), "is no name"),
        (("revoke", "nobody"), "There is no key nobody"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, words: tuple[str, ...], says_: str) -> None:
    (tmp_path / "apportion.yaml").write_text(SETTINGS.format(port=1, more=""))
    command = [sys.executable, "-m", "apportion.cli", "key", *words, "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert says_ in " ".join(done.stderr.split())


def test_a_preview_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "apportion.yaml").write_text(SETTINGS.format(port=1, more=""))
    assert apportion(tmp_path, "key", "create", "search", "--preview") == ""
    assert json.loads(apportion(tmp_path, "key", "list", "--format", "json"))["rows"] == []
