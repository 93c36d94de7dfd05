"""`skyray size` as a program: data to standard output, errors with their place to standard error, exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciler.cli.main import cli
from reconciler.errors import UsageError

JOB = """\
apiVersion: ray.io/v1
kind: RayJob
metadata:
  name: train
  namespace: team-a
spec:
  rayClusterSpec:
    headGroupSpec:
      template:
        spec:
          containers: [{name: ray, image: ray, resources: {requests: {cpu: 500m, memory: 1Gi}}}]
    workerGroupSpecs:
      - groupName: gpu
        replicas: 2
        template:
          spec:
            containers: [{name: ray, image: ray, resources: {limits: {nvidia.com/gpu: "1", memory: 12G, cpu: "4"}}}]
"""


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["size", *arguments], input=given)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    file = tmp_path / "job.yaml"
    file.write_text(JOB)
    return file


def test_json_has_the_documented_form(job: Path) -> None:
    result = run(str(job), "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [
        {
            "kind": "RayJob",
            "namespace": "team-a",
            "name": "train",
            "pods": [
                {"role": "head", "group": "headgroup", "count": 1, "requests": {"cpu": "500m", "memory": "1Gi"}},
                {
                    "role": "worker",
                    "group": "gpu",
                    "count": 2,
                    "requests": {"cpu": "4", "memory": "12G", "nvidia.com/gpu": "1"},
                },
                {"role": "submitter", "group": "", "count": 1, "requests": {"cpu": "500m", "memory": "200Mi"}},
            ],
        }
    ]


def test_the_table_has_a_line_a_pod_set_and_a_total(job: Path) -> None:
    result = run(str(job))
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["OBJECT", "PODS", "COUNT", "CPU", "MEMORY", "NVIDIA.COM/GPU"],
        ["RayJob", "team-a/train", "head", "1", "500m", "1Gi", "-"],
        ["worker", "gpu", "2", "4", "12G", "1"],
        ["submitter", "1", "500m", "200Mi", "-"],
        ["total", "4", "9", "24690876Ki", "2"],
    ]


def test_standard_input_is_read_for_a_dash(job: Path) -> None:
    result = run("-", "-o", "json", given=JOB)
    assert result.exit_code == 0
    assert result.stdout == run(str(job), "-o", "json").stdout


def test_several_files_are_told_in_their_order(job: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(JOB.replace("name: train", "name: other"))
    names = [one["name"] for one in json.loads(run(str(other), str(job), "-o", "json").stdout)]
    assert names == ["other", "train"]


def test_objects_without_pods_print_nothing(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    assert (run(str(file)).stdout, run(str(file)).exit_code) == ("", 0)
    assert json.loads(run(str(file), "-o", "json").stdout) == []


def test_an_invalid_object_is_told_with_its_place_and_the_others_are_sized(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(JOB.replace("replicas: 2", 'replicas: "2"') + "---\n" + JOB.replace("name: train", "name: good"))
    result = run(str(bad), "-o", "json")
    assert result.exit_code == 1
    assert [one["name"] for one in json.loads(result.stdout)] == ["good"]
    field = "spec.rayClusterSpec.workerGroupSpecs[0].replicas"
    assert result.stderr == f"{bad}:14:19: {field} is '2'; write a whole number, without quotes\n"


def test_a_warning_does_not_fail(tmp_path: Path) -> None:
    file = tmp_path / "typo.yaml"
    file.write_text(JOB.replace("replicas: 2", "replica: 2"))
    result = run(str(file), "-o", "json")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        f"{file}:14:18: warning: spec.rayClusterSpec.workerGroupSpecs[0].replica is unknown"
    )
    assert json.loads(result.stdout)[0]["pods"][1]["count"] == 0


@pytest.mark.parametrize("text", ["a: [", "just text", "kind: RayJob\napiVersion: ray.io/v1\n", "\x00"])
def test_an_unreadable_file_is_one_line_and_exit_status_1(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    result = run(str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{file}")
    assert len(result.stderr.splitlines()) <= 2
    assert result.stdout == ""


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    file.write_bytes(b"# padding\n" * 300_000)
    result = run(str(file))
    assert result.exit_code == 1
    assert str(file) in result.stderr


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none.yaml"))
    assert isinstance(result.exception, UsageError)
    assert "none.yaml: No such file or directory; check the name" in str(result.exception)


def test_a_pod_set_that_cannot_be_sized_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    claims = "          resourceClaims: [{name: gpu, resourceClaimTemplateName: one}]"
    file.write_text(f"{JOB.rstrip()}\n  {claims}\n")
    assert run(str(file)).stdout.splitlines()[-1] == (
        "RayJob team-a/train: worker gpu asks for devices through resource claims"
    )


def test_the_program_ends_with_the_status_of_the_worst_file(job: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(JOB.replace("name: train", "name: Train"))
    for files, status in (([job], 0), ([job, bad], 1), ([tmp_path / "none.yaml"], 2)):
        start = "from reconciler.cli.main import main; main()"
        done = subprocess.run([sys.executable, "-c", start, "size", *map(str, files)], capture_output=True, check=False)
        assert done.returncode == status


def test_sizing_imports_nothing_slow() -> None:
    script = (
        "import sys; import reconciler.cli.size; "
        "print(*{'numpy', 'pydantic', 'git', 'kubernetes', 'rich'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
