"""Each manifest beside this file, sized, is the JSON file of the same name, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from reconciler.cli.size import command

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("*.yaml"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 12
    assert {case.stem for case in HERE.glob("*.json")} == {case.stem for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_manifest_has_the_expected_size(case: Path) -> None:
    result = CliRunner().invoke(command, [str(case), "-o", "json"])
    assert result.exit_code == 0, result.output
    assert result.stdout == case.with_suffix(".json").read_text()
