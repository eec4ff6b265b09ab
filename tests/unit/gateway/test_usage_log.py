"""A record is in the log when `append` returns, whole or not at all, whatever becomes of the process or the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.usage_log import LogFullError, Recovered, UsageLog, line_of, read_segment, record_of, recover

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def log(folder: Path, **more: Any) -> UsageLog:
    return UsageLog(folder, "web 1.example", now=lambda: NOON, **more)


def everything(folder: Path) -> list[dict[str, Any] | None]:
    return [record for path in sorted(folder.glob("*.jsonl")) for record in read_segment(path)]


_VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()


@given(st.dictionaries(st.text(), _VALUES | st.dictionaries(st.text(), st.text()), min_size=1))
def test_a_record_comes_back_and_its_line_is_json(record: dict[str, Any]) -> None:
    record.pop("crc", None)
    line = line_of(record) if record else b""
    if record:
        assert record_of(line) == record
        assert {key: value for key, value in orjson.loads(line).items() if key != "crc"} == record


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_spoilt_line_is_no_record(at: int, change: int) -> None:
    line = bytearray(line_of({"call_id": "x", "tags": {"team": "search"}, "output_tokens": 12}))
    line[at % len(line)] ^= change
    assert record_of(bytes(line)) is None


def test_segments_are_sealed_by_size_and_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = len(line_of({"n": 1}))
    made = log(tmp_path, seal_bytes=3 * line)
    for number in range(7):
        made.append([{"n": number}])
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".jsonl", ".jsonl", ".open"]
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    made.tick()
    assert {path.suffix for path in tmp_path.iterdir()} == {".jsonl"}
    made.append([{"n": 7}])
    made.close()
    assert everything(tmp_path) == [{"n": number} for number in range(8)]
    assert min(path.name for path in tmp_path.iterdir()).startswith("20261127T120000-web-1-example-")


def test_nothing_written_leaves_nothing(tmp_path: Path) -> None:
    log(tmp_path / "new").close()
    assert list((tmp_path / "new").iterdir()) == []


def test_durable_is_said_when_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def sync(at: int) -> None:
        synced.append(at)
        real(at)

    monkeypatch.setattr(os, "fdatasync", sync)
    made, said = log(tmp_path), threading.Event()
    made.append([{"n": 1}], said.set)
    assert said.wait(10)
    assert synced
    made.append([{"n": 2}], said.set)
    made.close()
    assert said.is_set()


def torn(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "20261127T120000-a-1-1.open"
    path.write_bytes(content)
    return path


def test_a_torn_end_is_cut_at_any_byte(tmp_path: Path) -> None:
    lines = [line_of({"n": number, "part": 1, "parts": 1}) for number in range(3)]
    content = b"".join(lines)
    for cut in range(len(content) + 1):
        torn(tmp_path, content[:cut])
        (found,) = recover(tmp_path)
        whole = sum(1 for number in range(1, 4) if cut >= len(b"".join(lines[:number])))
        assert (found.records, found.torn_bytes) == (whole, cut - len(b"".join(lines[:whole])))
        assert [record and record["n"] for record in everything(tmp_path)] == list(range(whole))
        assert (found.path is None) == (whole == 0)
        for path in tmp_path.iterdir():
            path.unlink()


def test_records_that_belong_together_stay_together(tmp_path: Path) -> None:
    alone = line_of({"n": 0, "part": 1, "parts": 1})
    pair = [line_of({"n": 1, "part": part, "parts": 2}) for part in (1, 2)]
    torn(tmp_path, alone + pair[0] + pair[1][:-4])
    (found,) = recover(tmp_path)
    assert (found.records, found.torn_bytes) == (1, len(pair[0]) + len(pair[1]) - 4)
    assert [record and record["n"] for record in everything(tmp_path)] == [0]


def test_a_line_that_the_disk_spoilt_takes_no_other_with_it(tmp_path: Path) -> None:
    lines = [line_of({"n": number}) for number in range(3)]
    torn(tmp_path, lines[0] + lines[1].replace(b"1", b"7", 1) + lines[2] + b'{"n":3')
    (found,) = recover(tmp_path)
    assert (found.records, found.torn_bytes) == (2, 6)
    assert everything(tmp_path) == [{"n": 0}, None, {"n": 2}]


def test_what_is_being_written_is_left_alone(tmp_path: Path) -> None:
    made = log(tmp_path)
    made.append([{"n": 1}])
    assert recover(tmp_path) == []
    made.close()
    assert recover(tmp_path) == []
    assert everything(tmp_path) == [{"n": 1}]


WRITER = """
import sys
from pathlib import Path
from apportion.gateway.usage_log import UsageLog
log = UsageLog(Path(sys.argv[1]), sys.argv[2], seal_bytes=20_000)
number = 0
while True:
    number += 1
    log.append([{"writer": sys.argv[2], "n": number, "part": part, "parts": 2} for part in (1, 2)])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_killed_at_any_moment_it_has_every_record_that_was_said(tmp_path: Path) -> None:
    """Several processes write into one folder and are killed; each had said how far it was."""
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    told = {}
    for name, process in zip(("a", "b"), running, strict=True):
        assert process.stdout is not None
        while int(process.stdout.readline()) < 400:
            pass
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        told[name] = int(rest[-1]) if rest and rest[-1].isdigit() else 400
    found = recover(tmp_path)
    # One that was killed between two segments leaves none open.
    assert len(found) <= 2
    assert all(each.torn_bytes < 1_000 for each in found)
    records = everything(tmp_path)
    for name in ("a", "b"):
        numbers = sorted((r["n"], r["part"]) for r in records if r and r["writer"] == name)
        last = numbers[-1][0]
        assert last >= told[name]
        assert numbers == [(number, part) for number in range(1, last + 1) for part in (1, 2)]


FULL = """
import resource, sys
from pathlib import Path
from apportion.gateway.usage_log import LogFullError, UsageLog
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
log = UsageLog(Path(sys.argv[1]), "full")
done = 0
try:
    while True:
        log.append([{"n": done}])
        done += 1
except LogFullError as error:
    print(done, error.errno)
log.close()
"""


def test_a_disk_that_is_full_leaves_whole_records(tmp_path: Path) -> None:
    said = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    done = int(said.stdout.split()[0])
    assert done > 10
    assert everything(tmp_path) == [{"n": number} for number in range(done)]


def test_a_write_that_breaks_off_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = log(tmp_path)
    made.append([{"n": 1}])
    real = os.write
    with monkeypatch.context() as broken:
        turns = iter([5, 0])

        def half(at: int, data: bytes) -> int:
            if turn := next(turns):
                return real(at, data[:turn])
            raise OSError(28, "No space left on device")

        broken.setattr(os, "write", half)
        with pytest.raises(LogFullError, match="No space left"):
            made.append([{"n": 2}])
    made.append([{"n": 3}])
    made.close()
    assert everything(tmp_path) == [{"n": 1}, {"n": 3}]


def test_a_folder_that_cannot_be_written_is_full_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = log(tmp_path)

    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(os, "open", refuse)
        with pytest.raises(LogFullError):
            made.append([{"n": 1}])
    made.append([{"n": 2}])
    made.close()
    assert everything(tmp_path) == [{"n": 2}]


def test_what_was_recovered_tells_itself(tmp_path: Path) -> None:
    path = torn(tmp_path, line_of({"n": 1}) + b"x")
    assert recover(tmp_path) == [Recovered(path.with_suffix(".jsonl"), 1, 1)]
