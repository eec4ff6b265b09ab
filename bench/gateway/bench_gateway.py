"""The gateway beside nginx and its peers, in CPU per call and in what callers notice.

    python bench/gateway/bench_gateway.py                        everything, about a quarter of an hour
    python bench/gateway/bench_gateway.py --quick                a look, in some minutes
    python bench/gateway/bench_gateway.py --only nginx apportion
    python bench/gateway/bench_gateway.py --soak                 a million calls more, on a gateway of its own

Everything is started here and listens on 127.0.0.1 only; nothing is sent anywhere else but to the package registries,
for peers that are not installed yet. Needs Linux, a C compiler and wrk. Machines are noisy, so each figure is of
several rounds by turns, and what is compared is a ratio within a round. The newest tables are kept in
`bench/README.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import peers
import sides
from goals import goals
from loads import Mock
from measuring import Found, Killed, Lengths, Window, begun, done, kill, one_round, recorded, soak
from report import as_json, long_run, notes, table, verdicts
from sessions import ending_all
from sides import Ground, NotHadError, Side

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "bench-gateway"
README = ROOT / "bench" / "README.md"
_MARK, _SOAK_MARK = "<!-- gateway -->", "<!-- gateway for long -->"
_SOAK_CALLS = 1_000_000
# By the name to ask for; the lightest first.
SIDES: dict[str, Callable[[Ground], list[Side]]] = {
    "nginx": lambda ground: [sides.nginx(ground)],
    "apportion": lambda ground: [sides.apportion(ground)],
    "portkey": peers.portkey,
    "litellm": peers.litellm,
    "burnlens": peers.burnlens,
}


class Asked(NamedTuple):
    """What the command line asks for.

    Attributes:
        rounds: How often each side is measured.
        kills: How often a gateway is killed.
        lengths: Of the steps.
        only: The sides, beside the upstream itself.
        soak: Whether there is a long run, too.
        json: A file that takes every figure.
        keep: Whether the tables go into the README.
        machine: What it is measured on, before it has anything to do here.
    """

    rounds: int
    kills: int
    lengths: Lengths
    only: tuple[str, ...]
    soak: bool
    json: Path | None
    keep: bool
    machine: str


def main() -> None:
    """Read the command line, measure, and tell."""
    asked = _asked()
    _needs()
    # However it is told to end, what was started here ends first.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    TOOLS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=TOOLS) as scratch, ending_all():
        _measure(Ground(Mock(TOOLS, Path(scratch)), Path(scratch), TOOLS), asked)


def _measure(ground: Ground, asked: Asked) -> None:
    mock = ground.mock
    missing: dict[str, str] = {}
    found = {"direct": begun(sides.direct(ground), mock, 0)}
    for name in asked.only:
        before = sum(mock.counts())
        try:
            had = SIDES[name](ground)
        except NotHadError as error:
            # What a path or an address says of this machine is nobody's business.
            missing[name] = re.sub(r"\w+://\S+|(?<!\w)(/[\w.@-]+){2,}", "(…)", str(error))
            _say(f"{name}: not measured, because {error}")
            continue
        for side in had:
            found[side.name] = begun(side, mock, sum(mock.counts()) - before)
            _say(f"{side.name}: {side.what}")
    for number in range(asked.rounds):
        _say(f"round {number + 1} of {asked.rounds}")
        one_round(list(found.values()), mock, asked.lengths)
    done(list(found.values()), mock)
    killed: list[Killed] = []
    written = None
    if "apportion" in found:
        found["apportion"].side.session.end()
        written = recorded(ground.scratch / "apportion")
        killed = [_killed(ground, number) for number in range(asked.kills)]
    windows = _soaked(ground) if asked.soak else []
    _tell(found, killed, windows, written, missing, asked)


def _killed(ground: Ground, number: int) -> Killed:
    found = kill(ground, number)
    _say(f"killed under load: {found.released:,} answers released, {found.lost:,} of them without a record")
    return found


def _soaked(ground: Ground) -> list[Window]:
    windows = []
    for window in soak(ground, _SOAK_CALLS):
        windows.append(window)
        _say(f"{window.calls:,} calls: {window.private_kib / 1024:.1f} MiB private, {window.call_ms:.3f} CPU ms a call")
    return windows


def _tell(found: dict[str, Found], killed: list[Killed], windows: list[Window], written: int | None,
          missing: dict[str, str], asked: Asked) -> None:  # fmt: skip
    """Print everything, and keep it where it is asked for."""
    made = goals(found, killed, windows, written)
    text = "\n\n".join([table(found, killed), notes(found, missing), verdicts(made)])
    print(f"\n{text}")
    if windows:
        print(f"\n{long_run(windows)}")
    if asked.json is not None:
        told = as_json(found, made, killed, windows, missing, asked.machine)
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if asked.keep:
        _keep(text, _MARK, asked.machine)
        if windows:
            _keep(long_run(windows), _SOAK_MARK, asked.machine)


def _keep(text: str, mark: str, machine: str) -> None:
    """Put a table into the README, in place of the last one of its kind; where it has no place yet, at the end."""
    head, _, rest = README.read_text(encoding="utf-8").partition(mark)
    after = rest.find("<!--")
    rest = f"\n{rest[after:]}" if after >= 0 else ""
    dated = f"Measured {datetime.now(UTC):%Y-%m-%d}, {machine}."
    README.write_text(f"{head.rstrip()}\n\n{mark}\n\n{dated}\n\n{text}\n{rest}", encoding="utf-8")


def _machine() -> str:
    """What the figures were measured on."""
    load = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}, {os.cpu_count()} cores"
        f" (load {load:.1f} before it began), Python {platform.python_version()}"
    )


def _needs() -> None:
    """End with what is missing, all of it at once."""
    missing = []
    if platform.system() != "Linux":
        missing.append("Linux: CPU and memory are read from /proc")
    if shutil.which(os.environ.get("CC") or "cc") is None:
        missing.append("a C compiler, for the mock upstream and its callers (Debian: apt-get install gcc libc6-dev)")
    if shutil.which("wrk") is None:
        missing.append("wrk, which makes the load (Debian: apt-get install wrk)")
    if missing:
        sys.exit("\n".join(["the bench of the gateway needs, and there is not:", *(f"  {each}" for each in missing)]))


def _asked() -> Asked:
    parser = argparse.ArgumentParser(description="The gateway beside nginx and its peers.")
    parser.add_argument("--rounds", type=int, default=None, help="how often each side is measured (5)")
    parser.add_argument("--quick", action="store_true", help="short steps, two rounds; nothing is kept")
    parser.add_argument("--only", nargs="+", choices=list(SIDES), help="these alone; nothing is kept")
    parser.add_argument("--soak", action="store_true", help="a million calls more, for memory; about 1 GB of disk")
    parser.add_argument("--json", type=Path, help="a file that takes every figure of every round")
    said = parser.parse_args()
    if said.rounds is not None and said.rounds < 1:
        parser.error("--rounds takes a number from 1 on")
    return Asked(
        rounds=said.rounds or (2 if said.quick else 5),
        kills=1 if said.quick else 3,
        lengths=Lengths(light=1.0, streams=1.0, wrk=1) if said.quick else Lengths(),
        only=tuple(said.only or SIDES),
        soak=said.soak,
        json=said.json,
        keep=not said.quick and not said.only,
        machine=_machine(),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
