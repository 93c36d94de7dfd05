"""The order of the queue, and warnings of priority classes that no manifest defines."""

from __future__ import annotations

import pytest

from reconciler.policy.priority_class import PriorityClasses
from reconciler.workloads.group import Group, Source
from reconciler.workloads.queue import queue_key, unknown_classes
from tests.unit.workloads.reading import deployment, grouped, policy

CLASSES = PriorityClasses({"high": 100, "low": -100}, default=10)


def group(name: str = "a", *, priority: int = 0, pod: str = "", age: float = 1, replicas: int = 1) -> Group:
    files = {"a.yaml": deployment(name, pod, replicas=replicas)}
    sources = {"workloads/team/a.yaml": Source("c", age)}
    return grouped(files, policy("p", f"priority: {priority}"), sources=sources).groups[0]


HIGH, LOW = "priorityClassName: high", "priorityClassName: low"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (group(priority=1, pod=LOW, age=9), group(priority=0, pod=HIGH, age=1)),
        (group(pod=HIGH, age=9), group(pod="", age=1)),
        (group(pod="", age=9), group(pod=LOW, age=1)),
        (group(pod="priorityClassName: nowhere", age=9), group(pod=LOW, age=1)),
        (group("z", age=1), group("a", age=2)),
        (group("a"), group("b")),
    ],
    ids=["policy", "class", "default class", "unknown class counts 0", "age", "name"],
)
def test_what_comes_first(first: Group, second: Group) -> None:
    assert queue_key(first, CLASSES) < queue_key(second, CLASSES)


def test_without_pods_the_default_class_counts() -> None:
    assert queue_key(group(pod=HIGH, replicas=0), CLASSES)[1] == -CLASSES.default


def test_an_unknown_class_is_one_warning_at_its_first_group() -> None:
    unknown = "priorityClassName: nowhere"
    groups = [group("a", pod=unknown), group("b", pod=unknown), group("c", pod=HIGH), group("d")]
    (warning,) = unknown_classes(groups, CLASSES)
    assert warning.startswith("workloads/team/a.yaml:1:1: priority class nowhere of group team/deployment-a")
