"""What KubeRay refuses in a RayCronJob, and which schedules the cron library reads."""

from __future__ import annotations

import pytest

from reconciler.ray.cron_rules import schedule_problem
from tests.unit.ray.ray_problems import errors
from tests.unit.ray.rayobjects import (
    Body,
    ray_cron_job,
)

INVALID: dict[str, tuple[Body, str]] = {
    "bad schedule": (ray_cron_job("61 * * * *"), "spec.schedule has '61' as its minute"),
    "zone in schedule": (ray_cron_job("TZ=UTC 0 0 * * *"), "write it in timeZone instead"),
    "empty zone": (ray_cron_job(timeZone=""), "spec.timeZone is ''"),
}


@pytest.mark.parametrize(("body", "message"), INVALID.values(), ids=INVALID.keys())
def test_a_cron_job_that_kuberay_refuses_is_refused_by_name(body: Body, message: str) -> None:
    found = errors(body)
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    "schedule",
    ["* * * * *", "*/5 0-6/2 1,15 JAN-mar mon", "0 0 ? * 6", "@hourly", "@every 1h30m", "5/10 * * * *", " 0  0 * * * "],
)
def test_schedules_that_the_cron_library_reads(schedule: str) -> None:
    assert schedule_problem(schedule) == ""


@pytest.mark.parametrize(
    "schedule",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "*/0 * * * *",
     "5-1 * * * *", "a * * * *", "@often", "@every fast", "1- * * * *", ", * * * *", "-1 * * * *"],
)  # fmt: skip
def test_schedules_that_it_does_not_read(schedule: str) -> None:
    assert schedule_problem(schedule) != ""
