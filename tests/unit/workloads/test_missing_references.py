"""Warnings where an object and what it refers to are on different clusters, by different policies."""

from __future__ import annotations

import pytest

from reconciler.workloads.group import GroupKey
from reconciler.workloads.missing_references import missing_references
from tests.unit.workloads.reading import config_map, deployment, grouped, policy, uses

WEB, CODE = GroupKey("team", "deployment-web"), GroupKey("team", "configmap-code")
PODS = policy("pods", selects="{kinds: [Deployment]}")
MAPS = policy("maps", selects="{kinds: [ConfigMap]}")


@pytest.mark.parametrize(
    ("user", "target", "lacking"),
    [
        ({"a"}, {"a"}, None),
        ({"a"}, {"a", "b"}, None),
        ({"a", "b", "c"}, {"a"}, "b, c"),
        ({"a"}, set(), "a"),
        (set(), {"a"}, None),
    ],
)
def test_each_cluster_of_the_user_that_lacks_the_target_is_named(
    user: set[str], target: set[str], lacking: str | None
) -> None:
    groups = grouped({"web.yaml": deployment("web", uses("code")), "code.yaml": config_map("code")}, PODS, MAPS).groups
    found = tuple(line for _, line in missing_references(groups, {WEB: frozenset(user), CODE: frozenset(target)}))
    assert len(found) == (lacking is not None)
    if lacking is not None:
        assert found[0].startswith(f"workloads/team/web.yaml:1:1: Deployment team/web is on {lacking}, ")
        assert "ConfigMap team/code" in found[0]
        assert "policy maps" in found[0]


def test_an_optional_reference_is_not_missed() -> None:
    files = {"web.yaml": deployment("web", uses("code", optional=True)), "code.yaml": config_map("code")}
    assert not list(missing_references(grouped(files, PODS, MAPS).groups, {WEB: frozenset({"a"})}))


def test_a_companion_is_where_its_user_is() -> None:
    files = {"web.yaml": deployment("web", uses("code")), "code.yaml": config_map("code")}
    assert not list(missing_references(grouped(files).groups, {WEB: frozenset({"a"})}))
