"""The certificate of a published period: what each stage said, looked at again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from apportion.project import View
from apportion.report.certificate import Certificate, StageControl, certificate
from apportion.warehouse.tables import content_hash

_CHUNK = 1 << 20
# What was decided of the period; everything else can be worked out from its inputs.
_HASHED = ("invoices", "pools", "claims", "allocated_charges")


def certify(view: View) -> Certificate:
    """Read the stages' controls from the books, hash every file again, and sum the postings."""
    period = str(view.period)
    with view.books.reading() as reading:
        run = reading.current_run(period)
        controls = [c for c in reading.controls(run.run_id) if c.period == period] if run else []
        parts = [part for part in reading.manifest(run.run_id) if part.period == period] if run else []
        balances = reading.balances(period, "owner:%")
    stages = [StageControl(c.stage, c.what, c.value, c.sha256 or "", c.ok) for c in controls]
    changed = [part.path for part in parts if _sha256(view.folder / part.path) != part.sha256]
    said = f"{len(parts)} files" if not changed else f"changed since the run: {', '.join(changed)}"
    whole = "" if changed else _contents(view, [(part.table, part.path) for part in parts])
    stages.append(StageControl("report", "files as they were published", said, whole, not changed))
    return certificate(view.engine.connection, view.context, view.period, stages, posted_minor=sum(balances.values()))


def _contents(view: View, parts: Sequence[tuple[str, str]]) -> str:
    """A hash of what the period's own tables say, whatever their files are called."""
    said = []
    for table in _HASHED:
        paths = [view.folder / path for name, path in parts if name == table]
        if paths:
            view.engine.use_view("certified", paths)
            said.append(f"{table} {content_hash(view.engine, 'certified')}")
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return "missing"
    return digest.hexdigest()
