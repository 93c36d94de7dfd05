"""`skyray demo`: a story played on a new fleet repo, which stays for the user to play with."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.demos.stories import FILL_AND_SPILL, STORIES, Story
from reconciler.cli.output import columns

if TYPE_CHECKING:
    from reconciler.cli.demos.play import PlayedDecision


def _complete(_ctx: click.Context, param: Any, incomplete: str) -> list[Any]:  # noqa: ARG001  (click passes names)
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in STORIES if name.startswith(incomplete)]


@click.command(
    "demo", short_help="Play a story, such as fill-and-spill, on a new fleet repo."
)
@click.argument(
    "words", nargs=-1, metavar="[SCENARIO] [DIRECTORY]", shell_complete=_complete
)
def command(words: tuple[str, ...]) -> None:
    """Make a fleet repo in DIRECTORY (./demo) and play SCENARIO in it: workloads are committed one after another, and
    SkyRay reconciles after each. Nothing but git is needed; the clusters' capacity comes from files.

    \b
    fill-and-spill   training fills the owned cluster, then spills to the cloud (the default)
    fill-no-spill    experiments wait for the owned cluster
    right-cluster    production and development each on their own class of cluster
    task-cluster     documents are read on CPUs, and the LLM and those who ask it share a cluster
    cost             owned nodes first, then the cheapest cloud

    A single word that is no scenario is the DIRECTORY; write ./cost for a directory of that name.

    \b
    skyray demo              fill-and-spill in ./demo, or ./demo-2 where that exists
    skyray demo /tmp/x       fill-and-spill in /tmp/x
    skyray demo cost         another story, in ./demo
    skyray demo cost /tmp/x
    """
    from reconciler.cli.demos.play import cluster_description, play

    story, directory = chosen(words)
    directory = free_name(directory)
    click.echo(
        f"{story.name}: a fleet repo with {len(story.clusters)} clusters, in {directory}/\n"
    )
    width = min(100, shutil.get_terminal_size().columns)
    click.echo(
        click.wrap_text(
            story.plot, width=width, initial_indent="  ", subsequent_indent="  "
        )
        + "\n"
    )
    clusters = [(name, cluster_description(name)) for name in story.clusters]
    click.echo(columns(("CLUSTER", "WHAT IT IS"), clusters) + "\n")
    decisions = play(story, directory, lambda line: click.echo(f"  {line}"))
    click.echo(
        "\n"
        + columns(
            (story.noun, "CLUSTER", "VERDICT", "WHY"),
            [_row(played) for played in decisions],
        )
    )
    click.echo("\nEach decision is a commit:\n")
    click.echo(columns(("COMMIT", "SUBJECT"), _history(directory)))
    click.echo(_next(story, directory))


def chosen(words: tuple[str, ...]) -> tuple[Story, Path]:
    """Return the story and the directory that the arguments mean. Raises `click.UsageError`."""
    if words and words[0] in STORIES:
        story, rest = STORIES[words[0]], words[1:]
    elif len(words) > 1 or (words and _looks_like_a_scenario(words[0])):
        close = difflib.get_close_matches(words[0], STORIES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        path = (
            f"; for a directory of that name write ./{words[0]}"
            if len(words) == 1
            else ""
        )
        raise click.UsageError(
            f"there is no scenario {words[0]!r}: {hint}they are {', '.join(STORIES)}{path}"
        )
    else:
        story, rest = FILL_AND_SPILL, words
    if len(rest) > 1:
        raise click.UsageError(
            f"one directory is enough: leave out {' '.join(rest[1:])}"
        )
    directory = Path(rest[0] if rest else "demo")
    if directory.exists() and not directory.is_dir():
        raise click.UsageError(f"{directory} is a file: name a directory")
    return story, directory


def _looks_like_a_scenario(word: str) -> bool:
    """Tell whether a word is a mistyped scenario: nearly one's name, no path, and no directory that exists."""
    near = difflib.get_close_matches(word, STORIES, n=1, cutoff=0.8)
    return bool(near) and "/" not in word and not Path(word).exists()


def free_name(directory: Path) -> Path:
    """Return `directory`, or `directory-2`, `-3` and so on where that holds something already."""
    candidate, number = directory, 1
    while candidate.exists() and any(candidate.iterdir()):
        number += 1
        candidate = directory.with_name(f"{directory.name}-{number}")
    return candidate


def _row(played: PlayedDecision) -> tuple[str, str, str, str]:
    decision = played.decision
    where = ",".join(decision.clusters)
    return (str(decision.group), where, decision.reason, decision.message)


def _next(story: Story, directory: Path) -> str:
    hints = (("skyray get clusters", "what is free now"), *story.hints)
    width = max(len(command) for command, why in hints if why)
    lines = [f"  {command.ljust(width)}  {why}".rstrip() for command, why in hints]
    return "\n".join(
        [
            "\nTry next:",
            f"  cd {directory}",
            *lines,
            "\n(Without `skyray` on the PATH: source .venv/bin/activate, where `make install` was run.)",
        ]
    )


def _history(directory: Path) -> list[tuple[str, str]]:
    from reconciler.repo.repository import GitRepo

    return [
        (commit.sha[:10], commit.subject)
        for commit in reversed(GitRepo.open(directory).log())
    ]
