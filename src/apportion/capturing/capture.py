"""`apportion.capture()`: meter the calls of this process, whichever client makes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from apportion.capturing import taking
from apportion.capturing.clients import aiohttp_client, httpx_transport, standard_library, urllib3_connections
from apportion.capturing.clients.patches import Patches
from apportion.capturing.log_writer import LogWriter
from apportion.capturing.taking import Taking, server
from apportion.errors import writing

ENVIRONMENT: Final = "APPORTION_LOG"
_SETTINGS: Final = "apportion.yaml"
_PATCHES: Final = Patches(
    {
        "httpx2": httpx_transport.patches,
        "httpx": httpx_transport.patches,
        "aiohttp": aiohttp_client.patches,
        "http.client": standard_library.patches,
        "urllib3": urllib3_connections.patches,
    }
)


class Capture:
    """Calls to model APIs of this process being metered, from when it is made until it ends.

    Args:
        log: The folder of the usage log.
        tags: Of every call of the process; `apportion.tags` and a call's own headers go before them.
        servers: Further servers that speak the dialect of a provider: its name, as OpenTelemetry has it, by address.

    Raises:
        ApportionError: Nothing can be written into the folder.
        ValueError: An address is none.
    """

    def __init__(self, log: Path, tags: Mapping[str, Any], servers: Mapping[str, str]) -> None:
        listed = dict(server(url, provider) for url, provider in servers.items())
        with writing(f"the usage log in {log}"):
            writer = LogWriter(log)
        self.log = log
        self._writer = writer
        self._taking: Taking | None = Taking(writer, dict(tags), listed)
        _PATCHES.begin()
        taking.begin(self._taking)

    def close(self) -> None:
        """Meter no further calls, and seal the log; calls on their way still leave their records."""
        ended, self._taking = self._taking, None
        if ended is not None:
            taking.end(ended)
            _PATCHES.end()
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def capture(
    log: str | os.PathLike[str] | None = None,
    *,
    tags: Mapping[str, Any] | None = None,
    servers: Mapping[str, str] | None = None,
) -> Capture:
    """Meter the calls that this process makes to model APIs.

    Without `with` it is a switch that is on until the process ends. Of two that are on at once the one that began
    last takes the records: a call is never metered twice. Calls to a gateway of one's own are not touched, because
    they are metered there.

    Args:
        log: The folder of the usage log. Without it, `APPORTION_LOG` of the environment; without that, the folder
            that `gateway: log:` names in the project that the working directory lies in.
        tags: Of every call, such as `{"team": "search"}`.
        servers: Further servers that speak the dialect of a provider, such as
            `{"http://llm.internal:8000": "openai"}`.

    Raises:
        ApportionError: Nothing can be written into the folder.
        ValueError: Nobody says which folder, or an address is none.
    """
    return Capture(_folder(log), tags or {}, servers or {})


def _folder(log: str | os.PathLike[str] | None) -> Path:
    named = os.environ.get(ENVIRONMENT) if log is None else os.fspath(log)
    if named:
        return Path(named).absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / _SETTINGS).is_file():
            return folder / _of_project(folder)
    raise ValueError(
        f"apportion.capture: nobody says where the usage log is. Pass `log=`, set {ENVIRONMENT}, or start in a folder"
        f" with {_SETTINGS}; this one is {here}."
    )


def _of_project(folder: Path) -> str:
    from apportion.config.gateway import Gateway
    from apportion.config.load import load

    settings = load(folder).settings
    written = settings.gateway if settings is not None else None
    usual: str = Gateway.model_fields["log"].default
    return usual if written is None else written.log
