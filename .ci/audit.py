"""Audits the locked dependencies for known vulnerabilities.

Where the advisory database does not answer for a package, the audit of that package cannot be done: it
says so and how many, and does not fail the build for it; any vulnerability that is found does.
`SKYRAY_AUDIT=required` makes packages that were not audited an error too.
"""

import os
import subprocess
import sys
from pathlib import Path

OFFLINE = ("ConnectionError", "ServiceError", "Max retries", "HTTPError", "Forbidden")


def main() -> int:
    """Run pip-audit on the lock file; return 1 when it finds a vulnerability or fails in a way that is not offline."""
    program = Path(sys.executable).with_name("pip-audit")
    lock = Path("requirements-dev.lock")  # holds all that requirements.lock holds
    run = subprocess.run(
        [
            str(program),
            "--require-hashes",
            "--disable-pip",
            "--progress-spinner=off",
            "-r",
            str(lock),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    text = run.stdout + run.stderr
    locked = sum("==" in line for line in lock.read_text().splitlines())
    missed = text.count("could not be audited")
    if (
        run.returncode
        and any(sign in text for sign in OFFLINE)
        and "vulnerabilit" not in run.stdout
    ):
        missed, run.returncode = locked, 0
    elif run.returncode:
        sys.stdout.write(text)
        return run.returncode
    sys.stdout.write(
        f"audit: {locked - missed} of {locked} locked packages audited, no known vulnerability\n"
    )
    if missed:
        sys.stdout.write(
            f"audit: {missed} NOT audited: the advisory database does not answer for them from here\n"
        )
    return int(bool(missed) and os.environ.get("SKYRAY_AUDIT") == "required")


if __name__ == "__main__":
    sys.exit(main())
