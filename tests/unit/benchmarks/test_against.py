"""What `make bench-against` computes from measurements, and that a side's scripts answer. No time is asserted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.against.curve import last_slope, slope
from benchmarks.against.fleets import jobs, make_bare, placed, settings, write_snapshot
from benchmarks.against.floors import Replay, changed_files, commits_since, tip
from benchmarks.against.processes import NotDone, Reply, run_program
from benchmarks.against.report import BEGIN, END, Row, result, said, show, with_figures
from benchmarks.against.running import Running
from benchmarks.against.samples import Samples, failing, one, take_turns
from benchmarks.against.sides import Side, this_checkout
from benchmarks.synthetic import git
from reconciler.manifests.loader import load

ROOT = Path(__file__).parents[3]
OURS = Side("ours", ROOT, Path(sys.executable), "abc")


def row(ours: Samples, theirs: Samples, floor: Samples, unit: str = "s") -> Row:
    return Row("place", "10 jobs", unit, ours, theirs, floor, "plain git")


def test_a_row_compares_medians() -> None:
    compared = row(Samples([1.0, 9.0, 2.0]), Samples([20.0]), Samples([0.5]))

    assert compared.times_faster == 10
    assert compared.times_floor == 4


def test_a_side_that_was_not_done_has_no_ratio_and_the_floor_is_still_there() -> None:
    compared = row(one(2.0), Samples(why="not done in 120 s"), one(0.5))

    assert compared.times_faster is None
    assert compared.times_floor == 4
    assert compared.remarks == "theirs: not done in 120 s"
    assert "not done in 120 s" in show([compared])


def test_slopes_are_not_divided() -> None:
    assert row(one(0.1), one(0.9), Samples(), unit="").times_faster is None


def test_contenders_take_turns_and_one_that_fails_is_not_asked_again() -> None:
    order = []

    def measure(name: str) -> float:
        order.append(name)
        return 1.0

    contenders = {"ours": lambda: measure("ours"), "theirs": failing("too slow"), "floor": lambda: measure("floor")}
    taken = take_turns(contenders, runs=2, limit=60)

    assert order == ["ours", "floor", "ours", "floor"]
    assert taken["theirs"] == Samples(why="too slow")


def test_cpu_seconds_are_compared_where_both_sides_have_them() -> None:
    contenders = {"ours": lambda: Reply(1.0, 0.5, 0), "theirs": lambda: Reply(1.5, 2.0, 0)}
    taken = take_turns(contenders, runs=2, limit=60)

    assert row(taken["ours"], taken["theirs"], Samples()).times_less_cpu == 4
    assert row(taken["ours"], one(3.0), Samples()).times_less_cpu is None


@pytest.mark.parametrize(("power", "expected"), [(0, 0.0), (1, 1.0), (2, 2.0)])
def test_the_slope_is_the_power_of_the_growth(power: int, expected: float) -> None:
    sizes = [10, 100, 1000]

    assert slope(sizes, [3.0 * size**power for size in sizes]) == pytest.approx(expected)


def test_sizes_that_were_not_measured_are_left_out_of_the_slope() -> None:
    assert slope([10, 100, 1000], [1.0, 10.0, None]) == pytest.approx(1)
    assert slope([10, 100], [1.0, None]) is None
    assert last_slope([10, 100, 1000, 10_000], [7.0, 1.0, 100.0, None]) == pytest.approx(2)


def test_figures_replace_what_is_between_the_marks_and_nothing_else() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\nafter\n"
    written = with_figures(page, "ours is x", [row(one(2.0), one(4.0), one(1.0))])

    assert "old" not in written
    assert "| place: 10 jobs | 2.00 s | 4.00 s | 2.00 | - | 1.00 s | 2.00 |  |" in written
    assert written.startswith("# Title\n\n")
    assert written.endswith(f"{END}\nafter\n")
    assert with_figures(written, "ours is x", [row(one(2.0), one(4.0), one(1.0))]) == written


def test_the_page_has_the_marks() -> None:
    page = (ROOT / "docs/performance.md").read_text()

    assert page.count(BEGIN) == page.count(END) == 1


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="figures"):
        with_figures("# Title\n", "", [])


def test_the_result_is_json_with_the_ratios_and_the_samples() -> None:
    document = result("a", "b", "--small", {"runs": 2}, [row(Samples([1.0, 3.0]), one(4.0), Samples())])
    (written,) = json.loads(json.dumps(document))["rows"]

    assert written["timesFaster"] == 2
    assert written["timesFloor"] is None
    assert written["samples"]["ours"] == [1.0, 3.0]
    assert "theirs is b" in said(document)
    assert 'make bench-against REV=b ARGS="--small"' in said(document)


@pytest.mark.parametrize("shapes", [12, 30, 200])
def test_jobs_have_as_many_shapes_as_are_asked_for(shapes: int) -> None:
    files = jobs(0, 2 * shapes, shapes)
    seen = set()
    for path, data in files.items():
        body = load(data, path).documents[0].body
        if body["kind"] == "RayJob":
            seen.add(json.dumps(body["spec"]["rayClusterSpec"]["workerGroupSpecs"]).replace(Path(path).stem, ""))

    assert len(seen) == shapes


def test_a_program_that_lasts_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match="not done in 0 s"):
        run_program([sys.executable, "-c", "import time; time.sleep(60)"], {}, 0.2, tmp_path)


def test_a_program_that_fails_says_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match="ended with status 2: no such thing"):
        run_program([sys.executable, "-c", "print('no such thing'); raise SystemExit(2)"], {}, 60, tmp_path)


def test_a_service_places_groups_is_idle_and_places_one_more(tmp_path: Path) -> None:
    base = make_bare(tmp_path / "fleet.git", {**settings(2, 3), **jobs(0, 2)})
    snapshot = write_snapshot(tmp_path / "capacity.json", 2, 3)
    service = Running(OURS, base, snapshot, tmp_path / "home", jobs, 60.0, 2)
    service.start()
    try:
        service.grow(2, 60.0)
        assert placed(base) == 2
        service.idle()
        service.one_more()
    finally:
        service.stop()

    assert placed(base) == 3
    assert "placements/team-0002/rayjob-train-000002.yaml" in changed_files(base, service.pushed)
    assert service.last.peak > 1_000_000
    assert commits_since(base, service.pushed).count(b"\ncommitter ") == 1


def test_the_replay_of_commits_gives_the_same_tree(tmp_path: Path) -> None:
    repo = make_bare(tmp_path / "repo.git", {"a": b"1"})
    base = make_bare(tmp_path / "base.git", {"a": b"1"})
    start = tip(base)
    assert tip(repo) == start
    git(repo, "fast-import", "--quiet", stdin=_commit(b"2"))
    commits = commits_since(repo, start)

    assert Replay(base, commits, tmp_path).measure(push=True) > 0
    git(base, "fast-import", "--quiet", stdin=commits)
    assert tip(base) == tip(repo)


def _commit(data: bytes) -> bytes:
    head = b"commit refs/heads/main\ncommitter x <x@example.com> 1 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    return head + b"M 100644 inline b\ndata %d\n%s\n" % (len(data), data)


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    service = Running(OURS, tmp_path / "missing.git", tmp_path / "missing.json", tmp_path / "home", jobs, 60.0)
    service.start()
    try:
        with pytest.raises(NotDone, match=r"ended with status 1: FileNotFoundError.*missing\.json"):
            service.idle()
    finally:
        service.stop()


def test_this_checkout_is_the_repository_that_the_driver_is_in() -> None:
    assert this_checkout().root == ROOT
