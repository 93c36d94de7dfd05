"""The documents say what is there: links lead somewhere, pages that are named exist, and the contract has all codes."""

from __future__ import annotations

import ast
import json
import re
import tokenize
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path

import click
import pytest

from reconciler.cli.demos.stories import STORIES
from reconciler.cli.main import cli
from reconciler.lifecycle.transitions import PROBLEM_REASONS
from reconciler.placement.decision import TransitionKind
from reconciler.placement.model import Action, Phase, Verdict
from reconciler.reasons import scores, written
from reconciler.workloads.cluster_copy import CopyRole
from tests.golden.messages.samples import SAMPLES

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "docs/contract.md"
GLOSSARY = ROOT / "docs/glossary.md"

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_PAGE = re.compile(r"(?<![\w/.-])((?:[\w.-]+/)*\w[\w.-]*\.md)(?!\w)")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Return all Markdown files of the repo, but those of installed and hidden folders."""
    found = []
    for path in sorted(ROOT.rglob("*.md")):
        inside = path.relative_to(ROOT).parts
        if not any(part.startswith(".") or part in {"node_modules", "build", "dist", "venv"} for part in inside[:-1]):
            found.append(path)
    return found


def sources() -> list[Path]:
    return [path for folder in ("reconciler", "benchmarks", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]


def without_code(text: str) -> str:
    """Return Markdown without fenced blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", _FENCED.sub("", text))


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead to no file, or to no heading in it."""
    broken = []
    for link in _LINK.findall(without_code(text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            broken.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target.read_text()):
            broken.append(f"{link}: no such heading")
    return broken


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken_links(page, page.read_text()) == []


def test_a_link_to_a_missing_file_or_heading_is_found() -> None:
    text = "[a](missing.md) [b](contract.md#no-such-heading) [c](contract.md#promises) `[d](code.md)`"

    assert broken_links(GLOSSARY, text) == [
        "missing.md: no such file",
        "contract.md#no-such-heading: no such heading",
    ]


def prose_of(source: str) -> str:
    """Return the docstrings and comments of a module."""
    parts = []
    for node in ast.walk(ast.parse(source)):
        # A string that is a statement is a docstring, or documents the constant above it.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            parts.append(node.value.value)
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    parts += [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join(parts)


def missing_pages(text: str, beside: Path) -> list[str]:
    """Return the pages that a text mentions and that are neither in the repo's root, nor in or above `beside`."""
    folders = [beside, *beside.parents[: len(beside.relative_to(ROOT).parts)]]
    # A fleet repo gets the template's pages, and texts about it name them by their path in there.
    folders.append(ROOT / "fleet-repo-template")
    missing = []
    for name in _PAGE.findall(text):
        if not any((folder / name).exists() for folder in folders):
            missing.append(name)
    return missing


def test_no_docstring_or_comment_mentions_a_page_that_is_not_there() -> None:
    missing = []
    for path in sources():
        missing += [
            f"{path.relative_to(ROOT)}: {name}" for name in missing_pages(prose_of(path.read_text()), path.parent)
        ]

    assert missing == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_mentions_a_page_that_is_not_there(page: Path) -> None:
    # Addresses of other sites have pages of their own.
    text = re.sub(r"\w+://\S+", "", page.read_text())

    assert missing_pages(text, page.parent) == []


def test_a_mention_of_a_missing_page_is_found_in_docstrings_and_comments() -> None:
    source = '"""As DESIGN.md says."""\nX = 1  # see facts/git.md\n"""docs/contract.md has it."""\nY = "code.md"\n'

    assert missing_pages(prose_of(source), ROOT / "reconciler") == ["DESIGN.md", "facts/git.md"]


def codes_in_code() -> set[str]:
    """Return every reason code of decisions and candidates; those of scores only compare two clusters."""
    samples = [one for one in SAMPLES if type(one).__module__ not in {scores.__name__, written.__name__}]
    # The verdict of the nearest cluster is the reason of a group that waits (`reasons.choice.NoCapacity`).
    return {one.code for one in samples} | {str(Verdict.NO_FIT), str(Verdict.NEVER_FITS)} | PROBLEM_REASONS


def section(text: str, heading: str) -> str:
    """Return what is below a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    after = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{level}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def first_column(text: str, header: str) -> list[str]:
    """Return the words in backticks in the first column of all tables whose first column has this header."""
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        first = line.split("|")[1].strip()
        if first == header:
            inside = True
        elif inside:
            found += re.findall(r"`([^`]+)`", first)
    return found


def test_the_contract_lists_exactly_the_reason_codes_that_the_code_writes() -> None:
    listed = first_column(section(CONTRACT.read_text(), "## Reason codes"), "Code")

    assert sorted(set(listed) - codes_in_code()) == [], "in the contract, and not in the code"
    assert sorted(codes_in_code() - set(listed)) == [], "in the code, and not in the contract"


def waiting_column(text: str) -> dict[str, str]:
    """Return what the last column says of each code that is in the first one."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for code in re.findall(r"`([^`]+)`", cells[0]) if line.startswith("| `") else ():
            found[code] = cells[-1]
    return found


def test_the_contract_says_of_each_refusal_whether_waiting_helps() -> None:
    said = waiting_column(section(CONTRACT.read_text(), "## Reason codes"))
    helps: dict[str, set[bool]] = {}
    for one in SAMPLES:
        helps.setdefault(one.code, set()).add(one.waiting_helps)
    words = {frozenset({True}): "yes", frozenset({False}): "no", frozenset({True, False}): "depends"}
    # An empty cell: nothing is refused, so there is nothing to wait for.
    expected = {code: words[frozenset(helps[code])] for code in said if said[code] and code in helps}

    assert {code: said[code] for code in expected} == expected


def test_each_reason_code_is_listed_once() -> None:
    listed = first_column(section(CONTRACT.read_text(), "## Reason codes"), "Code")

    assert sorted(code for code in set(listed) if listed.count(code) > 1) == []


@pytest.mark.parametrize(
    ("header", "words"),
    [("Verdict", Verdict), ("Phase", Phase), ("Action", Action)],
    ids=["verdicts", "phases", "actions"],
)
def test_the_contract_lists_verdicts_phases_and_actions_in_their_order(header: str, words: Iterable[str]) -> None:
    text = section(CONTRACT.read_text(), "## Verdicts, phases and actions")

    assert first_column(text, header) == [str(word) for word in words]


def test_the_contract_names_every_transition_and_role() -> None:
    text = CONTRACT.read_text()

    assert [str(word) for word in (*TransitionKind, *CopyRole) if f"`{word}`" not in text] == []


def test_the_contract_lists_the_commands_that_there_are() -> None:
    commands = first_column(section(CONTRACT.read_text(), "## Commands"), "Command")

    assert commands == cli.list_commands(click.Context(cli))


README = ROOT / "README.md"


def test_the_readme_lists_the_commands_that_there_are() -> None:
    listed = re.findall(r"^\| `skyray ([a-z]+)", section(README.read_text(), "## Commands"), re.MULTILINE)

    assert listed == cli.list_commands(click.Context(cli))


def test_the_readme_names_every_story_of_the_demo() -> None:
    (row,) = (line for line in README.read_text().splitlines() if line.startswith("| `skyray demo"))

    # The first one is the story that the page tells.
    assert [name for name in (*STORIES,)[1:] if name not in row] == []


def test_the_readme_names_make_targets_that_there_are_and_its_two_commands_first() -> None:
    named = re.findall(r"^make ([a-z0-9]+)", README.read_text(), re.MULTILINE)
    targets = re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert named[:2] == ["demo", "test"]
    assert sorted(set(named) - set(targets)) == []


KINDS = ("Fleet", "Cluster", "SchedulePolicy", "Tenant", "AddOn", "Placement")


def _properties(schema: object) -> Iterator[str]:
    """Yield the name of every field in a JSON Schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from _properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _properties(part)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_in_the_contract_is_one_of_the_schema(kind: str) -> None:
    known = set(_properties(json.loads((ROOT / f"docs/schemas/{kind.lower()}.json").read_text())))

    fields = first_column(section(CONTRACT.read_text(), f"### {kind}"), "Field")
    names = {name for field in fields for name in re.split(r"[.\[\]]+", field) if name}

    assert fields
    assert sorted(names - known) == []


def test_the_glossary_names_classes_functions_and_packages_that_there_are() -> None:
    named = set(re.findall(r"`([A-Z]\w+|[a-z]+_[a-z_]+)`", GLOSSARY.read_text()))

    defined = {path.name for path in (ROOT / "reconciler").iterdir()}
    for path in sorted((ROOT / "reconciler").rglob("*.py")):
        defined |= set(re.findall(r"^(?:class|def) (\w+)", path.read_text(), re.MULTILINE))
    assert sorted(named - defined) == []
