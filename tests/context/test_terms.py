"""How identifiers and sentences become terms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.terms import LONGEST, STOP_WORDS, indexed, of_question, of_text, stem


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("readHTTPHeader", ["readhttpheader", "read", "http", "header"]),
        ("parse_file_names", ["parse_file_names", "pars", "file", "name"]),
        ("MAX_SIZE", ["max_size", "max", "size"]),
        ("_private", ["privat"]),
        ("__init__", ["init"]),
        ("utf8Decoder", ["utf8decoder", "utf", "decoder"]),
        ("x = a + 1", []),
        ("foo.bar(baz, 42)", ["foo", "bar", "baz", "42"]),
        ("0x1f 3d", ["x1f"]),
        ("files parsing parsed classes", ["file", "pars", "pars", "class"]),
        ("Größe übergröße_max", ["grösse", "übergrösse", "max"]),
        ("検索エンジン", ["検索", "索エ", "エン", "ンジ", "ジン"]),
        ("読x", ["読"]),
        ("", []),
        ("()\0\ud800", []),
        ("a" * (LONGEST + 1), []),
    ],
)
def test_terms_of_a_text(text: str, terms: list[str]):
    assert of_text(text) == terms


def test_a_question_has_each_term_once_and_no_filler():
    question = "Fix the parsing of fileNames and of file names"
    assert of_question(question) == ["pars", "filename", "file", "name"]


@pytest.mark.parametrize(
    "words",
    [
        ("parse", "parses", "parsed", "parsing"),
        ("file", "files"),
        ("query", "queries"),
        ("run", "running"),
        ("index", "indexes"),
    ],
)
def test_forms_of_a_word_are_one_term(words: tuple[str, ...]):
    assert len({stem(word) for word in words}) == 1


@given(st.text())
def test_what_is_indexed_is_found_by_asking_for_it(text: str):
    terms = of_text(text)
    assert indexed(text) == " ".join(terms)
    assert set(of_question(text)) <= set(terms)
    for term in terms:
        assert term == term.lower()
        assert term.replace("_", "").isalnum()
    assert not STOP_WORDS & set(of_question(text))


@given(st.lists(st.text("abcdefgXYZ_19 .()"), max_size=5))
def test_terms_do_not_depend_on_what_is_around(parts: list[str]):
    assert of_text(" ".join(parts)) == [term for part in parts for term in of_text(part)]
