"""Which receiver reads what is sent to which path."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Final, cast

from apportion.gateway.receivers.receiver import Receiver

# The module and the function of each; a module is loaded when the first request for it comes.
PATHS: Final = {
    "/v1/traces": ("otlp", "traces"),
    "/v1/logs": ("otlp", "logs"),
    "/v1/metrics": ("otlp", "metrics"),
    "/v1/usage": ("rows", "receive"),
    "/v1/jobs": ("jobs", "receive"),
    "/v1/litellm": ("litellm", "receive"),
}


@lru_cache
def receiver(path: str) -> Receiver:
    """The receiver of a path.

    Raises:
        KeyError: None reads what is sent there.
    """
    module, function = PATHS[path]
    return cast("Receiver", getattr(import_module(f"apportion.gateway.receivers.{module}"), function))
