"""Keeps the answers of a revision: `python -m tests.parity.record REV` writes `.parity/REV.json.gz`.

A comparison takes two commands, run at the root of a checkout:

    python -m tests.parity.record REV && python -m tests.parity.driver .parity/here.json.gz
    python -m tests.parity.compare .parity/REV.json.gz .parity/here.json.gz

The driver runs on the revision's own code, in a worktree in a temporary folder. The files of this folder are copied
there, so that both sides get the same cases. Only `adapter.py` is the revision's own where it has one, since that is
what fits its code; that of this checkout fits 037e108 as well, which has none. `--cases 30` takes some seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def record(revision: str, out: Path, more: list[str]) -> None:
    """Write the answers of `revision` to `out`; `more` are arguments for its driver."""
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(tree), revision)
        try:
            target = tree / "tests" / "parity"
            target.mkdir(parents=True, exist_ok=True)
            for file in sorted(HERE.glob("*.py")):
                if file.name != "adapter.py" or not (target / file.name).exists():
                    shutil.copy(file, target / file.name)
            command = [sys.executable, "-m", "tests.parity.driver", str(out.absolute()), *more]
            subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, check=True)
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)  # noqa: S607


def main() -> None:
    """Record one revision; arguments that are not known here go to the driver."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    parser.add_argument("--out", type=Path, help="the file to write (.parity/REV.json.gz)")
    chosen, more = parser.parse_known_args()
    out = chosen.out or ROOT / ".parity" / f"{chosen.revision.replace('/', '-')}.json.gz"
    record(chosen.revision, out, more)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
