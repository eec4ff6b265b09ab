"""Each slug of the product and a case that reproduces it, through the command that shows it."""

from __future__ import annotations

from tests.errors.case import Case
from tests.errors.data_cases import DATA
from tests.errors.file_cases import FILES
from tests.errors.money_cases import MONEY
from tests.errors.world_cases import WORLD
from tests.unit.config.faults import FAULTS, parts


def _settings() -> dict[str, Case]:
    """The faults of `apportion.yaml` alone: the first of each slug, at its marked place."""
    found: dict[str, Case] = {}
    for slug, _, marked in FAULTS:
        text, line, column = parts(marked)
        warning = slug == "unreachable-evidence"
        case = Case(
            {"apportion.yaml": text}, f"apportion.yaml:{line}:{column}", code=0 if warning else 3, warning=warning
        )
        found.setdefault(slug, case)
    return found


CASES: dict[str, Case] = {**_settings(), **FILES, **DATA, **MONEY, **WORLD}
