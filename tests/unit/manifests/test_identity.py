from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.errors import InvalidObject, Place
from reconciler.manifests import identity
from reconciler.manifests.identity import ObjectKey, canonical_digest, object_key

JOB = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "train"}}


def test_a_key_takes_the_folders_namespace_where_the_object_names_none() -> None:
    assert object_key(JOB, "team-a") == ObjectKey("ray.io/v1", "RayJob", "team-a", "train")
    named = {**JOB, "metadata": {"name": "train", "namespace": "team-b"}}
    assert object_key(named, "team-a").namespace == "team-b"


def test_a_key_reads_as_people_say_it() -> None:
    assert str(object_key(JOB, "team-a")) == "RayJob team-a/train"
    assert str(object_key({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})) == "Namespace x"


def test_the_group_is_empty_for_the_core() -> None:
    assert object_key(JOB).group == "ray.io"
    assert ObjectKey("v1", "Pod", "a", "b").group == ""


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "metadata"),
        ({**JOB, "metadata": []}, "metadata"),
        ({**JOB, "metadata": {}}, "metadata.name"),
        ({**JOB, "metadata": {"name": 7}}, "metadata.name"),
        ({**JOB, "metadata": {"name": "x", "namespace": 7}}, "metadata.namespace"),
        ({**JOB, "kind": ""}, "kind"),
        ({**JOB, "kind": ["RayJob"]}, "kind"),
        ({**JOB, "apiVersion": 1}, "apiVersion"),
        ({**JOB, "apiVersion": None}, "apiVersion"),
    ],
)
def test_an_object_without_a_proper_name_is_refused(body: dict[str, object], names: str) -> None:
    with pytest.raises(InvalidObject, match=rf"^f:2:1: {names} is ") as caught:
        object_key(body, place=Place("f", 2, 1))
    assert "\n" not in str(caught.value)


RULES = {
    "dns_label": (["a", "0a", "a-b", "a" * 63], ["", "A", "-a", "a-", "a.b", "a_b", "a" * 64, "a\n", "é"]),
    "dns1035": (["a", "a-0", "a" * 63], ["", "0a", "a-", "A", "a.b", "a" * 64, "a\n"]),
    "dns_subdomain": (["a", "0", "a.b-c.d", "a" * 253], ["", ".a", "a.", "a..b", "A", "a.-b", "a" * 254, "a/b", "a\n"]),
    "label_value": (["", "a", "A.b_c-D", "0" * 63], ["-a", "a-", "a b", "a/b", "a" * 64, "é", "a\n"]),
    "label_key": (
        ["a", "A_b.c", "ray.io/cluster", "a" * 253 + "/" + "b" * 63],
        ["", "/", "a/", "/a", "A/b", "a/b/c", "a" * 64, "a" * 254 + "/b", "a b", "a\n"],
    ),
}


@pytest.mark.parametrize(
    ("rule", "text", "allowed"),
    [(rule, text, index == 0) for rule, texts in RULES.items() for index in (0, 1) for text in texts[index]],
)
def test_names_follow_the_rules_of_kubernetes(rule: str, text: str, allowed: bool) -> None:
    is_allowed: Callable[[str], bool] = getattr(identity, f"is_{rule}")
    check: Callable[..., str] = getattr(identity, f"check_{rule}")
    assert is_allowed(text) is allowed
    if allowed:
        assert check(text, "metadata.name") == text
    else:
        with pytest.raises(InvalidObject, match=r"^f:1:2: metadata\.name: .*; (quote|use|add)[^\n]*$"):
            check(text, "metadata.name", Place("f", 1, 2))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_number_is_no_name(rule: str) -> None:
    with pytest.raises(InvalidObject, match=r"metadata\.name: 7 is"):
        getattr(identity, f"check_{rule}")(7, "metadata.name")


def test_the_digest_ignores_the_order_of_keys_and_nothing_else() -> None:
    digest = canonical_digest({"a": 1, "b": [1, 2]})
    assert digest == canonical_digest({"b": [1, 2], "a": 1})
    assert digest != canonical_digest({"a": 1, "b": [2, 1]})
    assert digest != canonical_digest({"a": "1", "b": [1, 2]})
    assert canonical_digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
