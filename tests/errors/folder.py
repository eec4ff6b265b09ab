"""A small project that is sound, and commands in this process: the ground on which each case goes wrong."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from apportion.cli import main

Files = Mapping[str, str | bytes]

BILL_HEAD = (
    "BilledCost,BillingCurrency,BillingPeriodStart,InvoiceIssuerName,InvoiceId,ServiceName,ChargeCategory,Tags\n"
)
USAGE_HEAD = "called_at,provider,model,uncached_input_tokens,output_tokens,call_id,tags\n"
SETTINGS = """company: Larkspur
currency: USD
bills: [{name: focus, type: focus, path: "bills/*"}]
dimensions: {team: [{tag: team}]}
"""
ALLOCATE = """allocate:
  - {name: all, when: "billed_cost != 0", method: direct}
"""
CALLS = 'usage: [{name: calls, path: "usage/*"}]\n'


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


def tags(text: str) -> str:
    """A JSON object as one field of a CSV file."""
    return '"' + text.replace('"', '""') + '"'


def charge(
    cost: str = "100.00",
    *,
    currency: str = "USD",
    team: str | None = "search",
    invoice: str = "I-1",
    day: str = "2026-11-01",
    service: str = "OpenAI API",
    category: str = "Usage",
    issuer: str = "OpenAI",
) -> str:
    """One row of a bill."""
    said = tags(json.dumps({"team": team})) if team else ""
    return f"{cost},{currency},{day},{issuer},{invoice},{service},{category},{said}\n"


def bill(*rows: str) -> str:
    """A bill of these rows; the first one is row 2 of the file."""
    return BILL_HEAD + "".join(rows)


def call(
    tokens: str = "1000",
    *,
    at: str = "2026-11-03T10:00:00Z",
    provider: str = "openai",
    model: str = "gpt-4o",
    call_id: str = "",
    team: str = "search",
) -> str:
    """One row of a usage file."""
    return f"{at},{provider},{model},{tokens},0,{call_id},{tags(json.dumps({'team': team}))}\n"


def usage(*rows: str) -> str:
    """A usage file of these rows."""
    return USAGE_HEAD + "".join(rows)


def settings(more: str = "", *, allocate: str = ALLOCATE) -> str:
    """An `apportion.yaml` with further settings."""
    return SETTINGS + more + allocate


SOUND: Files = {"apportion.yaml": settings(), "bills/a.csv": bill(charge())}


def make(folder: Path, files: Files) -> Path:
    """Write files over the sound project; a file whose content is empty bytes is there and empty."""
    for name, content in {**SOUND, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def say(folder: Path, command: str, *words: str) -> Said:
    """Give a command to the real command line, in this process."""
    out, err = io.StringIO(), io.StringIO()
    given = ["apportion", command, *words]
    if command != "demo":
        given += ["-p", str(folder)]
    code: object = 0
    with patch.object(sys, "argv", given), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    assert isinstance(code, int)
    said = Said(code, out.getvalue(), err.getvalue())
    assert "Traceback" not in said.out + said.err, said.err
    return said


def block(said: Said, slug: str, kind: str = "error") -> str:
    """The text of one problem, from its head to the empty line behind it.

    It must be there exactly once: the same problem told twice reads like two.
    """
    found = [text for text in said.err.split("\n\n") if text.lstrip("\n").startswith(f"{kind}[{slug}]")]
    assert len(found) == 1, f"{len(found)} texts {kind}[{slug}]:\n{said.err}"
    return found[0].strip("\n")


def data(folder: Path, command: str, *words: str) -> Any:
    """What a reading command says as JSON; decimals never pass through a float."""
    said = say(folder, command, *words, "--format", "json")
    assert said.code == 0, said.err
    return json.loads(said.out, parse_float=Decimal)


def quarantined(folder: Path) -> list[dict[str, Any]]:
    """The rows of the exported table of what was set aside."""
    found: list[dict[str, Any]] = data(folder, "export", "quarantine")["rows"]
    return found


def rows_in_out_aside(folder: Path) -> tuple[int, int, int]:
    """Rows in = rows out + quarantined, as the certificate prints it; the rows of usage are added."""
    total = [0, 0, 0]
    for control in certificate_controls(folder):
        value = control["value"]
        if " quarantined" not in value:
            continue
        rows_in, *parts = (int(text.replace(",", "")) for text in re.findall(r"(?<![\w.])\d[\d,]*", value))
        (aside,) = (int(text.replace(",", "")) for text in re.findall(r"([\d,]+) quarantined", value))
        assert rows_in == sum(parts), control
        total = [total[0] + rows_in, total[1] + rows_in - aside, total[2] + aside]
    return total[0], total[1], total[2]


def certificate_controls(folder: Path) -> list[dict[str, str]]:
    """The lines of the certificate, one per control total."""
    said = say(folder, "verify", "--format", "json")
    assert said.code == 0, said.out + said.err
    certificate = json.loads(said.out)
    assert certificate["ok"] is True
    stages: list[dict[str, str]] = certificate["stages"]["rows"]
    return stages
