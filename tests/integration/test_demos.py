"""The stories of `skyray demo`: where each group goes and why, and that the description of each story is true."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reconciler.cli.demos.stories import STORIES
from tests.commands import Said, skyray
from tests.integration.git_http import git
from tests.unit.render.building import kustomize

FITS = "all {} pods fit"
GROWS = "all 4 pods fit after adding 2 nodes of pool {0}; costs {1} per hour for 2 nodes of pool {0}"
QUEUED = "{} is the only eligible cluster and has no capacity now, so Kubernetes queues the pods there: "
PASSED_OVER = "{}, which the policy ranks higher, was not chosen: "
NO_GPU = "worker gpu-group needs nvidia.com/gpu 1, largest free 0"

DECISIONS = {
    "fill-and-spill": [
        ("rayjob1/rayjob", "static-cluster", "FitsNow", FITS.format(4)),
        ("rayjob2/rayjob", "static-cluster", "FitsNow", FITS.format(4)),
        (
            "rayjob3/rayjob",
            "dynamic-cluster",
            "FitsAfterScaleUp",
            f"{GROWS.format('l4', '1.42')}; {PASSED_OVER.format('static-cluster')}1 of 4 pods fit; {NO_GPU}",
        ),
    ],
    "fill-no-spill": [
        ("rayjob1/rayjob", "static-cluster", "FitsNow", FITS.format(4)),
        ("rayjob2/rayjob", "static-cluster", "FitsNow", FITS.format(4)),
        ("rayjob3/rayjob", "static-cluster", "Queued", f"{QUEUED.format('static-cluster')}1 of 4 pods fit; {NO_GPU}"),
    ],
    "right-cluster": [
        ("development/chat", "development-cluster", "FitsNow", FITS.format(2)),
        ("production/chat", "production-cluster", "FitsNow", FITS.format(2)),
        (
            "development/translate",
            "development-cluster",
            "Queued",
            f"{QUEUED.format('development-cluster')}1 of 2 pods fit; {NO_GPU}",
        ),
    ],
    "task-cluster": [
        ("rag/ingestion", "cpu-cluster", "FitsNow", FITS.format(4)),
        ("rag/serving", "serving-cluster", "FitsNow", FITS.format(4)),
    ],
    "cost": [
        ("rayjob1/rayjob", "owned-cluster", "FitsNow", FITS.format(4)),
        (
            "rayjob2/rayjob",
            "azure-cluster",
            "FitsAfterScaleUp",
            f"{GROWS.format('t4-spot', '0.56')} (spot), gcp-cluster costs 1.42 per hour for 2 nodes of pool l4",
        ),
        (
            "rayjob3/rayjob",
            "gcp-cluster",
            "FitsAfterScaleUp",
            f"{GROWS.format('l4', '1.42')}, aws-cluster costs 2.02 per hour for 2 nodes of pool g6",
        ),
        ("rayjob4/rayjob", "aws-cluster", "FitsAfterScaleUp", GROWS.format("g6", "2.02")),
    ],
}

STANDS = {
    "fill-and-spill": {"static-cluster": ["RayJob rayjob1", "RayJob rayjob2"], "dynamic-cluster": ["RayJob rayjob3"]},
    "fill-no-spill": {
        "static-cluster": ["RayJob rayjob1", "RayJob rayjob2", "RayJob rayjob3"],
        "dynamic-cluster": [],
    },
    "right-cluster": {
        "production-cluster": ["RayService production"],
        "development-cluster": ["RayService development", "RayService development"],
    },
    "task-cluster": {
        "cpu-cluster": ["ConfigMap rag", "ExternalSecret rag", "Job rag"],
        "serving-cluster": ["ConfigMap rag", "Deployment rag", "RayService rag", "Service rag"],
    },
    "cost": {
        "owned-cluster": ["RayJob rayjob1"],
        "azure-cluster": ["RayJob rayjob2"],
        "gcp-cluster": ["RayJob rayjob3"],
        "aws-cluster": ["RayJob rayjob4"],
    },
}
"""What Argo CD or Flux would apply to each cluster: kinds and namespaces."""

SENTINEL = "ConfigMap default"

Played = tuple[str, Path, Said]


@pytest.fixture(scope="module", params=list(STORIES))
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    home = tmp_path_factory.mktemp("home")
    return request.param, home / "demo", skyray("demo", request.param, cwd=home)


def test_each_group_goes_where_the_story_says_and_for_that_reason(played: Played) -> None:
    name, _, said = played
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    header = [STORIES[name].noun, "CLUSTER", "VERDICT", "WHY"]
    start = next(i for i, line in enumerate(lines) if line.split() == header)
    rows = [tuple(line.split(maxsplit=3)) for line in lines[start + 1 : start + 1 + len(DECISIONS[name])]]
    assert rows == DECISIONS[name]
    assert lines[start + 1 + len(DECISIONS[name])] == "", "one line a group, and no more"


def test_it_is_readable_on_one_screen_and_says_what_clusters_there_are(played: Played) -> None:
    name, _, said = played
    assert len(said.out.splitlines()) <= 45
    assert said.out.startswith(f"{name}: a fleet repo with {len(STORIES[name].clusters)} clusters, in demo/\n")
    for cluster in STORIES[name].clusters:
        assert any(line.startswith(f"{cluster}  ") and line.endswith(".") for line in said.out.splitlines())


def test_the_records_in_the_repo_say_the_same_and_the_commits_too(played: Played) -> None:
    name, top, _ = played
    subjects = git(top, "log", "--format=%s").split("\n")
    for group, cluster, reason, message in DECISIONS[name]:
        record = yaml.safe_load((top / f"placements/{group}.yaml").read_text())
        assert [copy["cluster"] for copy in record["spec"]["copies"]] == [cluster]
        assert (record["status"]["reason"], record["status"]["message"]) == (reason, message)
        assert f"place {group} on {cluster}" in subjects
    assert git(top, "status", "--porcelain") == ""


def test_kustomize_builds_what_each_cluster_gets(played: Played) -> None:
    name, top, _ = played
    assert set(STANDS[name]) == set(STORIES[name].clusters)
    for cluster, wanted in STANDS[name].items():
        objects = kustomize(top / "clusters" / cluster)
        found = sorted(f"{one['kind']} {one['metadata'].get('namespace', '')}" for one in objects)
        own = [one for one in found if one.split()[0] != "Namespace" and one != SENTINEL]
        if name != "task-cluster":
            own = [one for one in own if not one.startswith("ConfigMap")]
        assert own == wanted, cluster


def test_what_it_suggests_works_and_a_second_cycle_does_nothing(played: Played) -> None:
    name, top, said = played
    hints = [hint for hint, _ in STORIES[name].hints if hint.startswith("skyray ")]
    assert hints
    for hint in hints:
        assert hint in said.out
        words = [str(path) for word in hint.split()[1:] for path in (sorted(top.glob(word)) if "*" in word else [word])]
        answer = skyray(*words, cwd=top)
        assert answer.status == 0, (hint, answer.err)
        assert answer.out
    assert skyray("validate", cwd=top).out.endswith(": all valid\n")
    assert "warning" not in skyray("validate", cwd=top).out
    assert skyray("reconcile", cwd=top).out.startswith("nothing to do: ")


def test_a_word_that_is_no_scenario_is_the_directory(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    said = skyray("demo", "./cost", cwd=tmp_path / "work")
    assert said.status == 0
    assert said.out.startswith("fill-and-spill: a fleet repo with 2 clusters, in cost/\n")
    assert (tmp_path / "work/cost/fleet.yaml").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("cots", "there"), "there is no scenario 'cots': did you mean cost? they are fill-and-spill, fill-no-spill"),
        (("fill-no-spil",), "did you mean fill-no-spill? they are"),
        (("fill-no-spil",), "for a directory of that name write ./fill-no-spil"),
        (("cost", "here", "there"), "one directory is enough: leave out there"),
        (("file",), "file is a file: name a directory"),
        (("cost", "file"), "file is a file: name a directory"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused_and_nothing_is_written(
    words: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("")
    said = skyray("demo", *words, cwd=work)
    assert (said.status, said.out) == (2, "")
    assert expected in said.err
    assert [path.name for path in work.iterdir()] == ["file"]
