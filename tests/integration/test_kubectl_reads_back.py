"""What the emitter writes, and what the loader reads, against the real kubectl and its kustomize, offline."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.errors import ManifestError
from reconciler.manifests.emitter import emit
from reconciler.manifests.intake import is_long_key
from reconciler.manifests.loader import load

KUBECTL = Path(sys.executable).parent / "kubectl"

CURATED = [
    "", " ", "~", "null", "Null", "NULL", "true", "True", "false", "yes", "Yes", "NO", "no", "on", "Off", "y", "n", "Y", "N",
    "nan", ".nan", ".NaN", ".inf", "-.inf", "+.INF", "inf", "Infinity", "-Infinity", "0", "-0", "+1", "-1", "007", "010",
    "08", "0o7", "0O7", "0x1F", "0X1f", "-0x1", "0b11", "0b12", "1_000", "1__0", "0_1", "0x_1", "1e3", "1E3", "1e+3",
    "12e03", "1.5", "1.", ".5", "-.5", "+.5", "1.5e-7", ".", "..", "...", "---", "--- a", "...\na", "1:30", "190:20:30",
    "190:20:30.15", "12:30:45", "2024-01-01", "2024-1-1", "2024-01-01T00:00:00Z", "2024-01-01 10:00:00", "2001-12-14t21:59:43.10-05:00",
    "=", "<<", "<", "-", "- a", "-a", "--flag", "?", "? a", "?a", ":", ": a", ":a", "a:", "a: b", "a:b", "a :b", "a : b", "a#b", "a #b",
    "#", "# c", "&a", "*a", "!a", "!!str a", "%x", "%YAML 1.1", "@x", "`x", "|", "|-", ">", "> a", "'", "''", '"', '""', "'a'", '"a"',
    "\\", "\\n", "a\\", "a'b", 'a"b', "[", "[]", "[a]", "]", "{", "{}", "{a: b}", "}", ",", "a,b", "a, b", "[a", "a]", " a", "a ", "  a  ",
    "a  b", "a   b c", "\t", "\ta", "a\t", "a\tb", "\n", "\n\n", "\na", "a\n", "a\n\n", "a\nb", "a\nb\n", "a\n\nb\n", " a\nb", "a\n b\n",
    "a \nb", "a\t\nb", "a\n\tb\n", "a\n  \nb\n", "\n a", "#!/bin/sh\nset -e\n", "- a\n- b\n", "a: 1\nb: 2\n", "a: |\n  b\n", "---\na\n",
    "a\n---\nb\n", "a\n...\nb\n", "%a\nb\n", "a\n#b\n", "a\r\nb\r\n", "a\rb", "\r", "\r\n", "\x01", "\x07", "\x1b[31m",
    "\x1f", "\xa0", "\xa0a", "\xad", "é", "日本語", "\u2028", "a\u2028b", "a\u2029\nb", "\u200b", "\u202e", "\ufeff",
    "\ufeffa", "a\ufeff\nb\n", "\ufffd", "🚀", "👩‍👩‍👧", "🚀\n🚀\n", "\U0001ffff", "\U0010ffff", "\U000e0001", "ʼ", "ｙ", "٣", "１",
    "500m", "12G", "16Gi", "1.5Gi", "5E", "5e", "0.5", "1n", "3u", "10Ki", "100k", "https://a.b:80/c?d=e&f#g", "python a.py --lr 1e-3 -- x",
    "rayproject/ray:2.9.0", "$(HOME)", "${HOME}", "{{ .Values }}", "a=b", "=a", "a@b", "a%", "(a)", "a;b", "a|b", "a>b", "a<b", "a&b", "a*b", "a!",
    "\u200b" * 300, "\u200b" * 163 + "abcd", "x" * 990, "x" * 1000, "x y" * 300, "é" * 900,
]  # fmt: skip
LONG = ["x" * 20_000, "x y " * 5_000, "word\n" * 2_000, "é" * 5_000, "a: b " * 1_000, '"' * 3_000]
PIECES = (
    "a b y n on no null ~ 0 1 7 9 010 e E . - + : , # & * ! % @ ` ' \" \\ | > < = ? [ ] { } _ / $ ( ) 0x 0b 0o Gi m k T Z inf nan"
    " -- --- ... :: \xa0 \u2028 \ufeff é 🚀"
).split(" ") + [" ", "  ", "\n", "\n\n", "\t", "\r", "\r\n", ": ", " #", "- "]


def tricky_strings(count: int) -> list[str]:
    """Draw strings out of pieces that mean something in YAML; the seed makes each run the same."""
    draw = random.Random(20)
    return ["".join(draw.choices(PIECES, k=draw.randint(1, 6))) for _ in range(count)]


def kubectl(*argv: str, cwd: Path) -> str:
    done = subprocess.run([str(KUBECTL), *argv], cwd=cwd, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    return done.stdout.decode()


def read_by_kubectl(data: bytes, folder: Path) -> dict[str, Any]:
    """Return what `kubectl apply -f` would send."""
    (folder / "object.yaml").write_bytes(data)
    read: dict[str, Any] = json.loads(
        kubectl("annotate", "--local", "-f", "object.yaml", "a=b", "-o", "json", cwd=folder)
    )
    return read


def read_by_kustomize(data: bytes, folder: Path) -> dict[str, Any]:
    """Return what `kubectl apply -k` would send."""
    (folder / "base").mkdir(exist_ok=True)
    (folder / "base" / "object.yaml").write_bytes(data)
    (folder / "base" / "kustomization.yaml").write_text("resources: [object.yaml]\n")
    return read_by_kubectl(kubectl("kustomize", "base", cwd=folder).encode(), folder)


READERS = pytest.mark.parametrize("read", [read_by_kubectl, read_by_kustomize], ids=["apply -f", "apply -k"])


def thing(spec: object) -> dict[str, Any]:
    return {"apiVersion": "tests.example/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec}


@READERS
def test_tricky_strings_are_read_back_as_values_and_keys_and_items(read: Any, tmp_path: Path) -> None:
    strings = list(dict.fromkeys(CURATED + tricky_strings(4_000)))
    spec = {
        "values": {f"k{number}": text for number, text in enumerate(strings + LONG)},
        "keys": {text: number for number, text in enumerate(strings) if is_key(text)},
        "items": strings + LONG,
        "nested": [{text + "'": {"a": [text, [text, {text + " ": [text]}]]}} for text in strings if is_key(text + "'")],
    }
    assert read(emit(thing(spec)), tmp_path)["spec"] == spec


def is_key(text: str) -> bool:
    return text != "<<" and not is_long_key(text)


CARRIED = st.characters(exclude_categories=["Cs", "Cc"]).filter(lambda char: char not in "\ufffe\uffff")
numbers = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not number.is_integer() or not 2**53 < abs(number) < 2**63  # kubectl makes these integers
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | numbers
    | st.text(CARRIED, max_size=20)
    | st.sampled_from(CURATED)
    | st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.sampled_from(CURATED).filter(is_key) | st.text("a: -#\n~01e", max_size=6), inner, max_size=6
        )
    ),
    max_leaves=20,
)


@READERS
@settings(
    max_examples=10, phases=[Phase.explicit, Phase.generate], deadline=None, suppress_health_check=list(HealthCheck)
)
@given(objects=st.lists(json_values, min_size=60, max_size=60))
def test_any_object_is_read_back(read: Any, tmp_path_factory: pytest.TempPathFactory, objects: list[Any]) -> None:
    spec = {f"o{number}": value for number, value in enumerate(objects)}
    assert read(emit(thing(spec)), tmp_path_factory.mktemp("any"))["spec"] == spec
