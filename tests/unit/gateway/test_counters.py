"""Counters that processes share: whole after a kill, summed over all, without what the dead had reserved."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from apportion.gateway.counter_file import Total
from apportion.gateway.counters import Counters, totals

KEY, OTHER = b"k" * 16, b"o" * 16
LATER = 2e9
WRITER = """\
import sys, time
from pathlib import Path
from apportion.gateway.counters import Counters
counters = Counters(Path(sys.argv[1]), 0.0)
for number in range(int(sys.argv[2])):
    counters.add(b"k" * 16, 2e9, ("all",), settled=1)
counters.add(b"k" * 16, 2e9, ("all",), reserved=100)
print("ready", flush=True)
time.sleep(60)
"""


@contextmanager
def writing(folder: Path, times: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(times)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def test_every_worker_sees_the_sum(tmp_path: Path) -> None:
    first, second = Counters(tmp_path, 0.0), Counters(tmp_path, 0.0)
    first.add(KEY, LATER, ("a",), settled=3, reserved=1)
    second.add(KEY, LATER, ("a",), settled=4, reserved=2)
    assert first.total(KEY) == second.total(KEY) == Total(7, 3, 0)
    assert first.total(OTHER) == Total(0, 0, 0)
    second.mark(KEY, LATER, ("a",), 1234)
    assert first.total(KEY).mark == 1234
    assert dict(totals(tmp_path)) == {("a",): Total(7, 3, 1234)}
    first.close()
    second.close()


def test_a_worker_that_takes_over_a_file_is_seen_at_once(tmp_path: Path) -> None:
    first, second = Counters(tmp_path, 0.0), Counters(tmp_path, 0.0)
    first.add(KEY, LATER, ("a",), settled=1)
    second.add(KEY, LATER, ("a",), settled=2, reserved=5)
    second.close()
    heir = Counters(tmp_path, 0.0)
    assert first.total(KEY) == Total(3, 0, 0)
    heir.add(KEY, LATER, ("a",), settled=4)
    assert first.total(KEY) == heir.total(KEY) == Total(7, 0, 0)
    heir.close()
    first.close()


def test_what_a_killed_worker_had_reserved_is_free_and_what_it_settled_stays(tmp_path: Path) -> None:
    with writing(tmp_path, 7) as process:
        counters = Counters(tmp_path, 0.0)
        assert counters.total(KEY) == Total(7, 100, 0)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        counters.look(1.0)
        assert counters.total(KEY) == Total(7, 0, 0)
        assert dict(totals(tmp_path)) == {("all",): Total(7, 0, 0)}
        counters.close()
    heir = Counters(tmp_path, 0.0)
    assert heir.total(KEY) == Total(7, 0, 0)
    heir.close()


def test_counts_are_never_lost_however_often_writers_are_killed(tmp_path: Path) -> None:
    expected = 0
    for number in range(5):
        with writing(tmp_path, 1000 + number) as process:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        expected += 1000 + number
    counters = Counters(tmp_path, 0.0)
    assert counters.total(KEY) == Total(expected, 0, 0)
    assert len(list(tmp_path.glob("*.counts"))) == 1
    counters.close()


def test_a_file_grows_and_leaves_out_what_has_ended(tmp_path: Path) -> None:
    counters, other = Counters(tmp_path, 0.0), Counters(tmp_path, 0.0)
    drawn = random.Random(5)  # noqa: S311 - a test's
    keys = [drawn.randbytes(16) for _ in range(9000)]
    for number, key in enumerate(keys):
        counters.add(key, 10.0 if number % 3 else LATER, (str(number),), settled=number, reserved=1)
    assert [other.total(key).settled for key in keys] == list(range(9000))
    counters.look(20.0)
    kept = {label for label, _ in totals(tmp_path)}
    assert {(str(number),) for number in range(0, 9000, 3)} <= kept
    assert other.total(keys[8997]) == Total(8997, 1, 0)
    other.close()
    counters.close()
    heir = Counters(tmp_path, 20.0)
    assert heir.total(keys[1]) == Total(0, 0, 0)
    assert heir.total(keys[3]) == Total(3, 0, 0)
    heir.close()


def test_a_file_that_holds_no_counters_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "000.counts").write_bytes(b"no counters" * 100)
    (tmp_path / "001.counts").write_bytes(b"")
    counters = Counters(tmp_path, 0.0)
    counters.add(KEY, LATER, ("a",), settled=1)
    assert counters.total(KEY).settled == 1
    counters.close()


def test_a_full_disk_holds_up_no_call_and_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters(tmp_path, 0.0)
    full = OSError(errno.ENOSPC, "No space left on device")
    with patch("os.posix_fallocate", side_effect=full):
        for number in range(5000):
            counters.add(number.to_bytes(16, "big"), LATER, (str(number),), settled=1)
    assert counters.total((0).to_bytes(16, "big")).settled == 1
    assert counters.total((4999).to_bytes(16, "big")).settled == 0
    assert [record.message.split(":")[0] for record in caplog.records] == [
        f"there is no room in {tmp_path} for another counter"
    ]
    counters.add((4999).to_bytes(16, "big"), LATER, ("4999",), settled=1)
    assert counters.total((4999).to_bytes(16, "big")).settled == 1
    counters.close()
