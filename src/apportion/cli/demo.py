"""Where the worked companies lie: inside the installed package, or beside a checkout's sources."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from apportion.errors import ApportionError


def example(name: str) -> Path:
    """The folder of a worked company.

    Raises:
        ApportionError: This installation has none.
    """
    packaged = Path(str(files("apportion"))) / "examples" / name
    checkout = Path(__file__).resolve().parents[3] / "examples" / name
    for folder in (packaged, checkout):
        if (folder / "apportion.yaml").is_file():
            return folder
    raise ApportionError("no-example", f"The worked company {name} is not part of this installation.")
