"""Kind Tenant: its fields, the owner of a namespace, and what is denied."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.errors import InputError
from reconciler.manifests.fields import dotted
from reconciler.manifests.identity import object_key
from reconciler.manifests.kinds import problems
from reconciler.manifests.loader import load
from reconciler.manifests.podfeatures import Feature
from reconciler.manifests.quantity import Quantity
from reconciler.policy.tenant import Borrowing, PodRules, Tenant, denials, tenancy_of
from reconciler.policy.tenant_kind import json_schemas, read_tenants
from reconciler.reasons.tenancy import NoTenant, TenantAmbiguous
from tests.fleets import ray_job


def tenant(spec: str, name: str = "a", file: str = "policies/a.yaml") -> Tenant:
    text = f"apiVersion: skyray.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    [one] = read_tenants(load(text.encode(), file).documents)
    return one


def denied(rules: Tenant, manifest: str | bytes) -> list[str]:
    data = manifest.encode() if isinstance(manifest, str) else manifest
    body: dict[str, Any] = load(data, "w.yaml").documents[0].body
    return [f"{dotted(one.path)}| {one.message}" for one in denials(rules, object_key(body, "ns"), body)]


def test_all_fields_are_read() -> None:
    read = tenant(
        "namespaces: [x, w], namespaceSelector: {matchLabels: {team: a}}, clusterSelector: {matchLabels: {gpu: l4}}, "
        "kinds: [RayJob, {kind: Service, group: core}], quota: {requests: {cpu: 10, nvidia.com/gpu: '8'}}, "
        "borrowing: {from: [b], limit: {cpu: 500m}}, "
        "podFeatures: {allow: [HostPath, Privileged], serviceAccounts: [ray], capabilities: [CAP_SYS_PTRACE]}"
    )
    assert read.namespaces == ("x", "w")
    assert str(read.namespace_selector) == "team=a"
    assert str(read.cluster_selector) == "gpu=l4"
    assert [(one.kind, one.api_group) for one in read.kinds] == [("RayJob", None), ("Service", "")]
    assert read.quota == {"cpu": Quantity.parse("10"), "nvidia.com/gpu": Quantity.parse("8")}
    assert read.borrowing == Borrowing(("b",), {"cpu": Quantity.parse("500m")})
    assert read.pods == PodRules(
        frozenset({Feature.HOST_PATH, Feature.PRIVILEGED}), frozenset({"ray"}), frozenset({"SYS_PTRACE"})
    )


def test_borrowing_from_any_is_from_all_tenants() -> None:
    read = tenant("namespaces: [x], quota: {requests: {cpu: 1}}, borrowing: {from: any}")
    assert read.borrowing == Borrowing(None, {})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("quota: {requests: {cpu: 1}}", "4:7: spec: a tenant needs namespaces, or a namespaceSelector"),
        ("namespaces: [x], quota: {requests: {cpu: -1}}", "negative"),
        (
            "namespaces: [x], quota: {requests: {gpu: 4}}",
            "'gpu' is not the name of a resource that pods request; did you mean 'nvidia.com/gpu'?",
        ),
        ("namespaces: [x], quota: {requests: {requests.nvidia.com/gpu: 4}}", "did you mean 'nvidia.com/gpu'?"),
        ("namespaces: [x], quota: {requests: {limits.cpu: 4}}", "did you mean 'cpu'?"),
        ("namespaces: [x], quota: {requests: {'': 4}}", "use one of cpu, memory, ephemeral-storage, pods, nvidia.com/"),
        (
            "namespaces: [x], quota: {requests: {cpu: 1}}, borrowing: {from: any, limit: {memory: 1Gi}}",
            "borrowing.limit has memory, of which there is no quota",
        ),
        ("namespaces: [x], quota: {}", "spec.quota.requests is missing"),
        ("namespaces: [x], borrowing: {from: any}", "write a quota too"),
        ("namespaces: [x], quota: {requests: {cpu: 1}}, borrowing: {from: b}", "is not a list of tenants"),
        ("namespaces: [x], podFeatures: {allow: [HostPaths]}", "'HostPaths'; use HostPath or"),
        ("namespaces: [X]", "namespaces[0]"),
        ("namespaces: [x], qouta: {}", "did you mean 'quota'?"),
    ],
)
def test_a_mistake_is_reported_with_its_place(spec: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        tenant(spec)
    [problem] = problems(caught.value)
    assert said in str(problem)
    assert str(problem).startswith("policies/a.yaml:4:")


def test_the_first_tenant_makes_tenants_required_unless_fleet_yaml_says_otherwise() -> None:
    one = tenant("namespaces: [x]")
    assert tenancy_of([one], "").owner("w", {}).refusal == NoTenant("w")
    assert tenancy_of([one], "Optional").owner("w", {}).refusal is None
    assert tenancy_of([], "").owner("w", {}).refusal is None
    assert tenancy_of([], "Required").owner("w", {}).refusal == NoTenant("w")
    assert tenancy_of([one], "").owner("x", {}).tenant is one


def test_a_namespace_is_selected_by_its_labels_and_its_name() -> None:
    by_label = tenant("namespaceSelector: {matchLabels: {team: a}}")
    by_name = tenant("namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: x}}")
    assert by_label.owns("x", {"team": "a"})
    assert not by_label.owns("x", {})
    assert by_name.owns("x", {})
    assert not by_name.owns("w", {"kubernetes.io/metadata.name": "x"}), "the label cannot be forged"


@pytest.mark.parametrize("namespace", ["kube-system", "argocd", "flux-system"])
def test_namespaces_of_the_system_are_owned_by_name_only(namespace: str) -> None:
    assert not tenant("namespaceSelector: {}").owns(namespace, {})
    assert tenant(f"namespaces: [{namespace}]").owns(namespace, {})


def test_a_namespace_of_two_tenants_is_an_error_that_names_both_files() -> None:
    one = tenant("namespaces: [x]")
    other = tenant("namespaces: [x]", "b", "policies/b.yaml")
    with pytest.raises(InputError) as caught:
        tenancy_of([other, one], "")
    assert str(caught.value).startswith("policies/b.yaml:1:1: namespace x ")
    assert "a (policies/a.yaml:1:1)" in str(caught.value)


def test_a_label_that_makes_two_tenants_claim_a_namespace_spoils_only_that_namespace() -> None:
    one = tenant("namespaces: [x, w]")
    other = tenant("namespaceSelector: {matchLabels: {team: b}}", "b", "policies/b.yaml")
    owner = tenancy_of([one, other], "").owner("x", {"team": "b"})
    assert owner.tenant is None
    assert owner.refusal == TenantAmbiguous("x", (("a", "policies/a.yaml"), ("b", "policies/b.yaml")))
    assert tenancy_of([one, other], "").owner("w", {}).tenant is one


def test_tenants_have_names_of_their_own_and_borrow_from_each_other() -> None:
    one = tenant("namespaces: [x]")
    with pytest.raises(InputError, match="already defined at policies/a"):
        tenancy_of([one, tenant("namespaces: [w]", file="policies/b.yaml")], "")
    for whom, said in (("z", "z, which is no tenant"), ("b", "itself")):
        lost = tenant(f"namespaces: [w], quota: {{requests: {{cpu: 1}}}}, borrowing: {{from: [{whom}]}}", "b")
        with pytest.raises(InputError, match=said):
            tenancy_of([one, lost], "")


@pytest.mark.parametrize(
    ("api", "kind", "said"),
    [
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "kind RoleBinding.rbac.authorization.k8s.io is not among"),
        ("apps/v1", "DaemonSet", "kind DaemonSet.apps is not among"),
        ("example.org/v1", "RayJob", "kind RayJob.example.org is not among"),
        ("argoproj.io/v1alpha1", "Application", "kind Application.argoproj.io"),
    ],
)
def test_other_kinds_are_denied(api: str, kind: str, said: str) -> None:
    [line] = denied(tenant("namespaces: [ns]"), f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x}}\n")
    assert line.startswith(f"kind| {said}")


def test_kinds_replace_the_default_kinds() -> None:
    rules = tenant("namespaces: [ns], kinds: [DaemonSet]")
    daemon_set = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: x}
spec: {template: {spec: {containers: [{name: c, securityContext: {privileged: true}}]}}}
"""
    [line] = denied(rules, daemon_set)
    assert line.startswith("spec.template.spec.containers[0].securityContext.privileged| ")
    assert "kind RayJob.ray.io is not among" in denied(rules, ray_job("train"))[0]


def test_additional_kinds_come_beside_the_default_ones() -> None:
    store = "apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: vault}\nspec: {}\n"
    [line] = denied(tenant("namespaces: [ns]"), store)
    assert line.startswith("kind| kind SecretStore.external-secrets.io")
    more = "namespaces: [ns], additionalKinds: [{kind: SecretStore, group: external-secrets.io}]"
    assert denied(tenant(more), store) == []
    assert denied(tenant(more), job_with("none")) == []
    assert denied(tenant(f"{more}, kinds: [RayJob]"), store) == []
    assert len(denied(tenant(f"{more}, kinds: [RayService]"), job_with("none"))) == 1


TOKENS = {
    "Secret": ("v1", "{metadata}\ntype: {type}", "type"),
    "SealedSecret": ("bitnami.com/v1alpha1", "spec: {{template: {{{metadata}, type: {type}}}}}", "spec.template.type"),
    "ExternalSecret": (
        "external-secrets.io/v1",
        "spec: {{target: {{template: {{{metadata}, type: {type}}}}}}}",
        "spec.target.template.type",
    ),
}


def secret_of(kind: str, account: str, type_: str = "kubernetes.io/service-account-token") -> str:
    """A Secret, or what makes one, of a type; its annotation names a service account."""
    api, form, _ = TOKENS[kind]
    annotations = f"annotations: {{kubernetes.io/service-account.name: {account}}}" if account else ""
    metadata = f"metadata: {{{'name: t, ' if kind == 'Secret' else ''}{annotations}}}"
    text = form.format(metadata=metadata, type=type_)
    return f"apiVersion: {api}\nkind: {kind}\n{'' if kind == 'Secret' else 'metadata: {name: t}'}\n{text}\n"


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_a_secret_for_the_token_of_a_service_account_that_is_not_listed_is_denied(kind: str) -> None:
    at, whose = TOKENS[kind][2], "any service account" if kind == "ExternalSecret" else "service account admin"
    rules = tenant("namespaces: [ns], podFeatures: {serviceAccounts: [ray]}")
    [line] = denied(rules, secret_of(kind, "admin"))
    assert line.startswith(f"{at}| {at}: {kind} ns/t ")
    assert whose in line
    assert len(denied(rules, secret_of(kind, ""))) == 1, "without a name it may be any account"
    fetched = kind == "ExternalSecret"
    assert bool(denied(rules, secret_of(kind, "ray"))) is fetched, "what it fetches may name another account"
    assert bool(denied(rules, secret_of(kind, "default"))) is fetched
    assert denied(rules, secret_of(kind, "admin", "Opaque")) == []


def test_kuberay_makes_no_ingress_for_a_tenant_that_may_have_none() -> None:
    job = job_with("none").replace("headGroupSpec: {", "headGroupSpec: {enableIngress: true, ")
    at = "spec.rayClusterSpec.headGroupSpec.enableIngress"
    [line] = denied(tenant("namespaces: [ns]"), job)
    assert line.startswith(f"{at}| {at}: RayJob ns/train has KubeRay make an Ingress")
    assert denied(tenant("namespaces: [ns], additionalKinds: [Ingress]"), job) == []
    assert denied(tenant("namespaces: [ns]"), job.replace("Ingress: true", "Ingress: false")) == []


@pytest.mark.parametrize(
    ("kind", "before", "request_", "at"),
    [
        ("ResourceClaim", "", "{adminAccess: true}", "spec.devices.requests[0].adminAccess"),
        ("ResourceClaim", "", "{exactly: {adminAccess: true}}", "spec.devices.requests[0].exactly.adminAccess"),
        (
            "ResourceClaimTemplate",
            "spec: {",
            "{exactly: {adminAccess: true}}",
            "spec.spec.devices.requests[0].exactly.adminAccess",
        ),
    ],
)
def test_no_claim_reaches_devices_that_others_use(kind: str, before: str, request_: str, at: str) -> None:
    claim = f"apiVersion: resource.k8s.io/v1\nkind: {kind}\nmetadata: {{name: g}}\n"
    claim += f"spec: {{{before}devices: {{requests: [{request_}]}}{'}' if before else ''}}}\n"
    [line] = denied(tenant("namespaces: [ns]"), claim)
    assert line.startswith(f"{at}| {at}: {kind} ns/g ")
    assert denied(tenant("namespaces: [ns]"), claim.replace("true", "false")) == []


TEMPLATES = {
    "head": "spec.rayClusterSpec.headGroupSpec.template.spec",
    "worker": "spec.rayClusterSpec.workerGroupSpecs[0].template.spec",
    "submitter": "spec.submitterPodTemplate.spec",
}


def job_with(bad: str) -> str:
    """A RayJob whose pods are ordinary but the `bad` one."""

    def pod(which: str) -> str:
        network = "hostNetwork: true, " if which == bad else ""
        return f"{{spec: {{{network}containers: [{{name: c, image: r}}]}}}}"

    options = "{securityContext: {privileged: true}}" if bad == "autoscaler" else "{}"
    return f"""
apiVersion: ray.io/v1
kind: RayJob
metadata: {{name: train}}
spec:
  submitterPodTemplate: {pod("submitter")}
  rayClusterSpec:
    autoscalerOptions: {options}
    headGroupSpec: {{rayStartParams: {{}}, template: {pod("head")}}}
    workerGroupSpecs: [{{groupName: g, rayStartParams: {{}}, template: {pod("worker")}}}]
"""


@pytest.mark.parametrize("bad", sorted(TEMPLATES))
def test_every_pod_template_of_a_ray_resource_is_checked(bad: str) -> None:
    at = f"{TEMPLATES[bad]}.hostNetwork"
    [line] = denied(tenant("namespaces: [ns]"), job_with(bad))
    assert line.startswith(f"{at}| {at}: RayJob ns/train uses the node's network")
    assert denied(tenant("namespaces: [ns], podFeatures: {allow: [HostNetwork]}"), job_with(bad)) == []


def test_the_sidecar_that_kuberay_adds_is_checked() -> None:
    [line] = denied(tenant("namespaces: [ns]"), job_with("autoscaler"))
    assert line.startswith("spec.rayClusterSpec.autoscalerOptions.securityContext.privileged| ")


def test_the_collector_that_kuberay_adds_is_checked() -> None:
    collector = "historyServerOptions: {collectorOptions: {securityContext: {privileged: true}}}"
    [line] = denied(tenant("namespaces: [ns]"), job_with("none").replace("autoscalerOptions: {}", collector))
    assert line.startswith("spec.rayClusterSpec.historyServerOptions.collectorOptions.securityContext.privileged| ")


def test_service_accounts_and_capabilities_are_allowed_by_name() -> None:
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: x}
spec:
  serviceAccountName: ray
  containers: [{name: c, securityContext: {capabilities: {add: [SYS_PTRACE, NET_ADMIN]}}}]
"""
    rules = tenant("namespaces: [ns], podFeatures: {serviceAccounts: [ray], capabilities: [SYS_PTRACE]}")
    [line] = denied(rules, pod)
    assert "capability NET_ADMIN" in line
    assert len(denied(tenant("namespaces: [ns]"), pod)) == 3


def test_a_service_account_is_not_brought_along_unless_it_is_listed() -> None:
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default}\n"
    assert len(denied(tenant("namespaces: [ns]"), account)) == 1
    assert denied(tenant("namespaces: [ns], podFeatures: {serviceAccounts: [default]}"), account) == []


def test_pods_that_cannot_be_read_are_denied() -> None:
    old = "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: x}\nspec: {}\n"
    [line] = denied(tenant("namespaces: [ns]"), old)
    assert line.startswith("apiVersion| ")
    wrong = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {hostPID: 'yes', containers: []}\n"
    [line] = denied(tenant("namespaces: [ns]"), wrong)
    assert line.startswith("spec.hostPID| what it may do cannot be read: spec.hostPID is 'yes'")


def test_a_job_on_a_cluster_that_exists_has_no_pods_to_check() -> None:
    job = """
apiVersion: ray.io/v1
kind: RayJob
metadata: {name: x}
spec: {entrypoint: e, submissionMode: HTTPMode, clusterSelector: {ray.io/cluster: dev}}
"""
    assert denied(tenant("namespaces: [ns]"), job) == []


def test_the_schema_is_published() -> None:
    schema = json_schemas()["tenant.json"]
    assert schema["$id"].endswith("/v1alpha1/tenant.json")
    spec = schema["$defs"]["TenantSpec"]
    assert spec["additionalProperties"] is False
    assert "quota" in spec["properties"]
    assert schema["$defs"]["BorrowingPart"]["properties"]["from"]["anyOf"][0] == {"const": "any"}
    json.dumps(schema)
