"""The messages of the problems of a Ray resource, by severity."""

from __future__ import annotations

from reconciler.ray.validation import Severity, problems
from tests.unit.ray.rayobjects import Body


def errors(body: Body) -> list[str]:
    return [problem.message for problem in problems(body) if problem.severity is Severity.ERROR]


def warnings(body: Body) -> list[str]:
    return [problem.message for problem in problems(body) if problem.severity is Severity.WARNING]
