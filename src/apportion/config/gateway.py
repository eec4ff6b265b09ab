"""The gateway: where it listens, whom it passes calls on to, and what a call must carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from apportion.addresses import Address
from apportion.config.written import DimensionName, Number, Text, Whole, Written, refusal
from apportion.known_providers import KNOWN, Auth, Known

_LISTEN: Final = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")
_KEY_FROM: Final = re.compile(r"[A-Z_][A-Z0-9_]*|file:/\S+")
_MOST_PORT: Final = 65535
_HEADER: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS: Final = ("x-apportion-", "proxy-", "sec-", "content-", "accept")
_OTHERS: Final = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "host", "connection", "transfer-encoding", "te",
     "trailer", "upgrade", "expect", "baggage", "keep-alive", "date", "signature", "digest", "cookie"}
)  # fmt: skip
# The first parts of paths of the gateway itself.
OWN_PATHS: Final = frozenset({"healthz", "readyz", "metrics", "v1"})


_AUTH: Final[Mapping[str, Auth]] = {
    "anthropic": "x-api-key",
    "gcp.gemini": "x-goog-api-key",
    "azure.ai.openai": "api-key",
    "azure.ai.inference": "api-key",
}


def _address(value: Any) -> Any:
    if isinstance(value, str):
        try:
            Address.of(value)
        except ValueError as error:
            raise refusal("bad-address", f"{error}.", "Write the provider's base address.") from None
    return value


def _key_from(value: Any) -> Any:
    if isinstance(value, str) and not _KEY_FROM.fullmatch(value):
        message = "This is neither the name of a variable of the environment nor `file:` with a path."
        cure = "Write `OPENAI_API_KEY` or `file:/run/secrets/openai`, never the key itself."
        raise refusal("bad-key-from", message, cure)
    return value


def _listen(value: Any) -> Any:
    if isinstance(value, str):
        found = _LISTEN.fullmatch(value)
        if not found or int(found["port"]) > _MOST_PORT:
            message = f"`{value}` is nothing that a server can listen on."
            raise refusal("bad-address", message, "Write `127.0.0.1:4141`.")
    return value


def _network(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        network = ip_network(value)
    except ValueError:
        message = f"`{value}` is no network."
        raise refusal("bad-address", message, f"Write {_network_meant(value)}.") from None
    if network.prefixlen == 0:
        message = f"`{value}` is every address there is: anybody could say who they are."
        raise refusal("bad-address", message, "Write the addresses of the proxy, such as `10.1.2.0/24`.")
    return str(network)


def _networks(value: Any) -> Any:
    if value in ([], ""):
        raise refusal("empty-value", "Nobody is trusted.", "Write the proxy's addresses, or leave `trust:` out.")
    return [value] if isinstance(value, str) else value


def _network_meant(value: str) -> str:
    try:
        return f"`{ip_network(value, strict=False)}`, or `{ip_address(value.partition('/')[0])}` for one address"
    except ValueError:
        return "`10.1.2.0/24`, or `10.1.2.3` for one address"


def _headers(value: Any) -> Any:
    """Names of headers in lower case; none is one that says something to HTTP, the gateway or the provider."""
    if not isinstance(value, dict):
        return value
    for name in value:
        shown = str(name).lower()
        if not _HEADER.fullmatch(shown) or shown in _OTHERS or shown.startswith(_OWN_HEADERS):
            message = f"`{name}` is no header that a proxy says with who calls."
            raise refusal("reserved-name", message, "Write the one that it sets, such as `x-forwarded-user`.")
    return {str(name).lower(): stands_for for name, stands_for in value.items()}


Url = Annotated[str, BeforeValidator(_address, json_schema_input_type=str)]
Listen = Annotated[str, BeforeValidator(_listen, json_schema_input_type=str)]
KeyFrom = Annotated[str, BeforeValidator(_key_from, json_schema_input_type=str)]
Names = Annotated[
    tuple[Text, ...],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]),
]
Network = Annotated[str, BeforeValidator(_network, json_schema_input_type=str)]
Inject = bool | Names
UpstreamName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=63)]


class Provider(Written):
    """A provider, or any server that speaks the dialect of one."""

    provider: Text | None = None
    """As OpenTelemetry's `gen_ai.provider.name` has it, such as `azure.ai.openai`; known for the providers that
    `docs/gateway.md` lists."""
    url: Url | None = None
    """Its base address; known for the same ones."""
    key_from: KeyFrom | None = None
    """Where the gateway's own key for it is, for callers with a key of the gateway: a variable of the environment, such
    as `OPENAI_API_KEY`, or `file:/run/secrets/openai`."""
    auth: Auth | None = None
    """How it is told who calls: `bearer`, the header of that name, or `none`; known for most."""
    region: Text | None = None
    """For `auth: sigv4`, the AWS region that requests are signed for, where the address names none."""
    inject: Inject | None = None
    """As for the gateway, for this provider."""


class GatewayTls(Written):
    """TLS at the address that callers use; each file in PEM, in the project or with its whole path."""

    certificate: Text
    """The gateway's certificate, and those between it and its authority behind it."""
    key: Text
    """Its key, without a password."""
    client_ca: Text | None = None
    """The authorities of callers' certificates; with it nobody comes in without one."""
    subject: DimensionName = "client"
    """The tag that the name in a caller's certificate becomes, or `user`."""


class GatewayTrust(Written):
    """A proxy in front that knows who calls, and says so in headers."""

    peers: Annotated[tuple[Network, ...], BeforeValidator(_networks, json_schema_input_type=str | list[str])] = Field(
        alias="from"
    )
    """Its addresses; from any other the headers are taken for nothing."""
    headers: Annotated[
        Mapping[Text, DimensionName], BeforeValidator(_headers, json_schema_input_type=dict[str, str])
    ] = Field(min_length=1)
    """What each header stands for: a tag, or `user`."""


class GatewayLimit(Written):
    """How much may be used, by whom, in which calendar period; one of `calls`, `tokens` and `money` says of what."""

    name: Text
    """For people; no two limits share one."""
    only: Mapping[Text, Text] = Field(default_factory=dict, alias="for")
    """What a call must carry to be counted, of dimensions, `key`, `provider`, `model` and `user`; or else all."""
    each: Names = ()
    """What tells counters apart, such as `customer`: one for each value."""
    per: Literal["minute", "hour", "day", "week", "month", "quarter", "year"]
    """The calendar period, in the project's `time_zone`."""
    calls: Annotated[Whole, Field(ge=0)] | None = None
    """At most so many calls."""
    tokens: Annotated[Number, Field(ge=0)] | None = None
    """At most so many tokens."""
    money: Annotated[Number, Field(ge=0)] | None = None
    """At most so much, in the project's currency: a metered estimate at list prices."""
    at_limit: Literal["warn", "throttle", "block"] = "block"
    """What happens to calls beyond it: they are marked, let through at a pace, or refused."""
    warn_at: Annotated[Whole, Field(ge=1, le=100)] = 80
    """At which percentage of it the log says so."""
    pace: Annotated[Whole, Field(ge=1)] = 10
    """Seconds between two calls that `throttle` lets through."""

    @property
    def unit(self) -> Literal["calls", "tokens", "money"]:
        """What is counted."""
        return "calls" if self.calls is not None else "tokens" if self.tokens is not None else "money"

    @property
    def most(self) -> int:
        """At most so many calls, tokens or nano-units of the currency."""
        if self.unit == "money":
            return int((self.money or Decimal(0)) * 10**9)
        return int(self.calls if self.calls is not None else self.tokens or 0)


class Gateway(Written):
    """The gateway that meters calls on their way to the providers."""

    listen: Listen = "127.0.0.1:4141"
    """The address and port that callers use."""
    providers: Mapping[UpstreamName, Provider] = Field(min_length=1)
    """By the first part of the path that leads to each: `openai` is reached under `/openai`."""
    callers: Literal["anyone", "keys"] = "anyone"
    """Who may call: `anyone`, with a key of the gateway or the provider's own, or only those with `keys` of the
    gateway."""
    receives: Literal["keys", "anyone", "nobody"] = "keys"
    """Who may send usage that others measured, such as OpenTelemetry: those with `keys` of the gateway, `anyone`, or
    `nobody`."""
    log: Text = "usage/gateway"
    """The folder of the usage log, in the project."""
    jobs: Text = "usage/jobs"
    """The folder of the records of jobs that are reported by HTTP, in the project."""
    requires: tuple[DimensionName, ...] = ()
    """Tags that each call should carry."""
    untagged: Literal["warn", "reject"] = "warn"
    """What happens to a call without them: it is marked, or refused."""
    log_full: Literal["pass", "refuse"] = "pass"
    """What happens to calls while the usage log cannot be written."""
    strict: bool = False
    """Whether the last byte of an answer waits until its record is on the disk, and not only in the file."""
    ask_usage: bool = True
    """Whether a stream of OpenAI's chat that would not tell its usage is made to, unseen by the caller."""
    limits: tuple[GatewayLimit, ...] = ()
    """How much may be used, by whom."""
    usd_rate: Annotated[Number, Field(gt=0)] | None = None
    """What one USD, in which list prices are, is in the project's currency: for limits of money, and nothing else."""
    workers: Annotated[Whole, Field(ge=1)] = 1
    """Processes that share the work; one for each core at most."""
    metrics: Listen | None = None
    """The address and port at which it is watched: `/metrics` for Prometheus, `/healthz` and `/readyz`."""
    logs: Literal["text", "json"] = "text"
    """How it tells of itself on stderr."""
    access_log: bool = False
    """Whether each call is told there, too."""
    tls: GatewayTls | None = None
    """TLS at the address that callers use."""
    trust: GatewayTrust | None = None
    """A proxy in front that knows who calls."""
    inject: Inject = False
    """The tags that are written into the provider's own field, so that its reports carry them: a list, or all."""

    def injects(self, name: str) -> tuple[str, ...]:
        """The tags that are written into a provider's own field; `*` for all of them."""
        own = self.providers[name].inject
        said = self.inject if own is None else own
        return (("*",) if said else ()) if isinstance(said, bool) else said

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return _host_and_port(self.listen)

    @property
    def watched_at(self) -> tuple[str, int] | None:
        """Host and port at which it is watched; None where it is not."""
        return None if self.metrics is None else _host_and_port(self.metrics)

    def resolved(self, name: str) -> Known:
        """A provider with what is known of it filled in."""
        written = self.providers[name]
        known = KNOWN.get(name, Known("", ""))
        provider = written.provider or known.provider
        auth = written.auth or _AUTH.get(provider, known.auth)
        return Known(provider, written.url or known.url, auth)


def _host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
