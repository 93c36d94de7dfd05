"""Help that teaches, completion, and what a command imports."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import COMMANDS
from tests.commands import PROGRAM, environment, program, skyray

HEAVY = {"numpy", "pydantic", "git", "kubernetes", "urllib3", "fastapi", "uvicorn", "ruamel", "msgspec"}
RAY_JOB = b"""
apiVersion: ray.io/v1
kind: RayJob
metadata: {name: t}
spec:
  entrypoint: python t.py
  rayClusterSpec:
    headGroupSpec: {template: {spec: {containers: [{name: h, image: r, resources: {requests: {cpu: 1}}}]}}}
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    said = skyray(command, "--help", cwd=tmp_path / "work")
    assert said.status == 0
    assert said.err == ""
    assert f"skyray {command}" in said.out.split("\n", 1)[1], "an example, beyond the usage line"
    assert said.out == skyray(command, "-h", cwd=tmp_path / "work").out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(command: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    assert COMMANDS[command] in skyray("--help", cwd=tmp_path / "work").out
    assert importlib.import_module(f"reconciler.cli.{command}").command.short_help == COMMANDS[command]


def test_an_unknown_command_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    said = skyray("plna", cwd=tmp_path / "work")
    assert (said.status, said.out) == (2, "")
    assert "There is no command 'plna'. Did you mean 'plan'?" in said.err
    said = skyray("zzzzzz", cwd=tmp_path / "work")
    assert said.status == 2
    assert "`skyray --help` lists them" in said.err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["plan", "--help"], ["size", "-"], ["completion", "zsh"]]
)
def test_help_and_size_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys, json\n"
        "from reconciler.cli.main import main\n"
        f"sys.argv = ['skyray', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=RAY_JOB, capture_output=True, check=True)
    assert done.stdout
    assert HEAVY.isdisjoint(json.loads(done.stderr.splitlines()[-1]))


def _completed(shell: str, words: str, position: int | str, home: Path) -> list[str]:
    """Ask the program for completions as the shell's script does."""
    asked = {"_SKYRAY_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    return program(cwd=home, more=asked).out.split("\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_asks_the_program_and_it_answers(shell: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    said = skyray("completion", shell, cwd=tmp_path / "work")
    assert (said.status, said.err) == (0, "")
    assert f"_SKYRAY_COMPLETE={shell}_complete" in said.out
    position = "re" if shell == "fish" else 1
    answer = "\n".join(_completed(shell, "skyray re", position, tmp_path / "work"))
    assert "reconcile" in answer
    assert "validate" not in answer


def test_bash_itself_completes_commands_choices_and_options(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    (tmp_path / "work").mkdir()
    script = tmp_path / "skyray.bash"
    script.write_text(skyray("completion", "bash", cwd=tmp_path / "work").out)
    ask = (
        f'source {script}; COMP_WORDS=(skyray "$@"); COMP_CWORD=$#; '
        '_skyray_completion skyray; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = {"PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}"}

    def answer(*words: str) -> list[str]:
        done = subprocess.run(
            [bash, "--norc", "-c", ask, "-", *words],
            env=environment(tmp_path) | path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split()

    assert answer("va") == ["validate"]
    assert answer("get", "c") == ["clusters"]
    assert answer("plan", "-o", "j") == ["json"]
    assert "--snapshot" in answer("plan", "--s")
