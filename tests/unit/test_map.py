"""ARCHITECTURE.md and CONTRIBUTING.md name places that exist, and every package that there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUESTIONS = 10
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
_OF_A_FLEET_REPO = frozenset({"clusters", "placements", "workloads"})
_IN_PICTURE = re.compile(r"\b[a-z_]+/[a-z_]+\.py\b")


def named_paths(text: str) -> list[str]:
    """Return the paths of this repo: in backticks, files with a folder and folders from the top; in pictures, modules.

    `clusters/`, `placements/` and `workloads/` are folders of a fleet repo.
    """
    found = []
    for code in _CODE.findall(text):
        if not _PATH.fullmatch(code) or "/" not in code:
            continue
        folder, _, name = code.rpartition("/")
        if "." in name or (not name and folder not in _OF_A_FLEET_REPO):
            found.append(code)
    for picture in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        found += _IN_PICTURE.findall(picture)
    return found


def exists(path: str) -> bool:
    """Tell whether a path is there, from the top of the repo or from `reconciler/`."""
    return (ROOT / path).exists() or (ROOT / "reconciler" / path).exists()


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_paths_that_a_page_names_are_there(page: str) -> None:
    paths = named_paths((ROOT / page).read_text())
    assert len(paths) > 5
    assert [path for path in paths if not exists(path)] == []


def test_each_of_the_ten_questions_is_answered_with_a_path_from_the_top() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text.split("## Where would I look for ...?")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    answers = {question.strip(): _CODE.findall(answer) for question, answer in rows if question.strip()}
    assert len(answers) == QUESTIONS
    for question, paths in answers.items():
        assert any((ROOT / path).exists() for path in paths), question


def test_the_table_of_packages_has_each_package_once() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text.split("## Packages")[1].split("\nImports point one way")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    there = [path.parent.name for path in (ROOT / "reconciler").glob("*/__init__.py")]
    assert sorted(listed) == sorted(there)


def test_the_arrows_between_packages_are_those_of_the_import_contract() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    arrows = text.split("\nImports point one way:\n")[1].split("```")[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    layers = [set(layer.replace("reconciler.", "").split(" : ")) for layer in contract["layers"]]
    # The errors, at the bottom, are a module.
    assert [set(layer.strip().split(", ")) for layer in arrows.split(">")] == layers[:-1]
    assert layers[-1] == {"errors"}


def test_the_types_in_the_picture_are_classes_of_the_code() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    picture = text.split("## The pipeline")[1].split("```")[1]
    code = "\n".join(path.read_text() for path in sorted((ROOT / "reconciler").rglob("*.py")))
    classes = set(re.findall(r"^class (\w+)", code, re.MULTILINE))
    types = set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", picture)) | {"Group", "Transition", "Assignment", "Decision"}
    assert {name.removesuffix("s") if name not in classes else name for name in types} <= classes


def test_a_path_that_is_not_there_is_found() -> None:
    text = "see `reconciler/no_such.py` and `planning/pipeline.py`\n```\n1 observe  lifecycle/no_such.py\n```\n"
    assert [path for path in named_paths(text) if not exists(path)] == [
        "reconciler/no_such.py",
        "lifecycle/no_such.py",
    ]
