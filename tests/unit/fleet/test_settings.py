"""fleet.yaml."""

from __future__ import annotations

import pytest

from reconciler.errors import InputError
from reconciler.fleet.settings import Guards, NamespaceLimits, read_fleet
from reconciler.manifests.kinds import problems

HEAD = "apiVersion: skyray.dev/v1alpha1\nkind: Fleet\nmetadata: {name: fleet}\n"


def test_only_the_engine_has_no_default() -> None:
    fleet = read_fleet(f"{HEAD}spec: {{engine: flux}}\n".encode())
    assert fleet.engine == "flux"
    assert fleet.branch == "main"
    assert fleet.limits.snapshot_max_age == 600
    assert fleet.limits.cluster_timeout == 10
    assert fleet.forge == ""


def test_all_settings_are_read() -> None:
    text = HEAD + (
        "spec:\n  engine: argocd\n  branch: release/2026-11\n  limits: {snapshotMaxAge: 1h, clusterTimeout: 2s}\n"
        "  guards: {maxRemovedShare: 0.5, alwaysRemovable: 0}\n  forge: {type: gitlab}\n"
    )
    fleet = read_fleet(text.encode())
    assert (fleet.branch, fleet.limits.snapshot_max_age, fleet.limits.cluster_timeout) == ("release/2026-11", 3600, 2)
    assert fleet.guards == Guards(max_removed_share=0.5, always_removable=0)
    assert fleet.forge == "gitlab"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{}", "fleet.yaml:4:7: spec.engine is missing"),
        ("{engine: argo}", "fleet.yaml:4:16: spec.engine is 'argo'; use argocd or flux"),
        ("{engine: flux, guards: {maxRemovedShare: 20%}}", "spec.guards.maxRemovedShare is '20%'"),
        ("{engine: flux, guards: {maxRemovedShare: 2}}", "less than or equal to 1"),
        ("{engine: flux, limits: {snapshotMaxAge: 10}}", "is not a duration"),
        ("{engine: flux, brnch: a}", "did you mean 'branch'?"),
        ("{engine: flux, limits: {perNamespace: {bytes: much}}}", "spec.limits.perNamespace.bytes"),
        ("{engine: flux, limits: {perNamespace: {bytes: 0}}}", "0 is not a size; write bytes such as 64Mi"),
        ("{engine: flux, limits: {perNamespace: {groups: 0}}}", "greater than or equal to 1"),
        ("{engine: flux, limits: {decisionsPerCycle: 0}}", "greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_reported_with_its_place(spec: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_fleet(f"{HEAD}spec: {spec}\n".encode())
    [problem] = problems(caught.value)
    assert said in str(problem)


@pytest.mark.parametrize(
    "branch",
    ["--upload-pack=x", "-a", "a..b", "a//b", "a.lock", "a/", "a b", "a~1", "a:b", "a^", "", ".a", "a/.b", "@{1}"],
)
def test_a_branch_cannot_be_an_option_or_an_expression_of_git(branch: str) -> None:
    with pytest.raises(InputError, match="not a plain branch name"):
        read_fleet(f"{HEAD}spec: {{engine: flux, branch: {branch!r}}}\n".encode())


def test_limits_are_numbers_and_sizes() -> None:
    limits = "{decisionsPerCycle: 7, perNamespace: {groups: 1, bytes: 2Ki}}"
    fleet = read_fleet(f"{HEAD}spec: {{engine: flux, limits: {limits}}}\n".encode())
    assert fleet.limits.decisions_per_cycle == 7
    assert fleet.limits.per_namespace == NamespaceLimits(groups=1, files=40_000, bytes=2048)


def test_the_guard_lets_a_few_go_and_then_a_share() -> None:
    guards = Guards()
    assert guards.allows(removed=3, placed=3)
    assert not guards.allows(removed=4, placed=10)
    assert guards.allows(removed=20, placed=100)
    assert not guards.allows(removed=21, placed=100)


def test_the_file_holds_exactly_one_fleet() -> None:
    with pytest.raises(InputError, match="exactly one Fleet"):
        read_fleet(b"")
