"""The three ways to print."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.output import columns, print_data

DATA = [{"name": "a", "count": 2, "note": None, "ok": True, "more": ["x: y", "no", "1"]}]


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_json_and_yaml_say_the_same(output: str, read: object, capsys: pytest.CaptureFixture[str]) -> None:
    print_data(output, DATA, lambda: "a table")
    assert read(capsys.readouterr().out) == DATA  # type: ignore[operator]


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
