"""Where the worked companies lie: inside the installed package, or beside a checkout's sources."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from apportion.errors import ApportionError

PLACES = (Path(str(files("apportion"))) / "examples", Path(__file__).resolve().parents[3] / "examples")


def example(name: str) -> Path:
    """The folder of a worked company.

    Raises:
        ApportionError: This installation has none.
    """
    for place in PLACES:
        if (place / name / "apportion.yaml").is_file():
            return place / name
    raise ApportionError(
        "no-example",
        f"The worked company {name} is not part of this installation.",
        cure="Run it from a checkout with `make demo`, or install the whole package.",
    )
