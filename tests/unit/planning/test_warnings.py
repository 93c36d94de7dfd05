"""Warnings that are made namespace by namespace are put together as they would be made of all files at once."""

from __future__ import annotations

from tests.fleets import Fleet, config_map, ray_job, static_and_dynamic


def with_class(name: str, priority: str) -> bytes:
    job = ray_job(name, workers=1)
    worker = b"containers: [{name: ray-worker"
    assert worker in job
    return job.replace(worker, f"priorityClassName: {priority}, ".encode() + worker)


def unknown(fleet: Fleet) -> list[str]:
    return [line for line in fleet.plan().warnings if "class" in line]


def test_a_class_that_nothing_defines_is_said_once_with_the_first_group_that_names_it() -> None:
    fleet = static_and_dynamic()
    fleet.commit("workloads/b/one.yaml", with_class("one", "missing"))
    fleet.commit("workloads/a/two.yaml", with_class("two", "missing"))
    fleet.commit("workloads/c/three.yaml", with_class("three", "missing"))
    (line,) = unknown(fleet)
    assert "b/" in line, "the group that was committed first"
    assert not any(f"{later}/" in line for later in ("workloads/a", "workloads/c"))


def test_files_are_warned_about_in_the_order_of_their_paths() -> None:
    """The folder `a-b` sorts before `a/`, and the namespace `a` before `a-b`."""
    fleet = static_and_dynamic()
    del fleet.files["policies/spill.yaml"]
    for namespace in ("a-b", "a"):
        fleet.commit(f"workloads/{namespace}/code.yaml", config_map("code"))
    lines = [line for line in fleet.plan().warnings if "is not placed" in line]
    assert [line.split(":")[0] for line in lines] == ["workloads/a-b/code.yaml", "workloads/a/code.yaml"]
