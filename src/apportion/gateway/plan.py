"""What the control plane hands to the workers: a file that is replaced whole, and read again when it was."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from apportion.gateway.certificates import Files
from apportion.gateway.keys import KeyTable, from_rows, to_rows
from apportion.gateway.limits import Budget, from_said, to_said
from apportion.gateway.telling import Form
from apportion.gateway.trust import Trust
from apportion.gateway.upstream import Auth, Receives, Terms, Upstream

_FILE: Final = "file:"


class Provided(NamedTuple):
    """A provider, as the settings have it.

    Attributes:
        provider: As OpenTelemetry names it.
        url: Of its API.
        auth: How it is told who calls.
        key_from: Where the gateway's own key for it is: a variable of the environment, or `file:` and a path.
        stamp: Changes when the file does.
        inject: See `Upstream`.
        region: For which requests are signed, where the address names none.
    """

    provider: str
    url: str
    auth: Auth = "bearer"
    key_from: str | None = None
    stamp: int = 0
    inject: tuple[str, ...] = ()
    region: str | None = None

    def secret(self) -> str | None:
        """The gateway's own key; None where there is none, or none to be found."""
        if self.key_from is None:
            return None
        if not self.key_from.startswith(_FILE):
            return os.environ.get(self.key_from) or None
        try:
            return Path(self.key_from.removeprefix(_FILE)).read_text().strip() or None
        except (OSError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a gateway works, and for whom.

    Attributes:
        log: The folder of the usage log.
        jobs: The folder of the records of jobs.
        upstreams: By name.
        keys: Of the gateway.
        callers_own_keys: Whether callers may bring the provider's own key.
        receives: See `Terms`.
        requires: See `Terms`.
        rejects: See `Terms`.
        refuse_when_full: See `Terms`.
        strict: See `Terms`.
        ask_usage: See `Terms`.
        counters: The folder of the counters of limits.
        budget: The limits.
        tls: Where TLS of the gateway's own address finds what it needs; None where there is none.
        trust: See `Terms`.
        logs: How it tells of itself.
        access_log: See `Terms`.
    """

    log: Path
    jobs: Path = Path()
    upstreams: Mapping[str, Provided] = field(default_factory=dict)
    keys: KeyTable = field(default_factory=KeyTable)
    callers_own_keys: bool = True
    receives: Receives = "keys"
    requires: tuple[str, ...] = ()
    rejects: bool = False
    refuse_when_full: bool = False
    strict: bool = False
    ask_usage: bool = True
    counters: Path = Path()
    budget: Budget = field(default_factory=Budget)
    tls: Files | None = None
    trust: Trust | None = None
    logs: Form = "text"
    access_log: bool = False

    def write(self, path: Path) -> None:
        """Put it in place of what stands there, in one step.

        Raises:
            OSError: It cannot be written.
        """
        upstreams = {name: each._asdict() for name, each in self.upstreams.items()}
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        said |= {"log": str(self.log), "upstreams": upstreams, "keys": to_rows(self.keys)}
        said |= {"counters": str(self.counters), "jobs": str(self.jobs), "budget": to_said(self.budget)}
        said |= {"trust": self.trust and self.trust.said(), "tls": self.tls and self.tls._asdict()}
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.touch(0o600)
        beside.write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan in a file.

        Raises:
            OSError: It cannot be read.
            ValueError: It is none.
        """
        said: Any = orjson.loads(path.read_bytes())
        try:
            upstreams = {
                name: Provided(**each | {"inject": tuple(each["inject"])}) for name, each in said["upstreams"].items()
            }
            made = {"log": Path(said["log"]), "upstreams": upstreams, "keys": from_rows(said["keys"])}
            made |= {
                "counters": Path(said["counters"]),
                "jobs": Path(said["jobs"]),
                "budget": from_said(said["budget"]),
            }
            made |= {"trust": said["trust"] and Trust.of(said["trust"]), "tls": said["tls"] and Files.of(said["tls"])}
            return cls(**said | made | {"requires": tuple(said["requires"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no plan of a gateway: {error}") from error

    def terms(self) -> Terms:
        """As a worker holds it; the gateway's own keys for the providers are read now.

        Raises:
            ValueError: An address is none.
        """
        upstreams = {
            name: Upstream.of(name, each.provider, each.url, each.auth, each.secret(), each.inject, each.region)
            for name, each in self.upstreams.items()
        }
        secure = any(upstream.secure for upstream in upstreams.values())
        return Terms(
            upstreams=upstreams,
            pass_through=self.callers_own_keys,
            ask_usage=self.ask_usage,
            receives=self.receives,
            requires=self.requires,
            rejects=self.rejects,
            refuse_when_full=self.refuse_when_full,
            strict=self.strict,
            tls=ssl.create_default_context() if secure else None,
            trust=self.trust,
            access_log=self.access_log,
        )
