"""What goes wrong on the machines of a cluster, in our own words; Spark has it as the text of a traceback."""

from __future__ import annotations

import re

from apportion.errors import ApportionError

# What Python says, and what PySpark itself says of pyarrow (4.3.0, read 2026-11-26).
_LACKS = re.compile(r"No module named '(?P<one>\w+)'|(?P<two>\w+) >= [\w.]+ must be installed")
_STORE = re.compile(r"obstore\.exceptions\.\w+: (?P<reason>.*)")


def told(text: str) -> ApportionError | None:
    """The error that a worker's words stand for; None if they are of another kind.

    Args:
        text: What Spark says of a failed task.
    """
    if "No space left" in text:
        return ApportionError(
            "disk-full",
            "The disk of a worker is full.",
            cure="Free some space, then run again; the last good run is still current.",
            retry=True,
        )
    if lacks := _LACKS.search(text):
        return ApportionError(
            "worker-incomplete",
            f"A worker of the cluster has no {lacks['one'] or lacks['two']}.",
            cure="Install pyarrow, and obstore for an object store, for the Python of the workers: PYSPARK_PYTHON.",
        )
    if store := _STORE.search(text):
        return ApportionError(
            "store-unreachable",
            f"A worker of the cluster cannot use the object store: {store['reason'].strip()}",
            cure="Give the workers AWS_..., GOOGLE_... or AZURE_... in their environment, or a role.",
        )
    return None
