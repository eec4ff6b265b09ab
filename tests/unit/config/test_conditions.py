from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from apportion.config.expressions import Condition, ConditionError, Name, parse
from apportion.config.instants import moment

KEYS = ("a", "b c", "d")
TAGS = {key: Name("tag", key) for key in KEYS}
FIELDS = {key: Name("field", key) for key in ("service_name", "charge_period_start")}


def column(name: Name) -> exp.Expr:
    return exp.column(f"{name.kind}_{name.key}", quoted=True)


@cache
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def in_duckdb(condition: Condition, row: Mapping[Name, str | None]) -> bool | None:
    names = sorted(condition.names)
    holders = ", ".join(f"CAST(? AS VARCHAR) AS {column(name).sql('duckdb')}" for name in names) or "1 AS one"
    sql = f"SELECT {condition.to_sql(column).sql('duckdb')} FROM (SELECT {holders})"
    found = connection().execute(sql, [row.get(name) for name in names]).fetchone()
    assert found is not None
    answer = found[0]
    assert answer in {True, False}
    return bool(answer)


def tag(text: str | None) -> dict[Name, str | None]:
    return {Name("tag", "x"): text}


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("tags.x = 'a'", "a", True),
        ("tags.x = 'a'", "A", False),
        ("tags.x = 'a'", None, False),
        ("tags.x != 'a'", None, True),
        ("tags.x != 'a'", "", True),
        ("tags.x != 'a'", "a", False),
        ("tags.x not in ('a', 'b')", None, True),
        ("tags.x in ('a', 'b')", "b", True),
        ("tags.x < 'b'", None, False),
        ("tags.x < 'b'", "a", True),
        ("tags.x >= 'b'", "é", True),
        ("tags.x like '%'", None, False),
        ("tags.x like '%'", "a", True),
        ("tags.x like ''", "", False),
        ("tags.x not like 'a%'", None, True),
        ("tags.x like 'gpt-_'", "gpt-5", True),
        ("tags.x like 'GPT-_'", "gpt-5", False),
        ("tags.x like '_'", "🙂", True),
        ("tags.x like 'a\\%'", "a\\b", True),
        ("tags.x like 'a\\!%'", "a\\!b", True),
        ("tags.x like 'a.c'", "abc", False),
        ("tags.x", "0", True),
        ("tags.x", "", False),
        ("not tags.x", None, True),
        ("tags.x is empty", "", True),
        ("tags.x is not empty", None, False),
        ("tags.x > 10", "9", False),
        ("tags.x > 10", "10.000000001", True),
        ("tags.x > 10", "ten", False),
        ("tags.x <= 10", None, False),
        ("tags.x = 10", "10.0", True),
        ("tags.x != 10", "ten", True),
        ("tags.x = -0.5", "-0.50", True),
        ("tags.x in (1, 'two')", "1.0", True),
        ("tags.x = 'it''s'", "it's", True),
        ("tags.x = '''; DROP TABLE charges; --'", "'; DROP TABLE charges; --", True),
        ("tags.x = 'a' or tags.x = 'b' and false", "a", True),
        ("(tags.x = 'a' or tags.x = 'b') and false", "a", False),
        ("not tags.x = 'a'", "b", True),
        ("true", None, True),
    ],
)
def test_a_condition_means_the_same_in_python_and_in_sql(text: str, value: str | None, expected: bool) -> None:
    condition = parse(text)
    assert condition.matches(tag(value)) is expected
    assert in_duckdb(condition, tag(value)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("charge_period_end <= '2026-12-01'", True),
        ("charge_period_end = '2026-12-01'", True),
        ("charge_period_end > '2026-12-01'", False),
        ("charge_period_end in ('2026-12-01', '2027-01-01')", True),
        ("charge_period_end > '2026-11-30'", True),
    ],
)
def test_a_day_against_an_instant_compares_days(text: str, expected: bool) -> None:
    condition = parse(text)
    assert condition.matches({Name("field", "charge_period_end"): "2026-12-01 00:00:00"}) is expected
    sql = condition.to_sql(lambda _: exp.column("t")).sql("duckdb")
    found = connection().execute(f"SELECT {sql} FROM (SELECT TIMESTAMP '2026-12-01 00:00:00' AS t)").fetchone()
    assert found == (expected,)


@pytest.mark.parametrize(
    ("text", "called", "expected"),
    [
        ("called_at < '2026-11-02T11:00:00Z'", "2026-11-02 12:00:00", False),
        ("called_at < '2026-11-02 11:00:00'", "2026-11-02T12:00:00Z", False),
        ("called_at < '2026-11-02T14:00:00+01:00'", "2026-11-02 12:00:00", True),
        ("called_at < '2026-11-02T13:00:00+01:00'", "2026-11-02 12:00:00", False),
        ("called_at = '2026-11-02T07:00-05:00'", "2026-11-02 12:00:00.000000", True),
        ("called_at != '2026-11-02T12:00'", "2026-11-02T12:00:00+0000", False),
        ("called_at in ('2026-11-02T12:00:00.5Z')", "2026-11-02 12:00:00.5", True),
        ("called_at >= '2026-11-03'", "2026-11-02T22:00:00-05:00", True),
        ("called_at <= '2026-11-02'", "2026-11-02 23:59:59", True),
        ("called_at < '2026-11-02T11:00:00Z'", None, False),
        ("called_at != '2026-11-02T11:00:00Z'", "soon", True),
        ("called_at = '2026-11-02'", "2026-11-02 or so", False),
        ("x_looked_at = 'never'", "never", True),
    ],
)
def test_instants_compare_as_instants_whatever_their_spelling(text: str, called: str | None, expected: bool) -> None:
    condition = parse(text)
    row = dict.fromkeys(condition.names, called)
    assert condition.matches(row) is expected
    assert in_duckdb(condition, row) is expected


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_an_instant_without_an_offset_is_utc_in_every_session(zone: str) -> None:
    sql = parse("called_at < '2026-11-02T11:00:00Z'").to_sql(lambda _: exp.column("t")).sql("duckdb")
    with duckdb.connect() as con:
        con.execute(f"SET TimeZone = '{zone}'")
        for early in ("TIMESTAMP '2026-11-02 10:59:59'", "'2026-11-02T10:59:59Z'", "'2026-11-02T05:59:59-05:00'"):
            assert con.execute(f"SELECT {sql} FROM (SELECT {early} AS t)").fetchone() == (True,)
        for late in ("TIMESTAMP '2026-11-02 11:00:00'", "'2026-11-02 11:00'", "'2026-11-02T06:00:00-05:00'"):
            assert con.execute(f"SELECT {sql} FROM (SELECT {late} AS t)").fetchone() == (False,)


def test_a_field_may_have_any_type_of_the_engine() -> None:
    condition = parse("billed_cost >= 10.5 and requests = 3 and service_name is empty")
    sql = condition.to_sql(lambda name: exp.column(name.key)).sql("duckdb")
    row = "SELECT 10.5::DECIMAL(38, 18) AS billed_cost, 3::BIGINT AS requests, NULL::VARCHAR AS service_name"
    assert connection().execute(f"SELECT {sql} FROM ({row})").fetchone() == (True,)


texts = st.one_of(
    st.sampled_from(
        [
            "a",
            "A",
            "b",
            "ab",
            "'",
            "''",
            '"',
            "%",
            "_",
            "\\",
            "a\nb",
            "a\n",
            "🙂",
            "é",
            "'; DROP TABLE x; --",
            "10",
            "10\n",
            " 10",
            "1e3",
            "-0",
            "0.0000000005",
            "9" * 29,
            "9" * 29 + ".9999999999",
            "9" * 30,
            "+1.50",
            "nan",
        ]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
)
numbers = st.decimals(-1000, 1000, places=2).map(str)
patterns = st.lists(st.one_of(st.sampled_from(["%", "_", "\\", "!", "a", "🙂", "."]), texts), max_size=4).map("".join)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


names = st.sampled_from(["tags.a", 'tags."b c"', "service_name"])
values = st.one_of(texts.map(quoted), numbers)
comparisons = st.one_of(
    st.builds("{} {} {}".format, names, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values),
    st.builds("{} {} {}".format, names, st.sampled_from(["like", "not like"]), patterns.map(quoted)),
    st.builds(
        lambda name, word, found: f"{name} {word} ({', '.join(found)})",
        names,
        st.sampled_from(["in", "not in"]),
        st.lists(values, min_size=1, max_size=3),
    ),
    st.builds("{} {}".format, names, st.sampled_from(["", "is empty", "is not empty"])),
    st.sampled_from(["true", "false"]),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)
rows = st.fixed_dictionaries(
    {name: st.one_of(st.none(), texts) for name in (TAGS["a"], TAGS["b c"], FIELDS["service_name"])}
)


@given(conditions, rows)
def test_the_two_readings_agree_on_any_row(text: str, row: dict[Name, str | None]) -> None:
    condition = parse(text)
    assert condition.matches(row) is in_duckdb(condition, row)


instants = st.builds(
    "{:04d}-{:02d}-{:02d}{}{}".format,
    st.sampled_from([2025, 2026, 2027]),
    st.integers(0, 13),
    st.sampled_from([1, 2, 27, 28, 29, 30, 31, 32]),
    st.one_of(
        st.just(""),
        st.builds(
            "{}{:02d}:{:02d}{}".format,
            st.sampled_from(["T", " "]),
            st.integers(0, 24),
            st.sampled_from([0, 30, 59, 60]),
            st.sampled_from(["", ":00", ":59", ":59.5", ":00.123456", ":00.123456789", ":60"]),
        ),
    ),
    st.sampled_from(["", "", "Z", "+00", "+01:00", "-0500", "-05:30", "+14:00", "+24:00", " UTC", "x"]),
)
dated = st.builds(
    "{} {} {}".format,
    st.just("charge_period_start"),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    instants.filter(lambda text: moment(text) is not None).map(quoted),
)


@given(dated, st.one_of(st.none(), texts, instants))
def test_the_two_readings_agree_on_any_instant(text: str, found: str | None) -> None:
    row = {FIELDS["charge_period_start"]: found}
    condition = parse(text)
    assert condition.matches(row) is in_duckdb(condition, row)


@given(st.one_of(conditions, dated))
def test_a_condition_becomes_one_expression_of_spark_too(text: str) -> None:
    made = parse(text).to_sql(column)
    again = sqlglot.parse_one(f"SELECT {made.sql('spark')}", dialect="spark")
    assert isinstance(again, exp.Select)
    assert len(again.expressions) == 1
    literals = {literal.this for literal in made.find_all(exp.Literal) if literal.is_string}
    assert literals <= {literal.this for literal in again.find_all(exp.Literal)}


@given(st.text(max_size=40))
def test_no_text_does_anything_but_parse_or_be_refused_with_a_column(text: str) -> None:
    column = 1
    try:
        parse(text)
    except ConditionError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


@pytest.mark.parametrize(
    ("text", "where", "part"),
    [
        ("", 1, "empty"),
        ('team = "a"', 8, "single quotes"),
        ("team == 'a'", 6, "single `=`"),
        ("team = = 'a'", 8, "a value is missing"),
        ("team <> 'a'", 6, "`!=`"),
        ("team = support", 8, "'support'"),
        ("lower(team) = 'a'", 1, "no function"),
        ("team lik 'a'", 6, "did you mean `like`"),
        ("team ilike 'a'", 6, "`like`"),
        ("team is null", 9, "`is empty`"),
        ("team in 'a'", 9, "parentheses"),
        ("team in ('a'", 13, "`)` is missing"),
        ("team = 'a", 8, "no closing quote"),
        ("(team = 'a'", 12, "not closed"),
        ("team = 'a')", 11, "never opened"),
        ("tags = 'a'", 1, "needs a key"),
        ("tags['x'] = 'a'", 5, "tags.key"),
        ("team = 1e3", 8, "no number"),
        ("team = 'a' && x", 12, "`and`"),
        ("team between 'a' and 'b'", 6, ">= 'a'"),
        ("'a' = team", 1, "on the left"),
        ("team like 5", 11, "a pattern is a text"),
        ("team = 'a' team", 12, "and"),
        ("team not 'a'", 10, "`like` or `in`"),
        ("team = \N{LEFT SINGLE QUOTATION MARK}a", 8, "straight"),
        ("team = 'a\0'", 10, "NUL"),
        ("(" * 51 + "a" + ")" * 51, 51, "nested"),
        ("a = " + "1" * 30, 5, "too long"),
        ("called_at < 'yesterday'", 13, "no date or instant"),
        ("called_at < 5", 13, "no date or instant"),
        ("charge_period_end in ('2026-11-01', '2026-02-30')", 37, "no date or instant"),
        ("a = '" + "x" * 20_000 + "'", 1, "characters"),
    ],
)
def test_a_refusal_says_where_and_what_to_write(text: str, where: int, part: str) -> None:
    with pytest.raises(ConditionError) as refused:
        parse(text)
    assert part in str(refused.value)
    assert refused.value.column == where


def test_the_names_of_a_condition_are_its_tags_and_fields() -> None:
    condition = parse("tags.a = 'x' and not (tags.\"b c\" or service_name in ('y')) and tags.label.team")
    assert condition.names == {
        Name("tag", "a"),
        Name("tag", "b c"),
        Name("field", "service_name"),
        Name("tag", "label.team"),
    }
    assert [str(name) for name in sorted(condition.names)] == [
        "service_name",
        "tags.a",
        'tags."b c"',
        "tags.label.team",
    ]


def test_a_long_list_and_a_long_chain_are_no_problem() -> None:
    listed = parse(f"tags.x in ({', '.join(quoted(str(n)) for n in range(2000))})")
    chained = parse(" or ".join(f"tags.x = 'k{n}'" for n in range(800)))
    assert in_duckdb(listed, tag("1999"))
    assert in_duckdb(chained, tag("k799"))
