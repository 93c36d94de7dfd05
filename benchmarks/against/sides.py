"""The two contenders: this checkout, and an older one that is built beside it in `.bench/`.

Each has a folder, a Python with that folder's dependencies, and an environment in which nothing of the other is found.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

GIT = shutil.which("git") or "git"
MAKE = shutil.which("make") or "make"
ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".bench"
"""Where older checkouts, and results, are kept. .gitignore names it."""


@dataclass(frozen=True, slots=True)
class Side:
    """A contender. `root` is its checkout, `python` the interpreter of its environment, `revision` its commit."""

    name: str
    root: Path
    python: Path
    revision: str

    @property
    def skyray(self) -> str:
        """The `skyray` program of its environment."""
        return str(self.python.parent / "skyray")

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of its processes; `home` gets their caches."""
        return {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            # Its own modules come first, whatever else is installed in the environment.
            "PYTHONPATH": str(self.root),
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "LC_ALL": "C.UTF-8",
        }


def this_checkout() -> Side:
    """Return the side that runs the code of this checkout as it is, uncommitted changes too."""
    revision = _git("describe", "--always", "--dirty", "--abbrev=7", "--exclude=*")
    return Side("ours", ROOT, Path(sys.executable), revision)


def older_checkout(rev: str) -> Side:
    """Return the side that runs `rev`, built on first use with its own `make install`.

    Raises `CalledProcessError` where there is no such revision, or it cannot be installed.
    """
    revision = _git("rev-parse", "--short=7", "--verify", f"{rev}^{{commit}}")
    root = BUILT / revision
    if not (root / "Makefile").exists():
        print(f"unpacking {revision} into {root}", file=sys.stderr)
        archive = subprocess.run(
            [GIT, "archive", "--format=tar", revision],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(root, filter="data")
    # Both sides run on the Python version of this one, so that it is not Python that is compared.
    subprocess.run(
        [MAKE, "--silent", "install", f"PYTHON={sys.executable}"],
        cwd=root,
        stdout=sys.stderr,
        check=True,
    )
    return Side("theirs", root, root / ".venv/bin/python", revision)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        [GIT, *arguments], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return done.stdout.strip()
