"""Writes where the time of cycles went, as a file that `python -m pstats` reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def profiled(file: str | None) -> Iterator[None]:
    """Profile what runs inside, and write it to `file` at the end, also after an error; do nothing without a file.

    Raises `UsageError` at the start where the file cannot be written, rather than after the work.
    """
    if file is None:
        yield
        return
    import cProfile

    from reconciler.errors import UsageError

    try:
        Path(file).write_bytes(b"")
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            f"--profile {file}: cannot be written: {why}; name a file in a folder that is there"
        ) from None
    profile = cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        profile.dump_stats(file)
