"""What is known of a call while it is on its way, and the record that is left of each attempt to make it."""

from __future__ import annotations

import itertools
import os
import secrets
from dataclasses import dataclass, field
from typing import Final

from apportion.gateway import asking
from apportion.gateway.admission import Who
from apportion.gateway.asking import Asking
from apportion.gateway.heads import Head
from apportion.gateway.limits import Hold
from apportion.gateway.meters.format import Asked, text
from apportion.gateway.records import Attempt
from apportion.gateway.refusals import Style
from apportion.gateway.routes import FREE, Route
from apportion.gateway.tags import Tags
from apportion.gateway.upstream import Upstream

# Where providers say by which id they know a request, beside the id of its answer (their references, read 2026-11-27).
_REQUEST_IDS: Final = ("request-id", "x-request-id", "x-amzn-requestid")
# A start of the gateway has a name that no other has; the records of each of its processes are numbered.
_START: Final = secrets.token_hex(8)
_NUMBERS: Final = itertools.count(1)


@dataclass(slots=True)
class Call:
    """A call.

    Attributes:
        head: Of its request.
        called_at: When it began, in seconds of the epoch.
        began: The same by the worker's clock.
        upstream: Where it goes; None where no upstream is meant.
        rest: Its path behind the upstream's name.
        route: What it asks for.
        who: Who calls.
        tags: Whom and what it is for.
        vouched_user: The user, as whoever is trusted to say so has it.
        missing: Tags that it should carry and does not.
        asking: What its body says.
        status: Of the answer; None while there is none.
        first_byte: When the answer began, by the worker's clock.
        request_id: By which the provider knows it, beside the id of its answer.
        hold: What it has reserved of budgets; None where it has nothing.
        over: Limits that it is beyond and that only warn.
        looked_into: Whether its whole body was read before it went on.
    """

    head: Head
    called_at: float
    began: float
    upstream: Upstream | None = None
    rest: str = ""
    route: Route = field(default_factory=lambda: Route(FREE))
    who: Who = field(default_factory=lambda: Who(None, "none"))
    tags: Tags = field(default_factory=Tags)
    vouched_user: str | None = None
    missing: tuple[str, ...] = ()
    asking: Asking = field(default_factory=lambda: Asking(b""))
    status: int | None = None
    first_byte: float | None = None
    request_id: str | None = None
    hold: Hold | None = None
    over: tuple[str, ...] = ()
    looked_into: bool = False

    @property
    def signed(self) -> bool:
        """Whether the gateway signs it, which takes its whole body."""
        return self.upstream is not None and self.upstream.auth == "sigv4"

    @property
    def to(self) -> Upstream:
        """Where it goes; a call that goes nowhere was refused."""
        assert self.upstream is not None  # noqa: S101 - as the line above says
        return self.upstream

    @property
    def readable(self) -> bool:
        """Whether its body may say what it asks for."""
        return self.route.operation.bills and self.head.may_be_json

    def look_into(self, body: bytes, *, ask_usage: bool) -> None:
        """Take its whole body.

        Args:
            body: As it came.
            ask_usage: Whether a stream may be made to tell its usage.
        """
        self.looked_into = True
        if self.readable:
            self.asking = asking.read(self.route, body, self.tags, ask_usage=ask_usage)
        else:
            self.asking = Asking(body)

    @property
    def in_chunks(self) -> bool:
        """Whether its body goes on in chunks, because its length is not known when it begins to."""
        return self.head.has_body and self.head.length is None and not self.looked_into

    def framed(self, data: bytes) -> bytes:
        """A piece of its body as it goes on."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self.in_chunks else data

    @property
    def user(self) -> str | None:
        """Who stands behind the call."""
        return self.vouched_user or self.asking.user_id

    @property
    def style(self) -> Style:
        """In whose form of error the caller is answered."""
        provider = self.upstream.provider if self.upstream else ""
        if provider.startswith("gcp."):
            return "google"
        if provider == "aws.bedrock":
            return "bedrock"
        return "anthropic" if provider == "anthropic" else "openai"

    def answered(self, headers: dict[str, str], status: int, at: float) -> Asked:
        """Take the head of its answer, and say what a meter has to know.

        Args:
            headers: Of the answer, in lower case.
            status: Of the answer.
            at: When it came, by the worker's clock.
        """
        self.status, self.first_byte = status, at
        self.request_id = next((found for name in _REQUEST_IDS if (found := text(headers.get(name)))), None)
        return self.asked(headers, status)

    def asked(self, headers: dict[str, str], status: int) -> Asked:
        """What a meter has to know of it.

        Args:
            headers: Of the answer, in lower case.
            status: Of the answer.
        """
        provider = self.upstream.provider if self.upstream else ""
        asking = self.asking
        model = asking.model or self.route.model
        return Asked(provider, model, asking.input_tokens, asking.characters, headers, status)

    def attempt(self, outcome: str, now: float) -> Attempt:
        """The attempt that ends now."""
        operation = self.route.operation
        return Attempt(
            record_id=f"gw_{_START}{os.getpid():x}-{next(_NUMBERS):x}",
            called_at=self.called_at,
            upstream=self.to.name,
            provider=self.to.provider,
            operation=operation.name,
            request_model=self.asking.model or self.route.model,
            deployment=self.route.deployment,
            project=self.route.project,
            region=self.route.region,
            key_id=self.who.key_id,
            user_id=self.user,
            tags=self.tags.values,
            tags_dropped=self.tags.dropped,
            missing_tags=self.missing,
            over_limits=self.over,
            batch=operation.batch,
            bills=operation.bills,
            status=self.status,
            outcome=outcome,
            milliseconds=round((now - self.began) * 1000),
            request_id=self.request_id,
            first_byte_ms=None if self.first_byte is None else round((self.first_byte - self.began) * 1000),
        )
