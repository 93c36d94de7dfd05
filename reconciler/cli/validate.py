"""`skyray validate`: check every file of the fleet repo."""

from __future__ import annotations

import sys
from functools import partial

import click

from reconciler.cli.output import output_option, print_data
from reconciler.cli.repo_options import open_repo, repo_option, rev_option


@click.command(
    "validate", short_help="Check every file of the fleet repo, also uncommitted ones."
)
@repo_option
@rev_option
@output_option
def command(repo: str, rev: str | None, output: str) -> None:
    """Check every file of the fleet repo: settings, inventory, policies, workloads, and policies on workloads.

    In a checkout the uncommitted files count too. Every finding is one line with file, line and column. Exit status 1
    when there are errors; warnings alone are fine.

    \b
    skyray validate                     the checkout in this directory, before you commit
    skyray validate --rev HEAD -o json  what is committed, for a program
    """
    from reconciler.cli.output import note
    from reconciler.service.checks import check_files
    from reconciler.service.reading import files_of, snapshot_files_of

    git = open_repo(repo)
    if rev is None and git.work_tree is not None:
        tree = git.worktree()
        if output == "table":
            note(
                f"checking {git.shown}, uncommitted files too; --rev HEAD leaves them out"
            )
    else:
        tree = git.tree(git.head(rev))
    found = check_files(files_of(tree), partial(snapshot_files_of, tree))
    data = {
        "errors": list(found.errors),
        "warnings": list(found.warnings),
        "files": found.files,
    }
    print_data(output, data, lambda: _table(found.errors, found.warnings, found.files))
    sys.exit(1 if found.errors else 0)


def _table(errors: tuple[str, ...], warnings: tuple[str, ...], files: int) -> str:
    lines = [f"error: {line}" for line in errors] + [
        f"warning: {line}" for line in warnings
    ]
    count = f"{files} file{'s' * (files != 1)}"
    if errors:
        lines.append(f"{count}: {len(errors)} error{'s' * (len(errors) != 1)}")
    else:
        lines.append(f"{count}: all valid")
    return "\n".join(lines)
