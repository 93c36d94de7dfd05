"""Field paths and JSON pointers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.policy.fieldpath import parse_field_path, parse_pointer, pointer


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (
            "spec.template.spec.containers[0].env[0].value",
            ("spec", "template", "spec", "containers", 0, "env", 0, "value"),
        ),
        ("metadata.labels['a.b/c']", ("metadata", "labels", "a.b/c")),
        ('metadata.annotations["x[0]"].y', ("metadata", "annotations", "x[0]", "y")),
        ("spec", ("spec",)),
    ],
)
def test_a_field_path_is_read_step_by_step(text: str, steps: tuple[str | int, ...]) -> None:
    assert parse_field_path(text) == steps


@pytest.mark.parametrize("text", ["", ".spec", "spec.", "spec..a", "a[b]", "a[0", "a['b]", "a]b", "a[0]b"])
def test_what_is_no_field_path_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as in spec\.|name a field"):
        parse_field_path(text)


@given(st.lists(st.text(), min_size=1))
def test_a_pointer_is_read_as_it_was_written(steps: list[str]) -> None:
    assert parse_pointer(pointer(steps)) == tuple(steps)


@pytest.mark.parametrize("text", ["", "spec/replicas", "/a~2"])
def test_what_is_no_pointer_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_pointer(text)
