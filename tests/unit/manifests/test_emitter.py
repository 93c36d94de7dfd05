from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.emitter import emit, emit_all
from reconciler.manifests.intake import UNCARRIED
from reconciler.manifests.loader import load

TRICKY: list[str] = json.loads(Path(__file__).with_name("tricky_strings.json").read_text())


def test_manifests_are_written_as_people_write_them() -> None:
    job = {
        "apiVersion": "ray.io/v1",
        "metadata": {"name": "train", "labels": {}, "annotations": {"skyray.dev/source": "0123456"}},
        "spec": {
            "entrypoint": "python train.py --lr 1e-3",
            "script": "#!/bin/sh\n\nset -e\n  echo hi\n",
            "list": [{"name": "a", "image": "rayproject/ray:2.9.0"}, {"name": "b", "args": ["x", "-y"]}, [1, [2]], []],
            "requests": {"cpu": "4", "memory": "16Gi", "gpu": 1, "share": 0.5, "on": True, "no": None},
        },
    }
    assert (
        emit(job).decode()
        == """\
apiVersion: ray.io/v1
metadata:
  name: train
  labels: {}
  annotations:
    skyray.dev/source: "0123456"
spec:
  entrypoint: python train.py --lr 1e-3
  script: |
    #!/bin/sh

    set -e
      echo hi
  list:
  - name: a
    image: rayproject/ray:2.9.0
  - name: b
    args:
    - x
    - "-y"
  - - 1
    - - 2
  - []
  requests:
    cpu: "4"
    memory: 16Gi
    gpu: 1
    share: 0.5
    "on": true
    "no": null
"""
    )


def test_several_objects_are_several_documents() -> None:
    assert emit_all([{"a": 1}, {"b": 2}]) == b"a: 1\n---\nb: 2\n"
    assert emit_all([]) == b""


@pytest.mark.parametrize(
    "text", ["no", "Yes", "y", "ON", "null", "NaN", "1e3", "010", "1:30", "2024-01-01", "~", "", "0x1F"]
)
def test_text_that_a_reader_could_take_for_something_else_is_quoted(text: str) -> None:
    assert emit({"a": text, text: 1, "b": [text]}).decode() == f'a: "{text}"\n"{text}": 1\nb:\n- "{text}"\n'


@pytest.mark.parametrize("text", ["a\n", "a\nb", "a: b\n\n- c\n", "a\n\tb\n", "# c\n"])
def test_lines_that_stay_exact_are_a_literal_block(text: str) -> None:
    emitted = emit({"a": text})
    assert emitted.startswith(b"a: |")
    assert load(emitted, "f").documents[0].body == {"a": text}


@pytest.mark.parametrize(
    "text", [" a\n", "a \nb", "\na", "a\n\n", "a\r\nb", "a\u2028\nb", "\ta\n", "a\n \nb", "a\x1b\n"]
)
def test_lines_that_would_not_stay_exact_are_quoted(text: str) -> None:
    emitted = emit({"a": text})
    assert emitted.startswith(b'a: "')
    assert emitted.count(b"\n") == 1
    assert load(emitted, "f").documents[0].body == {"a": text}


def test_hidden_characters_are_escaped_and_visible_ones_are_not() -> None:
    assert (
        emit({"a": "é🚀", "b": "x\u202ey\u200b\U000e0041"}).decode() == 'a: "é🚀"\nb: "x\\u202ey\\u200b\\U000e0041"\n'
    )


def test_lines_are_never_folded() -> None:
    assert emit({"a": "word " * 999 + "end"}).count(b"\n") == 1


def test_shared_objects_are_written_out() -> None:
    shared = {"x": [1]}
    assert emit({"a": shared, "b": shared}) == b"a:\n  x:\n  - 1\nb:\n  x:\n  - 1\n"


@pytest.mark.parametrize(
    ("number", "text"), [(1e21, "1.0e+21"), (1e-7, "1.0e-07"), (1.5e300, "1.5e+300"), (-0.25, "-0.25")]
)
def test_floats_have_a_point_for_the_readers_that_need_one(number: float, text: str) -> None:
    assert emit({"a": number}) == f"a: {text}\n".encode()


@pytest.mark.parametrize("wrong", [{1: "a"}, {None: 1}, {True: 1}, {"a": object()}, {"a": {1}}, {"a": b"x"}])
def test_what_is_not_json_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError):
        emit(wrong)


UNWRITABLE = [float("inf"), float("nan"), 2**63, -(2**63) - 1, "\ud800", "a\x00b", "\x7f", "\x85", "\uffff"]


@pytest.mark.parametrize("wrong", [*({"a": value} for value in UNWRITABLE), {"<<": 1}, {"x" * 1001: 1}])
def test_what_kubernetes_or_kustomize_cannot_hold_is_a_value_error(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"cannot be written to a manifest|64 bits"):
        emit(wrong)


texts = st.text(max_size=30).filter(lambda text: not UNCARRIED.search(text)) | st.sampled_from(TRICKY)
bodies = st.dictionaries(
    texts.filter("<<".__ne__),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts.filter("<<".__ne__), inner, max_size=4),
        max_leaves=12,
    ),
    min_size=1,
    max_size=5,
).filter(lambda body: "kind" not in body)


@given(bodies)
def test_whatever_is_written_is_read_back_and_written_the_same_again(body: dict[str, Any]) -> None:
    emitted = emit(body)
    (document,) = load(emitted, "f").documents
    assert document.body == body
    assert list(document.body) == list(body)
    assert emit(document.body) == emitted


@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not 2**53 < abs(number) < 2**63))
def test_floats_are_read_back(number: float) -> None:
    assert load(emit({"a": number}), "f").documents[0].body == {"a": number}
