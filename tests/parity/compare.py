"""Compares two recordings: `python -m tests.parity.compare A.json.gz B.json.gz`; exits with 1 where they differ."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS = frozenset({"message", "warnings", "error", "stopped"})
"""Fields that `--no-words` leaves out; of a candidate it is the last part."""

_GONE = "(nothing)"


def read(path: Path) -> dict[str, list[Any]]:
    """Return the answers of a recording by case."""
    found: dict[str, list[Any]] = json.loads(gzip.decompress(path.read_bytes()))
    return found


def without_words(value: Any, field: str = "") -> Any:
    """Return an answer without its sentences."""
    if isinstance(value, dict):
        return {key: without_words(one, key) for key, one in value.items() if key not in WORDS}
    if isinstance(value, list):
        if field == "candidates":
            return [one[:-1] for one in value]
        return [without_words(one, field) for one in value]
    return value


def differences(before: Any, after: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, Any]]:
    """Yield each place where two answers differ, with what stood there and what stands there now."""
    if before == after:
        return
    if isinstance(before, list) and isinstance(after, list) and _named(before) and _named(after):
        old, new = ({one["group"]: one for one in side} for side in (before, after))
        if [*old] != [*new] and sorted(old) == sorted(new):
            yield " ".join((*at, "order")), [*old], [*new]
        yield from differences(old, new, at)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key, _GONE), after.get(key, _GONE), (*at, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, (*at, str(number)))
    else:
        yield " ".join(at), before, after


def _named(items: list[Any]) -> bool:
    names = [one.get("group") for one in items if isinstance(one, dict)]
    return len(names) == len(items) == len(set(names)) > 0 and None not in names


def main() -> None:
    """Print what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--no-words", action="store_true", help="leave out messages and warnings")
    parser.add_argument("--first", type=int, default=20, metavar="K", help="how many differences to print (20)")
    chosen = parser.parse_args()
    before, after = read(chosen.before), read(chosen.after)
    if chosen.no_words:
        before, after = without_words(before), without_words(after)
    cases, plans, shown, fields = 0, 0, 0, Counter[str]()
    for name in sorted({*before, *after}):
        old, new = before.get(name, []), after.get(name, [])
        if old == new:
            continue
        cases += 1
        for number in range(max(len(old), len(new))):
            sides = [side[number] if number < len(side) else _GONE for side in (old, new)]
            found = list(differences(sides[0], sides[1]))
            plans += bool(found)
            for place, one, other in found:
                fields[place.split(" ", 1)[0] or "whole"] += 1
                if shown < chosen.first:
                    shown += 1
                    print(f"{name}, generation {number // 2}, {('cycle', 'second plan')[number % 2]}, {place}:")
                    print(f"    {_short(one)}\n -> {_short(other)}")
    print(f"{cases} of {len({*before, *after})} cases differ, in {plans} plans")
    if fields:
        print("differences by field: " + ", ".join(f"{field} {count}" for field, count in fields.most_common()))
    sys.exit(bool(cases))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 600 else f"{text[:600]} ..."


if __name__ == "__main__":
    main()
