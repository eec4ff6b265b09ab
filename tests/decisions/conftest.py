"""A company per test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.decisions.company import Company

Make = Callable[..., Company]


@pytest.fixture
def company(tmp_path: Path) -> Make:
    """Makes companies, each in a folder of its own: settings, charges, calls, files, currency."""
    made = 0

    def make(*given: object, **named: object) -> Company:
        nonlocal made
        made += 1
        return Company(tmp_path / str(made), *given, **named)  # type: ignore[arg-type]

    return make
