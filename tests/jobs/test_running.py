"""`apportion job run` as its user runs it: real commands, real signals, GPUs that stand in for NVIDIA's."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.stand_in import GIB, Host, gpu, total

SLEEP = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(float(sys.argv[2]))"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with one GPU that nobody uses."""
    made = Host(tmp_path)
    made.has(gpu())
    yield made
    made.end()


@pytest.fixture
def sweeper() -> Iterator[list[int]]:
    """Ids of processes that outlive who started them, to be ended with the test."""
    found: list[int] = []
    yield found
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def test_streams_arguments_and_exit_code_are_the_commands_own(host: Host) -> None:
    script = "import sys; print(sys.argv[1:]); print('words', file=sys.stderr); sys.exit(3)"
    code, out, err = host.run("--", sys.executable, "-c", script, "--tag", "x=y", "-p")
    assert (code, out) == (3, "['--tag', 'x=y', '-p']\n")
    assert err.splitlines()[0] == "words"
    (row,) = host.rows()
    assert (row["outcome"], row["exit_code"], row["state"], row["gpu_hours"]) == ("failed", 3, "measured", "0")


def test_standard_input_reaches_the_command(tmp_path: Path) -> None:
    given = tmp_path / "input"
    given.write_text("four")
    with given.open() as file:
        command = [sys.executable, "-m", "apportion.cli", "job", "run", "--log", str(tmp_path / "log"), "--gpus", "0"]
        done = subprocess.run([*command, "--", "cat"], stdin=file, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "four")


def test_success_is_one_record_with_what_was_used(host: Host, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    host.has(gpu("GPU-a", 50, **{str(pid): 40 * GIB}), gpu("GPU-b"))
    words = (
        "--tag",
        "team=ml",
        "-t",
        "job_type=finetune",
        "--name",
        "tune",
        "--item",
        "gpu-cluster-a",
        "--user",
        "ada",
    )
    began = time.monotonic()
    code, _, err = host.run(*words, "--", sys.executable, "-c", SLEEP, str(pid), "2.2")
    took = time.monotonic() - began
    assert code == 0
    (row,) = host.rows()
    assert row["tags"] == {"team": "ml", "job_type": "finetune"}
    said = {key: row[key] for key in ("job_name", "item", "user_id", "outcome", "state", "gpu_model")}
    assert said == {"job_name": "tune", "item": "gpu-cluster-a", "user_id": "ada", "outcome": "succeeded",
                    "state": "measured", "gpu_model": "NVIDIA H100 80GB HBM3"}  # fmt: skip
    held = float(row["gpu_hours"]) * 3600
    assert 1.0 <= held <= took
    assert float(row["gpu_busy_hours"]) * 3600 == pytest.approx(held / 2, abs=0.01)
    assert float(row["gpu_memory_gib_hours"]) * 3600 == pytest.approx(held * 40, abs=0.1)
    assert f"succeeded, {row['gpu_hours']} GPU hours" in err
    assert SLEEP not in str(row)
    assert [path.suffix for path in host.jobs.iterdir() if path.is_file()] == [".jsonl"]


def test_a_job_that_is_killed_is_one_record(host: Host) -> None:
    code, _, err = host.run("--", "sh", "-c", "kill -9 $$")
    assert code == 137
    assert "killed" in err
    assert [(row["outcome"], row["exit_code"]) for row in host.rows()] == [("killed", 137)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(host: Host, number: signal.Signals) -> None:
    script = f"""import signal, sys, time
signal.signal({int(number)}, lambda *_: sys.exit(44))
print("ready", flush=True)
time.sleep(60)"""
    job = host.start("--", sys.executable, "-c", script)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    job.send_signal(number)
    job.communicate(timeout=30)
    assert job.returncode == 44
    assert [row["outcome"] for row in host.rows()] == ["failed"]


def test_what_a_terminal_sends_reaches_the_command_once(tmp_path: Path) -> None:
    script = """import signal, time
found = []
signal.signal(signal.SIGINT, lambda *_: found.append(1))
print("ready", flush=True)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    time.sleep(0.05)
print('times:', len(found), flush=True)"""
    command = [sys.executable, "-m", "apportion.cli", "job", "run", "--log", str(tmp_path / "log"), "--gpus", "0", "--"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*command, sys.executable, "-c", script])  # noqa: S606 - the product's own command
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while b"succeeded" not in said:
        said += os.read(terminal, 1024)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"times: 1\r\n" in said


def test_when_the_watcher_is_killed_the_last_beat_is_the_record(host: Host, tmp_path: Path, sweeper: list[int]) -> None:
    pid = tmp_path / "pid"
    host.has(gpu("GPU-a", 100, **{str(pid): 8 * GIB}))
    began = time.monotonic()
    job = host.start("-t", "team=ml", "--", sys.executable, "-c", SLEEP, str(pid), "60")
    host.until(lambda: total(host.rows(".open"), "gpu_hours") > 0)
    job.kill()
    job.wait()
    took = time.monotonic() - began
    sweeper.append(int(pid.read_text()))
    for stream in (job.stdout, job.stderr):
        assert stream is not None
        stream.close()
    assert [row["outcome"] for row in host.rows(".open")] == ["lost"]
    code, _, err = host.run("--", "true")
    assert code == 0
    assert "the record of a job whose end was not seen" in err
    lost, ended = sorted(host.rows(), key=lambda row: row["outcome"])
    assert (lost["outcome"], lost["state"], lost["tags"], ended["outcome"]) == (
        "lost", "estimated", {"team": "ml"}, "succeeded"
    )  # fmt: skip
    assert "nothing was heard of it after this" in lost["why"]
    assert took - 4 <= float(lost["gpu_hours"]) * 3600 <= took
    assert list(host.jobs.glob("*.open")) == []


def test_a_watcher_that_is_killed_at_its_first_moment_leaves_a_record(host: Host) -> None:
    job = host.start("--", "sleep", "0.5")
    host.until(lambda: list(host.jobs.glob("*.open")))
    job.kill()
    job.communicate()
    host.run("--", "true")
    assert sorted(row["outcome"] for row in host.rows()) == ["lost", "succeeded"]


def test_two_jobs_on_one_gpu_share_it(host: Host, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    host.has(gpu("GPU-a", 100, **{str(first): 60 * GIB, str(second): 20 * GIB}))
    began = time.monotonic()
    jobs = [
        host.start("-t", f"team={name.name}", "--", sys.executable, "-c", SLEEP, str(name), "3.5")
        for name in (first, second)
    ]
    for job in jobs:
        job.communicate(timeout=60)
        assert job.returncode == 0
    took = time.monotonic() - began
    rows = {row["tags"]["team"]: row for row in host.rows()}
    assert set(rows) == {"first", "second"}
    hours = {team: float(row["gpu_hours"]) * 3600 for team, row in rows.items()}
    assert 2.0 <= sum(hours.values()) <= took
    assert hours["first"] > 1.5 * hours["second"]
    assert total(list(rows.values()), "gpu_busy_hours") <= total(list(rows.values()), "gpu_hours") + 1e-6
    assert total(list(rows.values()), "gpu_memory_gib_hours") * 3600 <= 80 * took


def test_a_process_that_has_left_its_parents_is_still_the_jobs(host: Host, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    host.has(gpu("GPU-a", 100, **{str(pid): 8 * GIB}))
    shell = f'setsid {sys.executable} -c "{SLEEP}" {pid} 2.5 >/dev/null 2>&1 & sleep 2.4'
    host.run("--", "sh", "-c", shell)
    assert total(host.rows(), "gpu_hours") * 3600 > 0.5


def test_processes_of_others_are_not_the_jobs(host: Host) -> None:
    host.has(gpu("GPU-a", 100, **{str(os.getpid()): 8 * GIB}))
    host.run("--", "sleep", "1.2")
    assert [row["gpu_hours"] for row in host.rows()] == ["0"]


@pytest.mark.parametrize(
    ("words", "env", "state"),
    [(("--gpus", "2"), {}, "estimated"), ((), {"CUDA_VISIBLE_DEVICES": "0,1"}, "estimated"), ((), {}, "missing")],
)
def test_without_the_library_it_says_so(host: Host, words: tuple[str, ...], env: dict[str, str], state: str) -> None:
    host.has("Driver Not Loaded")
    code, _, err = host.run(*words, "--", "sleep", "1", **env)
    assert code == 0
    (row,) = host.rows()
    assert row["state"] == state
    assert "NVML: Driver Not Loaded" in row["why"]
    assert row["gpu_memory_gib_hours"] is None
    if state == "missing":
        assert row["gpu_hours"] is None
        assert "GPU hours not known (missing)" in err
    else:
        assert float(row["gpu_hours"]) * 3600 == pytest.approx(2.0, abs=0.3)


def test_a_command_that_cannot_be_run_leaves_no_record(host: Host, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    code, _, err = host.run("--", "no-such-command")
    assert (code, err) == (127, "apportion: no-such-command cannot be run: No such file or directory\n")
    code, _, err = host.run("--", str(plain))
    assert code == 126
    assert [path for path in host.jobs.iterdir() if path.is_file()] == []


def test_a_record_that_cannot_be_written_stops_no_job(host: Host) -> None:
    code, out, err = host.run("--", "sh", "-c", f"rm -rf {host.jobs}; sleep 2.5; echo done; exit 5")
    assert (code, out) == (5, "done\n")
    assert err.count("the job's record cannot be written for now") == 1
    assert "without a record" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tag", "team"), "`team` is no tag such as team=ml"),
        (("--tag", "a=1", "--tag", "a=2"), "the tag `a` is given twice"),
        (("--tag", "a=" + "x" * 300), "is no tag that can be kept"),
        (("--gpus", "-1"), "greater than or equal to 0"),
    ],
)
def test_what_is_no_order_is_refused_before_anything_runs(host: Host, words: tuple[str, ...], said: str) -> None:
    code, _, err = host.run(*words, "--", "true")
    assert code == 2
    assert said in err
    assert not host.jobs.exists()


def test_nobody_says_where_the_record_goes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "apportion.cli", "job", "run", "--", "true"]
    env = {key: value for key, value in os.environ.items() if key != "APPORTION_JOB_LOG"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 2
    assert "there is no apportion.yaml" in done.stderr
    (tmp_path / "apportion.yaml").write_text("company: Larkspur\n")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0
    assert len(list((tmp_path / "usage" / "jobs").glob("*.jsonl"))) == 1
    named = subprocess.run(
        command, cwd="/", capture_output=True, text=True, check=False,
        env={**env, "APPORTION_JOB_LOG": str(tmp_path / "named")},
    )  # fmt: skip
    assert named.returncode == 0
    assert len(list((tmp_path / "named").glob("*.jsonl"))) == 1
