"""What objects refer to, and which Secret a controller makes of them."""

from __future__ import annotations

import pytest
import yaml

from reconciler.manifests.fields import InvalidField
from reconciler.manifests.identity import object_key
from reconciler.workloads.object_references import generated_secret, is_plain_secret, object_references
from tests.unit.workloads.reading import deployment, manifest, uses

EXTERNAL, SEALED = "external-secrets.io/v1", "bitnami.com/v1alpha1"


def targets(text: str) -> set[tuple[str, str]]:
    return {(reference.kind, reference.name) for reference in object_references(yaml.safe_load(text))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (deployment("a", uses("code")), {("ConfigMap", "code")}),
        (manifest("ServiceAccount", "a", "imagePullSecrets: [{name: p}]\nsecrets: [{name: s}]"),
         {("Secret", "p"), ("Secret", "s")}),
        (manifest("ExternalSecret", "a", "spec: {secretStoreRef: {name: vault}}", EXTERNAL),
         {("SecretStore", "vault")}),
        (manifest("ExternalSecret", "a", "spec: {secretStoreRef: {name: v, kind: ClusterSecretStore}}", EXTERNAL),
         set()),
        (manifest("ExternalSecret", "a", "spec: {data: [{sourceRef: {storeRef: {name: x}}}]}", EXTERNAL),
         {("SecretStore", "x")}),
        (manifest("ExternalSecret", "a",
                  "spec: {dataFrom: [{sourceRef: {generatorRef: {kind: Password, name: p}}}]}", EXTERNAL),
         {("Password", "p")}),
        (manifest("ExternalSecret", "a",
                  "spec: {dataFrom: [{sourceRef: {generatorRef: {kind: ClusterGenerator, name: p}}}]}", EXTERNAL),
         set()),
        (manifest("ExternalSecret", "a",
                  "spec: {target: {template: {templateFrom: [{configMap: {name: t}}, {secret: {name: u}}]}}}",
                  EXTERNAL),
         {("ConfigMap", "t"), ("Secret", "u")}),
        (manifest("SecretStore", "a", "spec: {provider: {vault: {auth: {token: {name: t, key: k}}}}}", EXTERNAL),
         {("Secret", "t")}),
        (manifest("SecretStore", "a",
                  "spec: {provider: {vault: {caProvider: {type: ConfigMap, name: ca, key: k}}}}", EXTERNAL),
         {("ConfigMap", "ca")}),
        (manifest("SecretStore", "a",
                  "spec: {provider: {kubernetes: {auth: [{serviceAccount: {name: reader}}]}}}", EXTERNAL),
         {("ServiceAccount", "reader")}),
        (manifest("SecretStore", "a", "spec: {provider: {vault: {role: {name: no-key}}}}", EXTERNAL), set()),
    ],
)  # fmt: skip
def test_references_by_kind(text: str, expected: set[tuple[str, str]]) -> None:
    assert targets(text) == expected


@pytest.mark.parametrize("optional_first", [True, False])
def test_a_reference_that_is_required_in_one_field_is_required(optional_first: bool) -> None:
    fields = [uses("code", optional=True)[len("volumes: [") : -1], uses("code")[len("volumes: [") : -1]]
    pod = f"volumes: [{', '.join(fields if optional_first else fields[::-1])}]"
    (reference,) = object_references(yaml.safe_load(deployment("a", pod)))
    assert not reference.optional


def test_a_field_of_the_wrong_type_is_an_error_with_its_path() -> None:
    with pytest.raises(InvalidField) as caught:
        object_references(yaml.safe_load(manifest("ServiceAccount", "a", "imagePullSecrets: pull")))
    assert caught.value.path == ("imagePullSecrets",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (manifest("SealedSecret", "a", "spec: {template: {metadata: {name: b}}}", SEALED), "a"),
        (manifest("ExternalSecret", "a", "spec: {}", EXTERNAL), "a"),
        (manifest("ExternalSecret", "a", "spec: {target: {name: b}}", EXTERNAL), "b"),
        (manifest("ExternalSecret", "a", "spec: {target: {name: b, creationPolicy: None}}", EXTERNAL), ""),
        (manifest("ExternalSecret", "a", "spec: broken", EXTERNAL), "a"),
        (manifest("ExternalSecret", "a", "spec: {}", "example.org/v1"), ""),
        (manifest("Secret", "a"), ""),
    ],
)
def test_the_secret_that_a_controller_makes(text: str, expected: str) -> None:
    body = yaml.safe_load(text)
    assert generated_secret(object_key(body, "team"), body) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (manifest("Secret", "a", "stringData: {k: v}"), True),
        (manifest("Secret", "a", "data: {k: dg==}"), True),
        (manifest("Secret", "a", "type: kubernetes.io/service-account-token"), False),
        (manifest("ConfigMap", "a", "data: {k: v}"), False),
        (manifest("Secret", "a", "data: {k: v}", "example.org/v1"), False),
    ],
)
def test_a_secret_with_contents_in_git_is_plain(text: str, expected: bool) -> None:
    body = yaml.safe_load(text)
    assert is_plain_secret(object_key(body, "team"), body) is expected
