"""Node selector requirements, operator by operator, as kube-scheduler reads them."""

from __future__ import annotations

import pytest

from reconciler.kube_scheduler.node_affinity import matches_term
from reconciler.manifests.podshape import NodeRequirement, NodeTerm
from tests.unit.kube_scheduler.gangmaking import node

CASES = [
    ("In", ("v",), "v", True),
    ("In", ("v",), None, False),
    ("NotIn", ("v",), "v", False),
    ("NotIn", ("v",), None, True),
    ("Exists", (), "v", True),
    ("Exists", (), None, False),
    ("DoesNotExist", (), "v", False),
    ("DoesNotExist", (), None, True),
    ("Gt", ("4",), "5", True),
    ("Gt", ("4",), "4", False),
    ("Lt", ("4",), "3", True),
    ("Lt", ("4",), "many", False),
    ("Lt", ("4", "5"), "3", False),
    ("Gt", ("4",), None, False),
    ("Near", ("v",), "v", False),
]


@pytest.mark.parametrize(("operator", "values", "label", "matches"), CASES)
def test_a_requirement_on_a_label(operator: str, values: tuple[str, ...], label: str | None, *, matches: bool) -> None:
    term = NodeTerm((NodeRequirement("size", operator, values),))
    labels = {} if label is None else {"size": label}
    assert matches_term(term, node("a", labels=labels)) is matches
