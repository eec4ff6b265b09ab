"""What the control plane hands to the workers: a file that is replaced whole, and read again when it was."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from apportion.gateway.upstream import Terms, Upstream


@dataclass(frozen=True, slots=True)
class Plan:
    """How a gateway works.

    Attributes:
        log: The folder of the usage log.
        upstreams: Name, to provider and address.
        requires: See `Terms`.
        rejects: See `Terms`.
        refuse_when_full: See `Terms`.
        ask_usage: See `Terms`.
    """

    log: Path
    upstreams: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    rejects: bool = False
    refuse_when_full: bool = False
    ask_usage: bool = True

    def write(self, path: Path) -> None:
        """Put it in place of what stands there, in one step.

        Raises:
            OSError: It cannot be written.
        """
        said = asdict(self) | {"log": str(self.log)}
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(said, indent=1))
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan in a file.

        Raises:
            OSError: It cannot be read.
            ValueError: It is none.
        """
        said: Any = json.loads(path.read_bytes())
        try:
            upstreams = {name: (provider, url) for name, (provider, url) in said["upstreams"].items()}
            requires = tuple(said["requires"])
            return cls(**said | {"log": Path(said["log"]), "upstreams": upstreams, "requires": requires})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no plan of a gateway: {error}") from error

    def terms(self) -> Terms:
        """As a worker holds it.

        Raises:
            ValueError: An address is none.
        """
        upstreams = {name: Upstream.of(name, provider, url) for name, (provider, url) in self.upstreams.items()}
        secure = any(upstream.secure for upstream in upstreams.values())
        return Terms(
            upstreams=upstreams,
            pass_through=True,
            ask_usage=self.ask_usage,
            requires=self.requires,
            rejects=self.rejects,
            refuse_when_full=self.refuse_when_full,
            tls=ssl.create_default_context() if secure else None,
        )
