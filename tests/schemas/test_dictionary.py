"""The data dictionary: nothing that BI reads is unexplained, and the English stands at the field that it is about."""

from __future__ import annotations

from schemas.contract.catalogue import fields_without_words, read_glossary
from schemas.contract.dictionary import READER, descriptions, dictionary, fields_without_english
from schemas.contract.topic_files import topic_templates

SPECS = topic_templates()


def test_every_field_that_bi_reads_is_explained_in_both_languages() -> None:
    assert fields_without_english(SPECS) == []
    assert fields_without_words([spec for spec in SPECS if READER in spec.consumers], read_glossary()) == []


def test_the_english_of_a_field_ends_where_the_next_one_begins() -> None:
    text = "A row. one: first, by two - three: x. two and three: both; four: last. five … seven: many."
    fields = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    assert descriptions(text, fields) == {
        "one": "first, by two - three: x.",
        "two": "both",
        "three": "both",
        "four": "last.",
        "five": "many.",
        "six": "many.",
        "seven": "many.",
    }


def test_each_formula_is_listed_with_its_version() -> None:
    text = dictionary(SPECS, read_glossary())
    listed = text.partition("## 公式")[2].partition("\n## ")[0]
    for formula in ("engagement_per_view/1", "maturity_by_age/1", "account_index/1", "age_curve/1"):
        assert listed.count(f"| `{formula}` |") == 1, formula
