"""Queries as Spark gets them: no Spark is needed to read them."""

from __future__ import annotations

from apportion.warehouse.spark_sql import Translator


def _translated(text: str) -> str:
    return Translator(lambda _: None, lambda name: f"placed_{name}", lambda _: "scanned").translate(text)


def test_a_look_up_in_two_lists_asks_for_its_own_spellings_by_their_hash() -> None:
    text = (
        "SELECT list_extract(['openai', 'google', 'google'], list_position(['openai', 'gcp', 'google'], x)) AS p FROM t"
    )
    assert _translated(text) == (
        "SELECT CASE WHEN x IN ('openai', 'google') THEN x ELSE ELEMENT_AT(MAP_FROM_ARRAYS(ARRAY('openai', 'gcp',"
        " 'google'), ARRAY('openai', 'google', 'google')), x) END AS p FROM placed_t AS `t`"
    )


def test_a_look_up_without_such_spellings_is_a_map() -> None:
    text = "SELECT list_extract(['openai'], list_position(['gcp'], x)) AS p FROM t"
    assert _translated(text) == (
        "SELECT ELEMENT_AT(MAP_FROM_ARRAYS(ARRAY('gcp'), ARRAY('openai')), x) AS p FROM placed_t AS `t`"
    )
