"""What the emitter writes, and what the loader reads, against the real kubectl and its kustomize, offline."""

from __future__ import annotations

import json
import random
import subprocess
from contextlib import suppress
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
from tests.unit.render.building import KUBECTL

CURATED: list[str] = json.loads((Path(__file__).parents[1] / "unit/manifests/tricky_strings.json").read_text())
LONG_LINES = ["\u200b" * 300, "\u200b" * 163 + "abcd", "x" * 990, "x" * 1000, "x y" * 300, "é" * 900]
LONG = ["x" * 20_000, "x y " * 5_000, "word\n" * 2_000, "é" * 5_000, "a: b " * 1_000, '"' * 3_000]
PIECES = [
    *"01789eETZ.-+:,#&*!%@`'\"\\|><=?[]{}_/$()~abynmk \n\t\ré🚀",
    *["on", "no", "null", "inf", "nan", "Gi", "010", "0x", "0b", "0o", "..", "...", "--", "---", "::"],
    *["  ", "\n\n", "\r\n", ": ", " #", "- ", "\xa0", "\u2028", "\ufeff"],
]
NUMBER_PIECES = [
    "",
    "-",
    "+",
    "0",
    "1",
    "7",
    "8",
    "9",
    "10",
    "_",
    ".",
    "e",
    "E",
    "x",
    "X",
    "b",
    "o",
    "f",
    ":",
    "T",
    " ",
]


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
    printed = kubectl("annotate", "--local", "-f", "object.yaml", "a=b", "-o", "json", cwd=folder)
    read: dict[str, Any] = json.loads(printed, parse_int=go_number)
    return read


def go_number(digits: str) -> int | float:
    """Return what digits mean to Go, which has no integers beyond 64 bits: it prints large floats without a point."""
    return int(digits) if -(1 << 63) <= int(digits) < 1 << 63 else float(digits)


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
    strings = list(dict.fromkeys(CURATED + LONG_LINES + tricky_strings(4_000)))
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
    max_examples=25, phases=[Phase.explicit, Phase.generate], deadline=None, suppress_health_check=list(HealthCheck)
)
@given(objects=st.lists(json_values, min_size=1, max_size=10))
def test_any_object_is_read_back(read: Any, tmp_path_factory: pytest.TempPathFactory, objects: list[Any]) -> None:
    spec = {f"o{number}": value for number, value in enumerate(objects)}
    assert read(emit(thing(spec)), tmp_path_factory.mktemp("any"))["spec"] == spec


def accepted_lines(count: int) -> list[str]:
    """Draw `key: text` lines as people could write them, and keep those that the loader accepts."""
    draw = random.Random(7)
    lines = []
    for number in range(count):
        pieces = NUMBER_PIECES if number % 2 else PIECES
        line = f"  k{number}: {''.join(draw.choices(pieces, k=draw.randint(1, 5)))}\n"
        with suppress(ManifestError):
            documents = load(f"spec:\n{line}  end: x\n".encode(), "f").documents
            if len(documents) == 1 and list(documents[0].body["spec"]) == [f"k{number}", "end"]:
                lines.append(line)
    return lines


@READERS
def test_what_the_loader_accepts_is_read_alike_by_kubectl(read: Any, tmp_path: Path) -> None:
    lines = accepted_lines(6_000)
    words = ["true", "False", "NULL", "~", "", "1e3", "+1", ".5", "1.", "0.1e+3", "0x1F", "-0", "-0.0", "1e-7", "1e21"]
    words += ["7.028519472159558e+16", "9223372036854775807", "-9223372036854775808"]
    words += ["infinity", "0x", "0b12", "=", "a<<"]
    lines += [f"  w{number}: {word}\n" for number, word in enumerate(words)]
    data = ("apiVersion: tests.example/v1\nkind: Thing\nmetadata: {name: x}\nspec:\n" + "".join(lines)).encode()
    (document,) = load(data, "f").documents
    assert len(document.body["spec"]) > 2_000
    assert read(data, tmp_path)["spec"] == document.body["spec"]


def test_the_loader_and_plain_pyyaml_read_back_what_is_emitted() -> None:
    strings = list(dict.fromkeys(CURATED + LONG_LINES + tricky_strings(4_000) + LONG))
    spec = {
        "items": strings,
        "keys": {text: text for text in strings if is_key(text)},
        "numbers": [0, -1, 1.5, 1e300, None],
    }
    emitted = emit(thing(spec))
    assert load(emitted, "f").documents[0].body == thing(spec)
    assert yaml.safe_load(emitted) == thing(spec)


def test_an_octal_file_mode_is_the_number_that_kubectl_and_kustomize_read(tmp_path: Path) -> None:
    manifest = tmp_path / "pod.yaml"
    volumes = "volumes: [{secret: {defaultMode: 0640}}]"
    manifest.write_text(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{{volumes}}}\n")
    (tmp_path / "kustomization.yaml").write_text("resources: [pod.yaml]\n")
    applied: list[str | Path] = [KUBECTL, "annotate", "--local", "-f", manifest, "a=b", "-o", "json"]
    by_kubectl = json.loads(subprocess.run(applied, check=True, capture_output=True).stdout)
    built = subprocess.run([KUBECTL, "kustomize", tmp_path], check=True, capture_output=True).stdout
    (ours,) = load(manifest.read_bytes(), "pod.yaml").documents
    assert ours.body["spec"]["volumes"][0]["secret"]["defaultMode"] == 416
    assert by_kubectl["spec"]["volumes"][0]["secret"]["defaultMode"] == 416
    assert b"defaultMode: 0640" in built or b"defaultMode: 416" in built
