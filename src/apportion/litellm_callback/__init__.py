"""A callback for LiteLLM: every call that it makes is told to the gateway, or written into a folder of usage.

    litellm_settings:
      callbacks: [apportion.litellm_callback.callback]

`APPORTION_URL` and `APPORTION_KEY` say where the gateway is and how it knows the sender; or `APPORTION_LOG` names a
folder. Unlike LiteLLM's generic API callback it keeps what cannot be sent and sends it again, takes out every text
before anything leaves the process, and tells the provider's own id and model of an answer, which LiteLLM replaces.

The package needs the standard library and LiteLLM alone, so that `pip install --no-deps apportion` is enough beside
LiteLLM; it loads the rest of apportion only to write into a folder, and that needs orjson, which LiteLLM has.

Source: LiteLLM 1.108.7 (`custom_logger.py`, `litellm_logging.py`), read 2026-11-27.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apportion.litellm_callback.outbox import Outbox
from apportion.litellm_callback.telling import answered, told
from apportion.litellm_callback.ways import FolderWay, GatewayWay, Way

_LOG = logging.getLogger("apportion.litellm")
# What LiteLLM asks of a callback; where LiteLLM is not, the callback can still be looked at.
try:
    _LOGGER: Any = importlib.import_module("litellm.integrations.custom_logger").CustomLogger
except ImportError:
    _LOGGER = object


class Callback(_LOGGER):  # type: ignore[misc]
    """What LiteLLM calls when a call has ended; it never waits and never fails.

    Args:
        environment: Where `APPORTION_URL`, `APPORTION_KEY` and `APPORTION_LOG` stand.

    Raises:
        ValueError: They say nothing that can be used.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self._environment = environment
        self._lock = threading.Lock()
        # Told at the start of LiteLLM, and not with the first call that would be lost.
        self._outboxes = {os.getpid(): _outbox(environment)}

    @property
    def outbox(self) -> Outbox:
        """Of this process: a worker that was forked makes its own."""
        process = os.getpid()
        with self._lock:
            if process not in self._outboxes:
                self._outboxes[process] = _outbox(self._environment)
            return self._outboxes[process]

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ARG002 - LiteLLM's names
        """A call has succeeded, in a program that does not use asyncio."""
        self._tell(kwargs, response_obj)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ARG002 - as above
        """A call has succeeded."""
        self._tell(kwargs, response_obj)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ARG002 - as above
        """A call has failed, in a program that does not use asyncio."""
        self._tell(kwargs, response_obj)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ARG002 - as above
        """A call has failed."""
        self._tell(kwargs, response_obj)

    def _tell(self, kwargs: Mapping[str, Any], response: Any) -> None:
        try:
            payload = kwargs.get("standard_logging_object")
            if isinstance(payload, Mapping):
                self.outbox.put({**told(payload), "apportion": answered(kwargs, response)})
            else:
                _LOG.error("LiteLLM made no payload of a call of %s; its usage is not known", kwargs.get("model"))
        except Exception:  # noqa: BLE001 - the call itself has ended well, whatever becomes of its usage
            _LOG.exception("the usage of a call could not be told")


def _outbox(environment: Mapping[str, str]) -> Outbox:
    made = Outbox(_way_of(environment))
    atexit.register(made.close)
    return made


def _way_of(environment: Mapping[str, str]) -> Way:
    """Where the environment says that payloads go."""
    if folder := environment.get("APPORTION_LOG"):
        return FolderWay(Path(folder))
    if url := environment.get("APPORTION_URL"):
        return GatewayWay(url, environment.get("APPORTION_KEY", ""))
    message = "apportion has nowhere to tell usage: set APPORTION_URL and APPORTION_KEY to a gateway, or APPORTION_LOG"
    raise ValueError(message)


def __getattr__(name: str) -> Any:
    """`callback`, made when LiteLLM asks for it, and not for everybody who loads the package."""
    if name != "callback":
        raise AttributeError(name)
    made = globals()["callback"] = Callback()
    return made
