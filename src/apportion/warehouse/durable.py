"""Files that are whole under their name: what every writer of Parquet does last, here and on a worker."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_CHUNK = 1 << 20


def settle(partial: Path, path: Path) -> str:
    """Make a file durable, give it its name, and say its SHA-256."""
    digest = hashlib.sha256()
    with partial.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return digest.hexdigest()
