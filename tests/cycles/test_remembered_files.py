"""Files that are out of the ordinary lead to the same plan with the cache of earlier cycles as without."""

from __future__ import annotations

from reconciler.placement.model import Action
from reconciler.planning.plan_cache import PlanCache
from tests.cycles.remembering import compared, remember
from tests.fleets import Fleet, config_map, ordered, policy, ray_job, static_and_dynamic

COPY = "clusters/static/team/rayjob-train/rayjob-train.yaml"
CODE = "clusters/static/team/configmap-code/configmap-code.yaml"
SENTINEL = "clusters/static/skyray.yaml"


def placed(name: str, manifest: bytes) -> tuple[Fleet, PlanCache]:
    """An object of the namespace `team` that is placed on static, and a cache that has read it there."""
    fleet, cache = static_and_dynamic(), PlanCache()
    fleet.commit(f"workloads/team/{name}.yaml", manifest)
    remember(fleet, cache)
    assert remember(fleet, cache).drafts == ()
    return fleet, cache


def as_link(fleet: Fleet, path: str) -> None:
    """A hand puts a link in the place of a file; where it points to has the bytes of the file."""
    fleet.link(path, fleet.files[path].decode())


def test_a_cluster_without_groups_that_leaves_the_inventory_leaves_no_directory() -> None:
    fleet, cache = placed("train", ray_job("train"))
    fleet.commit("inventory/dynamic.yaml", None)
    remember(fleet, cache)
    assert not any(path.startswith("clusters/dynamic/") for path in fleet.files)


def test_a_link_in_place_of_an_admitted_copy_is_not_what_was_read_before() -> None:
    fleet, cache = placed("train", ray_job("train"))
    fleet.commit("workloads/team/train.yaml", ray_job("train", workers=3))
    as_link(fleet, COPY)
    compared(fleet, cache)


def test_a_link_in_place_of_an_admitted_copy_is_replaced_by_what_the_user_wrote() -> None:
    fleet, cache = placed("train", ray_job("train"))
    data = fleet.files[COPY]
    as_link(fleet, COPY)
    (repair,) = remember(fleet, cache).drafts
    assert repair.changes == {COPY: data}
    assert remember(fleet, cache).drafts == ()


def test_a_link_in_place_of_a_sentinel_is_no_sentinel() -> None:
    fleet, cache = placed("train", ray_job("train"))
    as_link(fleet, SENTINEL)
    fleet.commit("workloads/README.md", b"hello\n")
    remember(fleet, cache)
    assert f"{fleet.revision:040x}".encode() in fleet.files[SENTINEL]


def test_a_file_that_can_be_executed_is_the_same_file() -> None:
    fleet, cache = placed("train", ray_job("train"))
    for path in fleet.rendered():
        fleet.modes[path] = "100755"
    assert remember(fleet, cache).drafts == ()


def test_an_object_whose_keys_are_in_another_order_is_written_in_that_order() -> None:
    fleet, cache = placed("code", config_map("code"))
    head = (b"apiVersion: v1\nkind: ConfigMap\n", b"kind: ConfigMap\napiVersion: v1\n")
    fleet.commit("workloads/team/code.yaml", config_map("code").replace(*head))
    assert remember(fleet, cache).drafts == (), "it is equal, so nothing is rolled out"
    fleet.commit(CODE, None)
    remember(fleet, cache)
    assert fleet.files[CODE].startswith(head[1]), "the only copy that is left is that of the user"


def test_an_edit_in_a_foreign_folder_that_was_taken_back_still_is_the_last_one() -> None:
    foreign = config_map("code").replace(b"{name: code,", b"{name: code, namespace: team,")
    fleet, cache = placed("train", ray_job("train", config="code"))
    fleet.commit("workloads/other/foreign.yaml", foreign)
    remember(fleet, cache)
    fleet.commit("workloads/other/foreign.yaml", b"kind: [\n")
    fleet.commit("workloads/other/foreign.yaml", foreign)
    compared(fleet, cache)
    (group,) = (one for one in fleet.state(cache).grouping.groups if one.key.name == "rayjob-train")
    assert group.source is not None
    assert group.source.order == fleet.revision


def test_a_shared_companion_is_patched_as_the_policy_of_its_last_group_says() -> None:
    fleet, cache = static_and_dynamic(), PlanCache()
    del fleet.files["policies/spill.yaml"]
    patch = "[{op: add, path: /metadata/annotations, value: {a: b}}]"
    specs = {
        "patched": f"overrides: [{{clusterSelector: {{}}, target: {{kind: ConfigMap}}, patch: {patch}}}]",
        "plain": "",
    }
    for name, spec in specs.items():
        jobs = f"{{kinds: [RayJob], labelSelectors: [{{matchLabels: {{p: {name}}}}}]}}"
        fleet.files[f"policies/{name}.yaml"] = policy(name, f"{ordered('static')}\n{spec}", objects=jobs)
    for name in ("code", "more"):
        fleet.commit(f"workloads/team/{name}.yaml", config_map(name))
    one, two = b"{name: code, configMap: {name: code}}", b", {name: more, configMap: {name: more}}"
    for name in ("a", "b"):
        job = ray_job(name, workers=1, labels="{p: patched}", config="code").replace(one, one + two)
        fleet.commit(f"workloads/team/{name}.yaml", job)
    remember(fleet, cache)
    shared = "clusters/static/team/shared/kustomization.yaml"
    assert fleet.files[shared].count(b"/metadata/annotations") == 2
    fleet.commit("workloads/team/z.yaml", ray_job("z", workers=1, labels="{p: plain}", config="code"))
    remember(fleet, cache)
    assert fleet.files[shared].count(b"/metadata/annotations") == 1


def test_files_that_lie_about_in_skyrays_folders_are_taken_out() -> None:
    fleet, cache = placed("train", ray_job("train"))
    (record,) = (path for path in fleet.files if path.startswith("placements/"))
    strays = ("clusters/README.md", "clusters/static/team/old/x.yaml", "clusters/gone/team/old/x.yaml")
    for path in strays:
        fleet.commit(path, b"hello\n")
    fleet.commit("placements/copy.yaml", fleet.files[record])
    (repair,) = remember(fleet, cache).drafts
    assert repair.changes == dict.fromkeys((*strays, "placements/copy.yaml"))
    assert remember(fleet, cache).drafts == ()


def test_a_placement_in_the_folder_of_another_namespace_is_put_back() -> None:
    fleet, cache = placed("train", ray_job("train"))
    (record,) = (path for path in fleet.files if path.startswith("placements/"))
    data = fleet.files[record]
    fleet.commit(record, None)
    fleet.commit("placements/other/x.yaml", data)
    (repair,) = remember(fleet, cache).drafts
    assert repair.changes == {record: data, "placements/other/x.yaml": None}
    assert remember(fleet, cache).drafts == ()


def test_of_a_folder_with_one_new_placement_the_others_are_not_read_again() -> None:
    fleet, cache = placed("train", ray_job("train", workers=1))
    for name in ("more", "last"):
        fleet.commit(f"workloads/team/{name}.yaml", ray_job(name, workers=1))
        remember(fleet, cache)
        assert remember(fleet, cache).drafts == ()


def test_links_and_other_files_among_workloads_spoil_only_themselves() -> None:
    fleet, cache = placed("train", ray_job("train"))
    fleet.commit("workloads/team/README.md", b"hello\n")
    fleet.link("workloads/team/link.yaml", "train.yaml")
    fleet.link("workloads/links/only.yaml", "train.yaml")
    made = remember(fleet, cache)
    rejected = {str(one.group) for one in made.decisions if one.action is Action.REJECT}
    assert rejected == {"team/file-link", "links/file-only"}
    fleet.commit("workloads/team/link.yaml", None)
    fleet.commit("workloads/team/README.md", b"hello again\n")
    remember(fleet, cache)
    assert remember(fleet, cache).drafts == ()


def test_a_namespace_that_is_gone_from_the_repo_is_gone_from_the_clusters() -> None:
    fleet, cache = placed("train", ray_job("train"))
    fleet.commit("workloads/team/train.yaml", None)
    remember(fleet, cache)
    assert remember(fleet, cache).drafts == ()
    assert not any("/team/" in path for path in fleet.files)


def test_a_label_of_a_namespace_is_rendered_wherever_it_has_groups() -> None:
    fleet, cache = placed("train", ray_job("train"))
    for value in ("a", "b"):
        manifest = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: team, labels: {{tier: {value}}}}}\n"
        fleet.commit("workloads/team/namespace.yaml", manifest.encode())
        remember(fleet, cache)
        assert f"tier: {value}".encode() in fleet.files["clusters/static/team/namespace.yaml"]
        assert remember(fleet, cache).drafts == ()


def test_a_broken_namespace_file_leaves_the_labels_as_they_were_rendered() -> None:
    fleet, cache = placed("train", ray_job("train"))
    manifest = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: team, labels: {tier: a}}\n"
    fleet.commit("workloads/team/namespace.yaml", manifest)
    remember(fleet, cache)
    fleet.commit("workloads/team/namespace.yaml", b"kind: [\n")
    remember(fleet, cache)
    assert b"tier: a" in fleet.files["clusters/static/team/namespace.yaml"]
    fleet.commit("clusters/static/team/namespace.yaml", b"nonsense\n")
    remember(fleet, cache)
    assert b"tier" not in fleet.files["clusters/static/team/namespace.yaml"], "nothing says it any more"


def test_an_admitted_object_that_is_nowhere_any_more_is_left_out_until_it_is_back() -> None:
    fleet, cache = placed("train", ray_job("train"))
    data = fleet.files[COPY]
    fleet.commit("workloads/team/train.yaml", b"kind: [\n")
    fleet.commit(COPY, None)
    remember(fleet, cache)
    assert COPY not in fleet.files
    fleet.commit("workloads/team/train.yaml", ray_job("train"))
    remember(fleet, cache)
    assert fleet.files[COPY] == data


def test_a_cluster_that_leaves_and_joins_again_is_rendered_anew() -> None:
    fleet, cache = placed("train", ray_job("train"))
    inventory = fleet.files["inventory/dynamic.yaml"]
    for _ in range(2):
        fleet.commit("inventory/dynamic.yaml", None)
        remember(fleet, cache)
        assert "clusters/dynamic/skyray.yaml" not in fleet.files
        fleet.commit("inventory/dynamic.yaml", inventory)
        remember(fleet, cache)
        assert "clusters/dynamic/skyray.yaml" in fleet.files


def test_groups_on_a_cluster_that_cannot_be_read_for_a_while_are_decided_on_again() -> None:
    fleet, cache = placed("train", ray_job("train"))
    for unreadable in (("static",), ("static",), ()):
        made = compared(fleet, cache, unreadable=unreadable)
        assert not isinstance(made, str)
        assert made.drafts == ()
