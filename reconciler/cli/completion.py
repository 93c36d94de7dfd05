"""`skyray completion bash|zsh|fish`."""

from __future__ import annotations

import click


@click.command("completion", short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: skyray completion bash > ~/.local/share/bash-completion/completions/skyray
    zsh:  skyray completion zsh  > "${fpath[1]}/_skyray"
    fish: skyray completion fish > ~/.config/fish/completions/skyray.fish
    """
    from click.shell_completion import get_completion_class

    from reconciler.cli.main import cli

    kind = get_completion_class(shell)
    if (
        kind is None
    ):  # pragma: no cover  (the choice above allows only shells that click knows)
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "skyray", "_SKYRAY_COMPLETE").source())
