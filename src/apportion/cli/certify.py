"""The certificate of a published period: what each stage said, looked at again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from apportion.project import View
from apportion.report.certificate import Certificate, StageControl, certificate

_CHUNK = 1 << 20


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
    whole = hashlib.sha256("\n".join(sorted(f"{part.path} {part.sha256}" for part in parts)).encode()).hexdigest()
    said = f"{len(parts)} files" if not changed else f"changed since the run: {', '.join(changed)}"
    stages.append(StageControl("report", "files of the warehouse as published", said, whole, not changed))
    return certificate(view.engine.connection, view.context, view.period, stages, posted_minor=sum(balances.values()))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return "missing"
    return digest.hexdigest()
