"""Dimensions: lenses on the same cents, each with its ordered evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from apportion.config.written import Dated, Text, When, Written
from apportion.focus import TABLES

BUILT_IN = ("provider", "model", "model_family", "model_tier")
EVIDENCE_KINDS = ("tag", "column", "virtual_tag", "lookup", "value", "default")
# Columns that stand beside one column for each dimension, in a result or on the way to it.
_BESIDE = """
" account_key amortized any_rule assigned_to billed_nano cache_read_tokens cache_write_1h_tokens cache_write_5m_tokens
cache_write_other_tokens calls capacity_micro category category_reason charge_id context_bracket cost_nano currency day
day_end day_from day_to effective_nano effective_residue estimated_calls estimated_tokens extra gpu gross invoice_key
is_gpu item kind last_active_at layer list_cost_picos match_no meter method missing_calls model_key named_rule nano
operation output_tokens own_layer own_owner own_owner_layer owner period person pool_id pool_layer pool_owner price
price_id price_micro price_reason price_state processing provider_key provider_split quantity_micro raw_api_key_id
raw_deployment raw_inference_profile raw_project raw_user_id raw_workspace reasoning_tokens region reservation_micro
role roster rule scope scope_reason seat_id seats service_tier side source source_file source_row speed split_already
term_to tokens tool tool_prompt_tokens total training turn uncached_input_tokens used valid_from valid_to values weight
window_from window_no window_to written_kind
"""
_STARTS = ("tag_", "raw_")
_ENDS = ("_via", "_nano", "_micro", "_picos", "_minor", "_units")
RESERVED = frozenset({*_BESIDE.split(), *TABLES["charges"].names})


def is_reserved(name: str) -> bool:
    """Whether a name belongs to the product's own tables: a column, a dimension's layer, or evidence as received."""
    return name in RESERVED or name.endswith(_ENDS) or name.startswith(_STARTS)


# Canonical provider names follow OpenTelemetry GenAI (read 2026-11-23).
_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "bedrock": "aws.bedrock",
    "vertex": "gcp.vertex_ai",
    "azure": "azure.ai.openai",
}
_LABELS = ("label.", "labels.", "tag.", "tags.")

Layer = Literal["direct", "rule"]


@dataclass(frozen=True)
class Reads:
    """What a way to find a value reads of a call or charge.

    Attributes:
        tags: Keys of tags.
        columns: Columns, or else dimensions.
    """

    tags: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()


class Evidence(Dated):
    """One way to find a dimension's value; dates are those of the call or charge."""

    mapping: Mapping[Text, Text] = Field(default_factory=dict, alias="map")
    """Values that are renamed: `as received: as shown`."""

    @property
    def reads(self) -> Reads:
        """What it reads."""
        return Reads()


class TagEvidence(Evidence):
    """A tag of the call or of the charge."""

    tag: Text
    """The tag's key."""
    also: tuple[Text, ...] = ()
    """Further keys that mean the same, tried in order."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key, in the order in which they are tried."""
        return (self.tag, *self.also)

    @property
    def reads(self) -> Reads:
        """Its tags."""
        return Reads(tags=frozenset(self.keys))


class ColumnEvidence(Evidence):
    """A column of the call or of the charge."""

    column: Text
    """The column, in snake case."""

    @property
    def reads(self) -> Reads:
        """Its column."""
        return Reads(columns=frozenset({self.column}))


class VirtualTag(Written):
    """Each provider's own field for the same thing."""

    openai: Text | None = None
    """OpenAI's field, such as `project`."""
    anthropic: Text | None = None
    """Anthropic's field, such as `workspace`."""
    bedrock: Text | None = None
    """Amazon Bedrock's field, such as `inference_profile`."""
    vertex: Text | None = None
    """Google Vertex AI's field, such as `label.team`."""
    azure: Text | None = None
    """Azure OpenAI's field, such as `deployment`."""


@dataclass(frozen=True)
class ProviderField:
    """Where one provider carries the value of a virtual tag.

    Attributes:
        provider: Canonical name.
        column: A usage column, or None if it is a label.
        tags: Tag keys that the label may come as, tried in order; empty for a column.
    """

    provider: str
    column: str | None
    tags: tuple[str, ...]


class VirtualTagEvidence(Evidence):
    """One name over each provider's own field."""

    virtual_tag: VirtualTag
    """The field of each provider."""

    @property
    def fields(self) -> tuple[ProviderField, ...]:
        """The field of every provider that has one, by canonical provider name."""
        found = []
        for key, provider in _PROVIDERS.items():
            written: str | None = getattr(self.virtual_tag, key)
            if written is None:
                continue
            label = next((written.removeprefix(p) for p in _LABELS if written.startswith(p)), None)
            tags = (written, label) if label and written.startswith("label") else (label,) if label else ()
            found.append(ProviderField(provider, None if label else written, tags))
        return tuple(found)

    @property
    def reads(self) -> Reads:
        """The fields of every provider."""
        tags = frozenset(tag for field in self.fields for tag in field.tags)
        return Reads(tags, frozenset(field.column for field in self.fields if field.column))


class Lookup(Written):
    """Which directory file translates which key."""

    key: Text
    """The column whose value is looked up, or else a dimension."""
    in_: Text = Field(alias="in")
    """The directory: a lookup or a roster."""
    take: Text
    """The column of the directory that holds the answer."""
    on: Text | None = None
    """The column of the directory that holds the key, if it goes by another name."""


class LookupEvidence(Evidence):
    """A directory, read as of the date of the call or charge."""

    lookup: Lookup
    """What is looked up where."""

    @property
    def reads(self) -> Reads:
        """The key."""
        return Reads(columns=frozenset({self.lookup.key}))


class ApprovedJoin(LookupEvidence):
    """A directory that a person approved to be asked; nobody writes it into the settings."""

    but: tuple[Text, ...] = ()
    """Keys that it is not asked for."""


class ApprovedKeys(Evidence):
    """Values of some columns or dimensions that a person approved to mean an owner; nobody writes it."""

    approved: tuple[Text, ...]
    """The columns or dimensions."""
    take: Text
    """The owner dimension."""
    split: bool = False
    """Whether their cost is divided."""

    @property
    def reads(self) -> Reads:
        """The columns or dimensions."""
        return Reads(columns=frozenset(self.approved))

    @staticmethod
    def directory(*, split: bool) -> str:
        """The directory that holds them; no directory of a user can have such a name."""
        return "(approved splits)" if split else "(approved)"


class ValueEvidence(Evidence):
    """A written value where a condition holds."""

    value: Text
    """The value."""
    when: When
    """Which calls or charges."""

    @property
    def reads(self) -> Reads:
        """What the condition names."""
        names = self.when.names
        tags = frozenset(name.key for name in names if name.kind == "tag")
        return Reads(tags, frozenset(name.key for name in names if name.kind == "field"))


class DefaultEvidence(Evidence):
    """The value where nothing else is known; counted apart."""

    default: Text
    """The value."""


def _kind(value: Any) -> str | None:
    if isinstance(value, Evidence):
        return next(f"<{kind}>" for kind in EVIDENCE_KINDS if hasattr(value, kind))
    if isinstance(value, dict):
        return next((f"<{kind}>" for kind in EVIDENCE_KINDS if kind in value), None)
    return None


# The tags stand in angle brackets, so that no step of an error's place can be taken for a key.
AnyEvidence = Annotated[
    Annotated[TagEvidence, Tag("<tag>")]
    | Annotated[ColumnEvidence, Tag("<column>")]
    | Annotated[VirtualTagEvidence, Tag("<virtual_tag>")]
    | Annotated[LookupEvidence, Tag("<lookup>")]
    | Annotated[ValueEvidence, Tag("<value>")]
    | Annotated[DefaultEvidence, Tag("<default>")],
    Discriminator(_kind),
]


# What a dimension can have: what is written, and what was approved.
OwnEvidence = AnyEvidence | ApprovedKeys


class DimensionSetting(Written):
    """A dimension as written in its long form."""

    evidence: tuple[AnyEvidence, ...] = ()
    """Ways to find the value, in order; the first that finds one wins."""
    aliases: Mapping[Text, tuple[Text, ...]] = Field(default_factory=dict)
    """Misspelt values: `right: [wrong, ...]`."""
    default: Text | None = None
    """The value where nothing else is known; counted apart."""


def _long_form(value: Any) -> Any:
    return {"evidence": value} if isinstance(value, list | tuple) else value


WrittenDimension = Annotated[
    DimensionSetting,
    BeforeValidator(_long_form, json_schema_input_type=list[AnyEvidence] | DimensionSetting),
]


@dataclass(frozen=True)
class Dimension:
    """A dimension, ready for use.

    Attributes:
        name: As in conditions, reports and columns.
        evidence: In order; a default comes last.
        aliases: Wrong value to right value.
        built_in: Found by the product itself; nobody writes evidence for it.
    """

    name: str
    evidence: tuple[OwnEvidence, ...]
    aliases: Mapping[str, str]
    built_in: bool = False

    @classmethod
    def of(cls, name: str, setting: DimensionSetting, approved: Sequence[OwnEvidence] = ()) -> Dimension:
        """The dimension that a setting describes, with evidence that was approved after what is written."""
        last = () if setting.default is None else (DefaultEvidence(default=setting.default),)
        wrong = {each: right for right, wrongs in setting.aliases.items() for each in wrongs}
        return cls(name, (*setting.evidence, *approved, *last), MappingProxyType(wrong))


def built_in(name: str) -> Dimension:
    """One of the dimensions that are always there."""
    columns = ("provider", "model")
    evidence = (ColumnEvidence(column=name),) if name in columns else ()
    return Dimension(name, evidence, MappingProxyType({}), built_in=True)
