"""Files that are refused, each with its place and what to do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ManifestError
from reconciler.manifests.loader import Limits, load
from tests.unit.manifests.loading import body_of, place_of, refusal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x\n", "f.yaml:1:4: anchor `&x`: remove it"),
        ("a: &x {b: 1}\n", "f.yaml:1:4: anchor `&x`"),
        ("&x a: 1\n", "f.yaml:1:1: anchor `&x`"),
        ("a: *x\n", "f.yaml:1:4: alias `*x`: write the value out"),
        ("*x : 1\n", "f.yaml:1:1: alias `*x`"),
        ("- *x\n", "f.yaml:1:3: alias `*x`"),
        ("a: !!str 1\n", "f.yaml:1:4: tag `tag:yaml.org,2002:str`: remove it"),
        ("a: ! 1\n", "f.yaml:1:4: tag `!`"),
        ("a: !Ref x\n", "f.yaml:1:4: tag `!Ref`"),
        ("a: !x%0Ay {}\n", "f.yaml:1:4: tag `!x\\ny`"),
        ("!x a: 1\n", "f.yaml:1:1: tag `!x`"),
        ("<<: {a: 1}\n", "f.yaml:1:1: `<<` merges"),
        ("a:\n  '<<': {a: 1}\n", "f.yaml:2:3: kustomize takes key `<<` for a merge"),
        ("{a: 1}: b\n", "f.yaml:1:1: a map or a list cannot be a key"),
        ("? [a]\n: b\n", "f.yaml:1:3: a map or a list cannot be a key"),
        ("a: {{ .x }}\n", "f.yaml:1:5: a map or a list cannot be a key; check for braces"),
        ("a: {b}\n", "f.yaml:1:6: a key without a value in braces"),
        ("a: [b: ]\n", "f.yaml:1:8: a key without a value in braces"),
        ("%YAML 1.1\n---\na: 1\n", "f.yaml:1:1: a %YAML or %TAG directive; remove it"),
        ("%TAG ! !x\n---\na: 1\n", "f.yaml:1:1: a %YAML or %TAG directive"),
        ("a: 1\n...\nb: 2\n", "f.yaml:3:1: '---' was expected before another document"),
        ("--- {a: 1}\n", "f.yaml:1:1: kubectl ignores what follows '---'; put `{a: 1}` on the next line"),
        ("a: 1\n---#b: 1\n", "f.yaml:2:1: only kubectl starts a new document"),
        ("a: '\n---\u00a0\n  b'\n", "f.yaml:2:1: only kubectl starts a new document"),
        ('a: "\\0"\n', "f.yaml:1:4: the text contains the character U+0000"),
        ('"a\\x85": 1\n', "f.yaml:1:1: the text contains the character U+0085, which kustomize fails on or changes"),
        ("a: x\x00y\n", "f.yaml:1:5: character U+0000 is not allowed in the file; remove it"),
        (
            "a: \x1b[0m\n",
            'f.yaml:1:4: character U+001B is not allowed in the file; remove it, or write "\\u001b" in double quotes',
        ),
        ("b: 1\n# a\u2028kind: X\n", "f.yaml:2:4: character U+2028 is not allowed in the file"),
        ("a: 1\rb: 2\n", "f.yaml:1:5: character U+000D is not allowed in the file"),
        ("é: 1\na: \ufeff\n", "f.yaml:2:4: character U+FEFF is not allowed in the file"),
    ],
)
def test_a_refusal_says_where_and_what_to_do(text: str, message: str) -> None:
    assert str(refusal(text)).startswith(message)


def test_bytes_that_are_not_utf_8_are_refused_where_they_stand() -> None:
    assert (
        str(refusal("é: ok\nb: é".encode() + b"\xe9\n")) == "f.yaml:2:5: byte 0xe9 is not UTF-8; save the file as UTF-8"
    )
    for encoding in ("utf-16", "utf-16-be"):
        data = "\ufeffa: 1\n".encode(encoding) if encoding.endswith("be") else "a: 1\n".encode(encoding)
        assert "UTF-16" in str(refusal(data))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c\n", "f.yaml:1:5: ': ' is where no key can be"),
        ("a:\n\tb: 1\n", "f.yaml:2:1: a value cannot start with this character; indent with spaces, not tabs"),
        ("a: @x\n", "f.yaml:1:4: a value cannot start with this character"),
        ("a: 1\nb\n", "f.yaml:3:1: a key is not followed by ':'"),
        ("a: [1, 2\n", "f.yaml:2:1: ',' or ']' was expected; close the list"),
        ("a: {b: 1\nc: 2\n", "f.yaml:2:2: ',' or '}' was expected; close the map"),
        ('a: "x\n', "f.yaml:2:1: the file ends inside a quoted text; close the quote"),
        ('a: "\\q"\n', "f.yaml:1:5: unknown escape after '\\'"),
        ("a: 'x\n---\n", "f.yaml:2:1: '---' is inside a quoted text"),
        ("a: 1\n b: 2\n", "f.yaml:2:3: ': ' is where no key can be"),
        ("a:\n- b\n c\n- d\n  e: 1\n", "f.yaml:5:4: ': ' is where no key can be"),
        ("a: - b\n", "f.yaml:1:4: '- ' is where no list item can be"),
    ],
)
def test_bad_syntax_is_reported_in_plain_words(text: str, message: str) -> None:
    assert str(refusal(text)).startswith(message)


def test_limits_hold_and_name_themselves() -> None:
    small = Limits(file_bytes=100, scalar_characters=10, documents=3, nodes=12, depth=4)
    assert "101 bytes" in str(refusal("a" * 101, small))
    assert body_of("a: {b: {c: [1]}}\n")
    assert load(b"a: {b: {c: [1]}}\n", "f", small).documents
    assert place_of("a: {b: {c: [[1]]}}\n", small) == "f.yaml:1:13"
    assert "10 characters" in str(refusal("a: " + "x" * 11, small))
    assert "10 characters" in str(refusal("a: '" + "x" * 11 + "'", small))
    assert "3 documents" in str(refusal("a: 1\n---\n" * 4, small))
    assert "3 objects" in str(refusal("{apiVersion: v1, kind: List, items: [{},{},{},{}]}", Limits(documents=3)))
    assert "12 keys" in str(refusal("".join(f"k{number}: 1\n" for number in range(7)), small))
    assert "12 keys" in str(refusal("a: [" + "1," * 11 + "]", small))
    assert "12 keys" in str(refusal('{"a": [' + "1," * 11 + "1]}", small))


def test_the_default_limits_stop_bombs_early() -> None:
    assert "levels deep" in str(refusal("[" * 100_000))
    assert "levels deep" in str(refusal("- " * 100_000))
    assert "keys and values" in str(refusal("a: [" + "1," * 200_000 + "]"))
    assert "1,048,576" in str(refusal(b" " * (1024 * 1024 + 1)))


PIECES = st.sampled_from(
    [
        *["a", "b: ", "- ", "\n", "\n  ", " ", "---", "...", "#", "{", "}", "[", "]", ",", "&a", "*a", "!t", "|", ">"],
        *[
            "'",
            '"',
            "\\",
            "%",
            "@",
            "?",
            ": ",
            "\t",
            "\r\n",
            "\x00",
            "\x85",
            "\u2028",
            "\u00e9",
            "0",
            "1",
            "_",
            "<<",
            "no",
        ],
        *["apiVersion: v1\n", "kind: List\n", "items:\n- ", '{"a": 1}', "\\u00", "\ufeff"],
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join).map(str.encode) | st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_one_clear_line(data: bytes) -> None:
    try:
        loaded = load(data, "f.yaml")
    except ManifestError as error:
        assert re.fullmatch(r"f\.yaml(:\d+:\d+)?: [^\n\r\x00\x1b]+", str(error))  # noqa: PT017 - the other outcome is below
    else:
        for document in loaded.documents:
            assert isinstance(document.body, dict)
            assert document.locate("a", 0, "b").line >= 1
            assert str(document.locate()) == str(document.place)
