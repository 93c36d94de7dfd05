"""The three ways to print."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.output import columns, paragraph, print_data, text_width

DATA = [{"name": "a", "count": 2, "note": None, "ok": True, "more": ["x: y", "no", "1"]}]


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_json_and_yaml_say_the_same(
    output: str, read: Callable[[str], object], capsys: pytest.CaptureFixture[str]
) -> None:
    print_data(output, DATA, lambda: "a table")
    assert read(capsys.readouterr().out) == DATA


def test_an_empty_list_is_still_data(capsys: pytest.CaptureFixture[str]) -> None:
    print_data("json", [], lambda: "")
    assert json.loads(capsys.readouterr().out) == []
    print_data("yaml", [], lambda: "")
    assert yaml.safe_load(capsys.readouterr().out) == []
    print_data("table", [], lambda: "")
    assert capsys.readouterr().out == ""


CELLS = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6))
def test_columns_line_up_and_lose_nothing(rows: list[tuple[str, str, str]]) -> None:
    lines = columns(("NAME", "COUNT", "WHY"), rows, right=("COUNT",)).split("\n")
    assert [line.split() for line in lines] == [["NAME", "COUNT", "WHY"], *map(list, rows)]
    starts = {len(line) - len(line.split(maxsplit=2)[2]) for line in lines}
    assert len(starts) == 1, "the last column starts at one place"


WHY = "all 4 pods fit after adding 2 nodes of pool l4; static-cluster: worker gpu-group needs nvidia.com/gpu 1"
ROWS = [("rayjob1/rayjob", "static-cluster", "all 4 pods fit"), ("rayjob3/rayjob", "dynamic-cluster", WHY)]


def printed(monkeypatch: pytest.MonkeyPatch, width: int, *, terminal: bool = True) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    return columns(("JOB", "CLUSTER", "WHY"), ROWS).split("\n")


def test_a_long_row_goes_on_below_its_last_column_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 80)
    assert max(map(len, lines)) <= 80
    assert lines[2] == "rayjob3/rayjob  dynamic-cluster  all 4 pods fit after adding 2 nodes of pool l4;"
    assert [line[:33].strip() for line in lines[3:]] == [""] * len(lines[3:])
    assert " ".join([lines[2][33:], *(line.strip() for line in lines[3:])]) == WHY


def test_a_long_row_goes_on_below_the_whole_row_where_that_column_is_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 60)
    assert lines[1] == "rayjob1/rayjob  static-cluster   all 4 pods fit"
    assert lines[2] == "rayjob3/rayjob  dynamic-cluster"
    assert all(line.startswith("    ") and line[4] != " " for line in lines[3:])
    assert " ".join(line.strip() for line in lines[3:]) == WHY


def test_a_row_is_one_line_in_pipes_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(printed(monkeypatch, 60, terminal=False)) == 1 + len(ROWS)


@given(st.lists(CELLS, min_size=1, max_size=20), st.integers(0, 20))
def test_a_paragraph_keeps_every_word_and_its_margin(words: list[str], indent: int) -> None:
    lines = paragraph(" ".join(words), 60, indent).split("\n")
    assert " ".join(line.strip() for line in lines) == " ".join(words)
    assert all(len(line) <= 60 for line in lines)
    assert {len(line) - len(line.lstrip()) for line in lines} == {indent}


def test_sentences_are_as_wide_as_the_terminal_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    widths = {}
    for columns_there in (70, 200):
        monkeypatch.setenv("COLUMNS", str(columns_there))
        widths[columns_there] = text_width()
    assert widths == {70: 70, 200: 90}
