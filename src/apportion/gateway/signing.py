"""Signatures of Amazon Web Services, version 4, with the gateway's own credentials.

Sources: botocore's auth.py and credentials.py, and the user guide of AWS Identity and Access Management on Signature
Version 4, read 2026-11-27. A signature stands for the method, the path, the query, some headers and the body. The path
is encoded once more than it is sent, so that the `%3A` of a model's id is signed as `%253A`. A key is good for a day, a
region and a service, and is kept for as long.

Credentials are found by botocore's own chain: environment, files, web identity, a container's or a machine's role. All
of it may read files or ask a network, so it runs in a thread, and again before what it found is too old; a call takes
what is there.
"""

from __future__ import annotations

import importlib
import logging
import re
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import quote

from apportion.gateway.heads import Header
from apportion.gateway.telling import tell

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
# What may change on the way; botocore signs none of it either.
_UNSIGNED: Final = frozenset(
    {b"baggage", b"connection", b"expect", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te",
     b"traceparent", b"tracestate", b"trailer", b"transfer-encoding", b"upgrade", b"user-agent", b"x-amzn-trace-id",
     b"authorization"}
)  # fmt: skip
_OWN_PREFIX: Final = b"x-amz-"
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+){1,2}-\d+")
_MANTLE: Final = "bedrock-mantle"
# Botocore renews what expires within a quarter of an hour; what does not expire is looked up again, as it may have been
# replaced.
_LOOK_AGAIN_SECONDS: Final = 60.0
_TRY_AGAIN_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 20.0
_NONE: Final = "the gateway has no AWS credentials"


class Credentials(NamedTuple):
    """Of an account of AWS.

    Attributes:
        access_key: Its public part.
        secret_key: Its secret part.
        session: What goes with those that expire; None for those that do not.
    """

    access_key: str
    secret_key: str
    session: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key[:4]}…)"


class NoCredentialsError(Exception):
    """There are none; its text says so to a caller and names no secret."""


class Source(Protocol):
    """Where credentials come from."""

    def look(self) -> Credentials:
        """Find them; this may take seconds.

        Raises:
            NoCredentialsError: There are none.
        """


class AwsChain:
    """Botocore's chain.

    Args:
        profile: Of the files that the AWS tools share; None for the usual one.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._profile = profile
        self._found: Any = None
        self._last: Credentials | None = None

    def look(self) -> Credentials:
        """Find credentials, or renew those that expire.

        Raises:
            NoCredentialsError: There are none.
        """
        try:
            found = self._look()
        except ImportError:
            raise NoCredentialsError(f"{_NONE}: it needs `pip install 'apportion[bedrock]'` to find any") from None
        except Exception as error:
            # The chain ends in networks, files and commands of others, which may raise whatever they like.
            if self._last is not None and self._expires and not self._found.refresh_needed(0):
                message = f"AWS credentials cannot be renewed and will expire soon: {_kind(error)}"
                tell("credentials", message, level=logging.WARNING)
                return self._last
            self._found = None
            raise NoCredentialsError(f"{_NONE}: looking for them failed with {_kind(error)}") from error
        if found is None:
            how = "give it a role, a profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise NoCredentialsError(f"{_NONE}; {how}")
        self._last = Credentials(found.access_key, found.secret_key, found.token or None)
        return self._last

    @property
    def _expires(self) -> bool:
        return hasattr(self._found, "refresh_needed")

    def _look(self) -> Any:
        if not self._expires:
            session = importlib.import_module("botocore.session")
            # It would tell in full why something failed, and quote what a command of the user wrote.
            logging.getLogger("botocore").setLevel(logging.CRITICAL)
            self._found = session.Session(profile=self._profile).get_credentials()
        return None if self._found is None else self._found.get_frozen_credentials()


def _kind(error: Exception) -> str:
    """What sort of error: its text may quote what a command of the user wrote, and that may be a secret."""
    said = getattr(error, "response", None)
    code = said.get("Error", {}).get("Code", "") if isinstance(said, dict) else ""
    return f"{type(error).__name__} {code}".rstrip()


class Endpoint(NamedTuple):
    """What a signature for a host is good for.

    Attributes:
        region: Where it is.
        service: As signatures name it.
    """

    region: str
    service: str = "bedrock"


def endpoint(host: str, region: str | None = None) -> Endpoint | None:
    """What a host of Bedrock is signed for; None where no region is told.

    Args:
        host: Such as `bedrock-runtime.eu-central-1.amazonaws.com`, also of a private link.
        region: As the settings have it, which counts more than the host.
    """
    labels = host.lower().rstrip(".").split(".")
    found = region or next((label for label in labels if _REGION.fullmatch(label)), None)
    service = _MANTLE if any(label.removesuffix("-fips") == _MANTLE for label in labels) else "bedrock"
    return None if found is None else Endpoint(found, service)


def is_callers(name: bytes) -> bool:
    """Whether a header is of a caller's own signature, which ours takes the place of.

    Args:
        name: In lower case.
    """
    return name == b"authorization" or name.startswith(_OWN_PREFIX)


def worth_signing(headers: Iterable[Header]) -> list[Header]:
    """The headers that a signature stands for: what AWS reads, and nothing that a proxy behind the gateway may change.

    Args:
        headers: As they will be sent.
    """
    return [
        (name, value)
        for name, value in headers
        if (key := name.lower()) == b"content-type" or key.startswith((_OWN_PREFIX, b"x-amzn-bedrock-"))
    ]


class Signer:
    """Signs requests to one service in one region, with credentials that are at hand.

    Args:
        region: Such as `eu-central-1`.
        service: As signatures name it.
        source: Where credentials come from; botocore's chain unless said otherwise.
        loop: In which calls are told that credentials are there.
    """

    def __init__(
        self,
        region: str,
        service: str = "bedrock",
        *,
        loop: AbstractEventLoop,
        source: Source | None = None,
    ) -> None:
        self._scope = f"{region}/{service}/aws4_request"
        self._region = region
        self._service = service
        self._source = source or AwsChain()
        self._loop = loop
        self._credentials: Credentials | None = None
        self._why = ""
        self._looking = False
        self._looked_at = 0.0
        self._waiting: list[Callable[[str], None]] = []

    # --- credentials

    def ready(self, then: Callable[[str], None]) -> None:
        """Say whether there are credentials: at once where that is known, else when they have been looked for.

        Args:
            then: Called once in the loop, with why there are none; empty where `sign` will do.
        """
        if self._credentials is not None and not self._why:
            then("")
        elif self._why and not self._looking and self._loop.time() - self._looked_at < _TRY_AGAIN_SECONDS:
            then(self._why)
        else:
            self._waiting.append(then)
            self._look()

    def forget(self, then: Callable[[str], None]) -> None:
        """Tell `then` nothing any more."""
        if then in self._waiting:
            self._waiting.remove(then)

    def tick(self) -> None:
        """Renew credentials when it is time; called every second or so."""
        past = self._loop.time() - self._looked_at
        if self._looking and self._waiting and past > _PATIENCE_SECONDS:
            self._tell(f"{_NONE}: looking for them takes longer than {_PATIENCE_SECONDS:.0f} seconds")
        elif self._credentials is not None and past > _LOOK_AGAIN_SECONDS:
            self._look()

    def _look(self) -> None:
        if self._looking:
            return
        self._looking = True
        self._looked_at = self._loop.time()
        threading.Thread(target=self._search, name="credentials", daemon=True).start()

    def _search(self) -> None:
        """Run in a thread of its own."""
        found: Credentials | None = None
        try:
            found, why = self._source.look(), ""
        except NoCredentialsError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it was
            why = f"{_NONE}: looking for them failed with {_kind(error)}"
        try:
            self._loop.call_soon_threadsafe(self._found, found, why)
        except RuntimeError:
            # The gateway has ended meanwhile, and nobody waits.
            return

    def _found(self, found: Credentials | None, why: str) -> None:
        self._looking = False
        self._looked_at = self._loop.time()
        if found is not None:
            self._credentials = found
        elif self._credentials is not None:
            # Calls that were let through before this are signed with what there was; AWS judges them.
            message = f"AWS credentials cannot be renewed, calls to Bedrock are refused: {why}"
            tell("credentials", message, level=logging.ERROR)
        self._why = why
        self._tell(why)

    def _tell(self, why: str) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(why)

    # --- signatures

    def sign(self, method: str, host: bytes, target: bytes, headers: Iterable[Header], body: bytes,
             now: float) -> list[Header]:  # fmt: skip
        """The headers that make a request a signed one.

        Args:
            method: Of HTTP.
            host: As the `host` header names it.
            target: Path and query, as they will be sent.
            headers: That are signed beside the host; see `worth_signing`.
            body: All of it.
            now: In seconds of the epoch.

        Raises:
            NoCredentialsError: There are none; `ready` was not asked.
        """
        found = self._credentials
        if found is None:
            raise NoCredentialsError(self._why or _NONE)
        at = _timestamp(int(now))
        own = [(b"X-Amz-Date", at.encode())]
        if found.session:
            own.append((b"X-Amz-Security-Token", found.session.encode()))
        names, lines = _canonical(host, [*headers, *own])
        path, _, query = target.decode("latin-1").partition("?")
        request = (
            f"{method.upper()}\n{_twice(path or '/')}\n{_sorted(query)}\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        )
        scope = f"{at[:8]}/{self._scope}"
        said = f"{_ALGORITHM}\n{at}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        key = _key(found.secret_key, at[:8], self._region, self._service)
        signature = digest(key, said.encode(), "sha256").hex()
        proof = f"{_ALGORITHM} Credential={found.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return [*own, (b"Authorization", proof.encode())]


def _canonical(host: bytes, headers: list[Header]) -> tuple[str, str]:
    """The names of the signed headers, and a line for each, in order; those of the same name are one."""
    known: dict[str, list[str]] = {"host": [_trimmed(host)]}
    for name, value in headers:
        key = name.lower()
        if key not in _UNSIGNED and key != b"host":
            known.setdefault(key.decode("latin-1"), []).append(_trimmed(value))
    names = sorted(known)
    return ";".join(names), "".join(f"{name}:{','.join(known[name])}\n" for name in names)


def _trimmed(value: bytes) -> str:
    return " ".join(value.decode("latin-1").split())


def _twice(path: str) -> str:
    """A path that is encoded as it will be sent, encoded once more."""
    return quote(path, safe="/~")


def _sorted(query: str) -> str:
    if not query:
        return ""
    pairs = sorted(part.partition("=")[::2] for part in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=4)
def _timestamp(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


@lru_cache(maxsize=16)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    return key
