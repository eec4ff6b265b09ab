"""A GPU is divided over those who have it, and never more of it than there is (law L5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.jobs import Used
from apportion.jobs.shares import STALE_NS, GpuShare, Ledger, Look

SECOND = 10**9
GIB = 1 << 30
EIGHTY = 80 * GIB


def used(mine: int, everything: int, busy: int | None = 100) -> Look:
    return Look(mine * GIB, everything * GIB, EIGHTY, busy)


def test_one_job_has_all_of_it() -> None:
    ledger = Ledger()
    assert ledger.settle("a", 0, used(8, 8, 25)) == Used(0, 0, 0)
    assert ledger.settle("a", SECOND, None) == Used(SECOND, 25 * SECOND, 8 * GIB * SECOND)
    assert ledger.holders == {}


def test_two_jobs_share_by_memory_from_the_moment_at_which_the_second_comes() -> None:
    ledger = Ledger()
    ledger.settle("a", 0, used(30, 30))
    ledger.settle("b", SECOND // 2, used(10, 40))
    assert ledger.settle("a", SECOND, used(30, 40)).held_ns == SECOND // 2 + 3 * SECOND // 8
    assert ledger.settle("b", SECOND, None) == Used(SECOND // 8, 100 * SECOND // 8, 5 * GIB * SECOND)
    assert ledger.settle("a", 2 * SECOND, None).held_ns == SECOND


def test_while_nobody_uses_memory_they_share_evenly() -> None:
    ledger = Ledger()
    for job in ("a", "b", "c"):
        ledger.settle(job, 0, Look(0, 0, EIGHTY, 0))
    shares = [ledger.settle(job, 10, None).held_ns for job in ("a", "b", "c")]
    assert shares == [4, 3, 3]


def test_what_others_use_is_nobodys() -> None:
    ledger = Ledger()
    ledger.settle("a", 0, used(10, 40))
    assert ledger.settle("a", SECOND, None).held_ns == SECOND // 4


def test_a_job_that_is_gone_without_a_word_has_its_share_for_a_while_and_then_none() -> None:
    ledger = Ledger()
    ledger.settle("killed", 0, used(40, 40))
    ledger.settle("a", 0, used(40, 80))
    ledger.settle("a", STALE_NS, used(40, 40))
    assert set(ledger.holders) == {"a", "killed"}
    ledger.settle("a", STALE_NS + 1, used(40, 40))
    assert set(ledger.holders) == {"a"}
    assert ledger.settle("a", STALE_NS + 1 + SECOND, None).held_ns == SECOND


def test_a_clock_that_stands_still_or_goes_back_gives_nothing_twice() -> None:
    ledger = Ledger()
    ledger.settle("a", SECOND, used(1, 1))
    assert ledger.settle("a", 0, used(1, 1)) == Used(0, 0, 0)
    assert ledger.settle("a", 2 * SECOND, used(1, 1)).held_ns == SECOND


_STEPS = st.tuples(
    st.sampled_from("abcd"),
    st.integers(0, 40 * SECOND),
    st.one_of(st.none(), st.tuples(st.integers(0, EIGHTY), st.integers(0, EIGHTY), st.integers(0, 100))),
)


@given(st.lists(_STEPS, max_size=40))
def test_shares_never_add_up_to_more_than_there_is(steps: list[tuple[str, int, tuple[int, int, int] | None]]) -> None:
    ledger = Ledger()
    now = held = busy = memory = 0
    for job, elapsed, seen in steps:
        now += elapsed
        look = None if seen is None else Look(seen[0], seen[1], EIGHTY, seen[2])
        got = ledger.settle(job, now, look)
        assert got.held_ns is not None
        assert got.busy_percent_ns is not None
        assert got.memory_byte_ns is not None
        held, busy, memory = held + got.held_ns, busy + got.busy_percent_ns, memory + got.memory_byte_ns
    for job in "abcd":
        got = ledger.settle(job, now, None)
        held, busy, memory = (
            held + (got.held_ns or 0),
            busy + (got.busy_percent_ns or 0),
            memory + (got.memory_byte_ns or 0),
        )
    assert 0 <= held <= now
    assert 0 <= busy <= 100 * held
    assert 0 <= memory <= EIGHTY * now


def test_the_ledger_is_in_a_file_that_jobs_share(tmp_path: Path) -> None:
    path = tmp_path / "gpus" / "gpu.json"
    first, second = GpuShare(path, "a"), GpuShare(path, "b")
    first.settle(0, used(60, 60))
    second.settle(SECOND, used(20, 80))
    assert second.settle(5 * SECOND, None) == Used(SECOND, 100 * SECOND, 80 * GIB * SECOND)
    assert first.settle(5 * SECOND, None) == Used(4 * SECOND, 400 * SECOND, 300 * GIB * SECOND)


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"holders": 3}', b'{"holders": {}, "x": 1}'])
def test_a_torn_ledger_begins_anew(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "gpu.json"
    path.write_bytes(torn)
    share = GpuShare(path, "a")
    assert share.settle(5 * SECOND, used(1, 1)) == Used(0, 0, 0)
    assert share.settle(6 * SECOND, None).held_ns == SECOND
