"""SkyRay's verdict against what the real kube-scheduler does, on random gangs near the edge of fitting.

What hangs on how the scheduler breaks a tie is refused (reason TieBreak), so a few gangs that it binds by luck are
refused too: about 1 in 170 of these cases. The bound is 1 in 100, and no false fit at all.

The rule about ties was found on seed 20261123, whose first 300 cases hold four such refusals and so miss the bound.
Seed 7 was drawn before its cases were looked at, to measure without tuning, and was made the default after that run.
The scheduler itself binds one or two cases more or less from run to run.

`SKYRAY_GANG_CASES` sets how many (800), `SKYRAY_GANG_FIRST` the first number (0), `SKYRAY_GANG_SEED` the seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from reconciler.kube_scheduler.gang import Fit
from tests.e2e.conftest import StartControlPlanes
from tests.e2e.gang_cases import Case, draw_case
from tests.e2e.harness.gangs import GangTrials, Outcome
from tests.e2e.verdicts import verdict

pytestmark = pytest.mark.e2e

COUNT = int(os.environ.get("SKYRAY_GANG_CASES", "800"))
FIRST = int(os.environ.get("SKYRAY_GANG_FIRST", "0"))
SEED = int(os.environ.get("SKYRAY_GANG_SEED", "7"))


@pytest.fixture(scope="module")
def trials(control_planes: StartControlPlanes) -> Iterator[GangTrials]:
    plane = control_planes("gangs", controller_manager=(), kwok=False, kuberay=False)[0]
    yield GangTrials(plane)
    plane.stop()


@pytest.mark.timeout(120 + 2 * COUNT)
def test_the_verdict_is_what_the_scheduler_does(trials: GangTrials, capsys: pytest.CaptureFixture[str]) -> None:
    false_fits: list[str] = []
    false_refusals: list[str] = []
    bound = 0
    for number in range(FIRST, FIRST + COUNT):
        case = draw_case(SEED, number)
        said = verdict(case)
        did = trials.run(case.nodes, case.placed, case.gang, case.afterwards.pods if case.afterwards else ())
        bound += did.bound
        if said.ok and not did.bound:
            false_fits.append(_surprise(case, said, did))
        if did.bound and not said.ok:
            false_refusals.append(_surprise(case, said, did))
    with capsys.disabled():
        print(f"\n{COUNT} gangs from seed {SEED}: {bound} bound by kube-scheduler, {COUNT - bound} not")
        print(f"false fits: {len(false_fits)}", *false_fits, sep="\n  ")
        print(f"false refusals: {len(false_refusals)}", *false_refusals, sep="\n  ")
    assert not false_fits
    assert len(false_refusals) <= COUNT * 0.01
    assert COUNT * 0.2 <= bound <= COUNT * 0.8, "the cases are no longer near the edge"


def _surprise(case: Case, said: Fit, did: Outcome) -> str:
    pods = [*case.gang, *(case.afterwards.pods if case.afterwards else ())]
    where = ", ".join(f"{pod['metadata']['name']}={node}" for pod, node in zip(pods, did.nodes, strict=True))
    unhappy = next((message for message in did.messages if message), "")
    return f"case {case.number}: SkyRay said {said.message!r}; kube-scheduler did {where}; {unhappy}"
