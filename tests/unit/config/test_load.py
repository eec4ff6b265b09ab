from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.config.json_schema import json_schema
from apportion.config.load import FILE, Loaded, load, load_text
from apportion.config.rules import EvenRule, FixedRule, ProportionalRule, SeatsRule
from apportion.config.settings import Settings
from tests.unit.config.faults import FAULTS, HEAD, parts, rule

ROOT = Path(__file__).resolve().parents[3]
DESIGN = Path(__file__).with_name("design_example.yaml")


def loaded(text: str, folder: Path = Path()) -> Loaded:
    return load_text(text, folder)


def sound(text: str) -> Settings:
    found = loaded(text)
    assert [problem.text() for problem in found.problems] == []
    assert found.settings is not None
    return found.settings


@pytest.mark.parametrize(("slug", "marked"), [(f[0], f[2]) for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_each_fault_is_one_problem_at_its_place(slug: str, marked: str) -> None:
    text, line, column = parts(marked)
    found = loaded(text)
    assert [problem.slug for problem in found.problems] == [slug]
    place = found.problems[0].place
    assert place is not None
    assert (place.file, place.line, place.column) == (FILE, line, column)
    assert found.problems[0].message.endswith(".")
    if found.problems[0].excerpt:
        assert found.problems[0].excerpt.removesuffix(" …") in text


def test_every_slug_of_the_settings_has_a_case() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src/apportion/config").glob("*.py"))
    slugs = set(re.findall(r'"((?:config|yaml|unknown|bad|not-a|duplicate|empty|missing)-[a-z-]+)"', source))
    in_files = {"config-missing", "config-encoding", "config-too-large"}
    assert slugs - {fault[0] for fault in FAULTS} == in_files


def test_the_example_of_the_design_is_sound() -> None:
    settings = sound(DESIGN.read_text())
    assert settings.owner == "team"
    tags, columns = settings.evidence_names()
    assert {"team", "label.team", "feature_flag", "user_id", "env"} <= set(tags)
    assert columns == ["api_key_id", "inference_profile", "project", "workspace"]
    order = settings.dimension_order()
    assert order.index("user") < order.index("team") < order.index("cost_center")
    assert order.index("feature") < order.index("product")
    assert settings.rule("copilot").condition is not None
    assert isinstance(settings.rule("copilot"), SeatsRule)
    gpu = settings.rule("gpu-pool")
    assert isinstance(gpu, ProportionalRule)
    assert gpu.meter == ("gpu_hours",)
    assert gpu.idle is not None
    assert (gpu.idle.policy, gpu.idle.to) == ("separate", "platform")


def test_all_problems_are_told_at_once_and_in_order() -> None:
    text = """
company: A
currency: USB
ownr: team
bills:
  - {name: f, type: focs, path: a.csv}
  - {name: g, path: ../g.csv}
dimensions:
  team: [{tga: team}, {tag: team}]
allocate:
  - {name: a, when: 'tags.x == ''a''', method: proportional, meter: gpu}
  - {name: b, when: "tags.x = \\"a\\"", method: even, among: [x, x]}
"""
    found = [(str(p.place), p.slug) for p in loaded(text).problems]
    assert found == [
        ("apportion.yaml:3:11", "unknown-currency"),
        ("apportion.yaml:4:1", "unknown-key"),
        ("apportion.yaml:6:21", "unknown-choice"),
        ("apportion.yaml:7:21", "path-outside-project"),
        ("apportion.yaml:9:11", "unknown-evidence"),
        ("apportion.yaml:11:29", "bad-condition"),
        ("apportion.yaml:11:69", "unknown-meter"),
        ("apportion.yaml:12:31", "bad-condition"),
        ("apportion.yaml:12:64", "duplicate-owner"),
    ]


def test_a_reference_to_a_faulty_definition_is_not_a_second_problem() -> None:
    text = rule("method: even, among: [{pool: s}]") + "  - {name: s, when: true, method: fixd}\n"
    assert [p.slug for p in loaded(text).problems] == ["unknown-choice"]


def test_a_circle_of_pools_is_named() -> None:
    text = (
        rule("method: even, among: [{pool: b}]", "a")
        + "  - {name: b, when: true, method: fixed, shares: {'pool:c': 1}}\n"
        + "  - {name: c, when: true, method: headcount, fallback: {to: {pool: a}}}\n"
        + "directory: [{name: people, type: roster, path: p.csv}]\n"
    )
    problems = loaded(text).problems
    assert [p.message for p in problems] == ["Pools feed each other in a circle: a → b → c → a."]


def test_numbers_are_exact_and_ids_stay_text() -> None:
    text = rule("method: fixed, shares: {a: 33.3333, 007: 66.6667}") + "scope: {resources: [0123, 1e5]}\n"
    settings = sound(text)
    fixed = settings.rule("r")
    assert isinstance(fixed, FixedRule)
    assert dict(fixed.shares) == {"a": Decimal("33.3333"), "007": Decimal("66.6667")}
    assert settings.scope.resources == ("0123", "1e5")


def test_short_and_long_forms_become_one() -> None:
    settings = sound(
        rule("method: even, among: [{pool: s}, b], amortize: true")
        + "  - {name: s, method: proportional, meter: tokens, amortize: {days: 90}}\n"
        + "policies: {variance: {to: central}, credits: pro_rata, tax: {account: '2200'}}\n"
    )
    first, second = settings.allocate
    assert isinstance(first, EvenRule)
    assert first.among == ("pool:s", "b")
    assert first.feeds == ("s",)
    assert first.amortize is not None
    assert first.amortize.days is None
    assert second.amortize is not None
    assert second.amortize.days == 90
    assert second.condition is None
    assert (settings.policies.variance.policy, settings.policies.variance.to) == ("to", "central")
    assert settings.policies.tax.account == "2200"


def test_versions_of_a_rule_may_follow_each_other() -> None:
    settings = sound(
        rule("method: even, among: [a], to: 2026-11-01")
        + "  - {name: r, version: 2, when: true, method: direct, from: 2026-11-01}\n"
    )
    assert settings.rule("r").version == 2
    assert settings.rule("r", 1).method == "even"
    with pytest.raises(KeyError):
        settings.rule("nobody")


def test_a_missing_unreadable_or_foreign_file_is_a_problem(tmp_path: Path) -> None:
    def slugs() -> list[str]:
        return [problem.slug for problem in load(tmp_path).problems]

    assert slugs() == ["config-missing"]
    (tmp_path / FILE).write_bytes(b"company: A\ncurrency: \xff\xfe\n")
    assert slugs() == ["config-encoding"]
    assert str(load(tmp_path).problems[0].place) == "apportion.yaml:2:11"
    (tmp_path / FILE).write_bytes(b"#" * 2_000_001)
    assert slugs() == ["config-too-large"]
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert slugs() == []
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    assert slugs() == ["config-missing"]


def test_aliases_that_multiply_are_stopped() -> None:
    levels = "\n".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]" for n in range(1, 12))
    found = loaded(f"k0: &k0 [x, x]\n{levels}\n")
    assert [p.slug for p in found.problems] == ["yaml-expansion"]


@pytest.mark.parametrize(
    ("path", "roots", "fine"),
    [
        ("bills/*.parquet", [], True),
        ("s3://bucket/a/*.parquet", [], True),
        ("../other/a.csv", [], False),
        ("../other/a.csv", ["../other"], True),
        ("bills/../../a.csv", [], False),
        ("bills/*/../../../a.csv", [], False),
        ("/etc/passwd", [], False),
        ("~/a.csv", [], False),
        ("file:///etc/passwd", [], False),
        ("link/a.csv", [], False),
        ("C:\\a.csv", [], False),
        ("a\\0b", [], False),
    ],
)
def test_a_path_stays_in_the_project(tmp_path: Path, path: str, roots: list[str], fine: bool) -> None:
    project, other = tmp_path / "project", tmp_path / "other"
    project.mkdir()
    other.mkdir()
    (project / "link").symlink_to(other)
    shown = '"a\\0b"' if path == "a\\0b" else f"'{path}'"
    text = HEAD + f"bills: [{{name: f, path: {shown}}}]\nroots: {json.dumps(roots)}\n"
    slugs = [problem.slug for problem in loaded(text, project).problems]
    assert slugs == ([] if fine else ["path-outside-project"])


def test_the_published_schema_is_the_one_of_the_settings() -> None:
    published = json.loads((ROOT / "docs/schema/apportion.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema()


def test_every_setting_is_described_in_the_schema() -> None:
    schema = json_schema()
    records = {"Settings": schema, **schema["$defs"]}
    lacking = [
        f"{name}.{key}"
        for name, record in records.items()
        for key, value in record.get("properties", {}).items()
        if not value.get("description")
    ]
    assert lacking == []


@given(st.text(max_size=60), st.integers(0, 2_000), st.integers(0, 30))
def test_no_edit_of_a_file_gives_a_traceback(text: str, start: int, length: int) -> None:
    whole = DESIGN.read_text()
    found = loaded(whole[:start] + text + whole[start + length :])
    assert found.settings is not None or found.problems
    for problem in found.problems:
        assert problem.text()


def test_columns_are_known_by_any_name_and_nothing_else_is_silent(tmp_path: Path) -> None:
    text = """\
company: Acme
currency: USD
bills:
  - {name: a, path: a.csv, set: {model: m, x_Note: n, InvoiceIssuer: i, billed_costs: 1}}
usage:
  - {name: c, path: c.csv, columns: {Model: M, gen_ai.system: P}, set: {response_model: x, modle: y, date_format: "%d"}}
dimensions: {team: [{tag: team}]}
"""
    found = [(str(p.place), p.slug, p.severity) for p in load_text(text, tmp_path).problems]
    assert found == [
        ("apportion.yaml:4:73", "column-unknown", "warning"),
        ("apportion.yaml:6:73", "both-chosen", "error"),
        ("apportion.yaml:6:92", "column-unknown", "error"),
    ]
