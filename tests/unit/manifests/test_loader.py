"""What a file of YAML or JSON is read as, with the places of its values."""

from __future__ import annotations

import pytest

from reconciler.errors import ManifestError, Place
from reconciler.manifests.loader import load
from tests.unit.manifests.loading import body_of, refusal

JOB = b"""\
# the team's job
apiVersion: ray.io/v1
kind: RayJob
metadata: {name: train, labels: {team: "a"}}
spec:
  entrypoint: python train.py
  workers:
  - name: small
    resources:
      requests: {cpu: 4, memory: 16Gi}
  - name: big
"""


# What is read


def test_a_manifest_becomes_plain_objects() -> None:
    assert body_of(JOB) == {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "train", "labels": {"team": "a"}},
        "spec": {
            "entrypoint": "python train.py",
            "workers": [
                {"name": "small", "resources": {"requests": {"cpu": 4, "memory": "16Gi"}}},
                {"name": "big"},
            ],
        },
    }


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        *[("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("Null", None), ("", None)],
        *[("0", 0), ("-0", 0), ("+1", 1), ("12", 12), ("0x1F", 31), ("9223372036854775807", 2**63 - 1)],
        *[
            ("1e3", 1000),
            ("1.0", 1),
            ("1.5", 1.5),
            (".5", 0.5),
            ("1.", 1),
            ("0.1e+3", 100),
            ("-.5", -0.5),
            ("1e-7", 1e-7),
        ],
        *[("1e21", 1e21), ("7.028519472159558e+16", 70285194721595580), ("1.5e300", 1.5e300), ("-0.0", 0)],
        *[
            ("16Gi", "16Gi"),
            ("500m", "500m"),
            ("1.2.3", "1.2.3"),
            ("2.9.0", "2.9.0"),
            ("v1", "v1"),
            ("nan", "nan"),
            ("=", "="),
        ],
        *[
            ("infinity", "infinity"),
            ("0x", "0x"),
            ("0b12", "0b12"),
            ("1e", "1e"),
            ("8080:80", "8080:80"),
            ("::1", "::1"),
        ],
        *[("yesterday", "yesterday"), ("nO", "nO"), ("tRue", "tRue"), ("_1", "_1"), ("2024-01-01-a", "2024-01-01-a")],
        *[
            ("'no'", "no"),
            ('"010"', "010"),
            ("'1:30'", "1:30"),
            ('"2024-01-01"', "2024-01-01"),
            ('"\\u2028"', "\u2028"),
        ],
    ],
)
def test_a_plain_scalar_has_the_value_that_kubectl_sends(scalar: str, value: object) -> None:
    read = body_of(f"a: {scalar}\n")["a"]
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    "scalar",
    [
        *["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"],
        *["010", "00", "08", "-010", "0o7", "0b11", "0B1", "0X1F", "-0x1F", "+0x1"],
        *["1_000", "1_0.5", "0x_1", "1__0", "-1_0", "1e1_0", ".5_0"],
        *["1:30", "190:20:30", "190:20:30.15", "-1:30", "12:30:45"],
        *[
            "2024-01-01",
            "2024-1-1",
            "2024-01-01T00:00:00Z",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14 21:59:43.10 -5",
        ],
        *[".inf", "-.Inf", "+.INF", ".nan", ".NaN", "1e400", "-1e999", "9223372036854775808", "-9223372036854775809"],
        *["9" * 5000, "<<"],
    ],
)
def test_a_scalar_that_readers_disagree_about_is_refused_with_the_remedy(scalar: str) -> None:
    for text, place in [
        (f"b: 1\na: {scalar}\n", "f.yaml:2:4"),
        (f"- {scalar}\n", "f.yaml:1:3"),
        (f"{scalar}: 1\n", "f.yaml:1:1"),
    ]:
        if len(scalar) > 1000 and text.startswith(scalar):
            continue
        error = refusal(text)
        assert str(error.place) == place
        assert "quote it" in str(error)
        assert f"`{scalar[:60]}" in str(error)


@pytest.mark.parametrize("key", ["1", "8080", "1.5", "true", "null", "~", "1e3"])
def test_a_key_that_is_not_text_is_refused(key: str) -> None:
    error = refusal(f"a:\n  {key}: x\n")
    assert str(error.place).startswith("f.yaml:2:")
    assert "quote it" in str(error)


def test_quoted_keys_may_look_like_anything() -> None:
    assert body_of("'8080': a\n\"on\": b\n'': c\n'no': d\n") == {"8080": "a", "on": "b", "": "c", "no": "d"}


def test_a_quoted_key_does_not_make_the_plain_one_pass() -> None:
    assert "quote it" in str(refusal("a: {'010': 1}\nb: {010: 1}\n"))
    assert "quote it" in str(refusal("a: {'no': 1}\nb: {no: 1}\n"))


def test_blocks_and_quotes_keep_their_text() -> None:
    text = "a: |\n  x: 1\n\n  y\nb: >-\n  one\n  two\nc: \"t\\tn\\n\\x1b\"\nd: 'it''s'\ne: plain\n  goes on\n"
    assert body_of(text) == {"a": "x: 1\n\ny\n", "b": "one two", "c": "t\tn\n\x1b", "d": "it's", "e": "plain goes on"}


def test_windows_line_ends_and_a_byte_order_mark_are_fine() -> None:
    assert body_of(b"\xef\xbb\xbfa: |\r\n  x\r\n  y\r\nb: 1\r\n") == {"a": "x\ny\n", "b": 1}


def test_file_modes_in_octal_are_read_as_kubernetes_does_and_nothing_else_is() -> None:
    body = load(b"defaultMode: 0777\nitems:\n- {key: a, mode: 0644}\nmode: 420\n", "f.yaml").documents[0].body
    assert body == {"defaultMode": 511, "items": [{"key": "a", "mode": 420}], "mode": 420}
    for wrong in (b"defaultMode: 0888\n", b"replicas: 0777\n", b"mode: 07770\n", b"mode: !!int 0777\n"):
        with pytest.raises(ManifestError):
            load(wrong, "f.yaml")


# Documents and lists


def test_empty_documents_are_skipped() -> None:
    loaded = load(b"---\n# nothing\n---\na: 1\n---\n---\nb: 2\n---\n", "f.yaml")
    assert [document.body for document in loaded.documents] == [{"a": 1}, {"b": 2}]
    assert [str(document.place) for document in loaded.documents] == ["f.yaml:4:1", "f.yaml:7:1"]
    assert load(b"", "f.yaml").documents == load(b"# only a comment\n", "f.yaml").documents == ()


@pytest.mark.parametrize("text", ["- a\n", "text\n", "1\n", "a: 1\n---\n[]\n", "[{}]"])
def test_a_document_that_is_no_map_is_refused(text: str) -> None:
    assert "must be a map" in str(refusal(text))


def test_a_list_becomes_its_items_and_their_places_stay_known() -> None:
    text = b"apiVersion: v1\nkind: List\nitems:\n- kind: A\n  spec: {x: 1}\n"
    text += b"- kind: List\n  apiVersion: v1\n  items:\n  - kind: B\n    z: 2\n"
    a, b = load(text, "f.yaml").documents
    assert (a.body, b.body) == ({"kind": "A", "spec": {"x": 1}}, {"kind": "B", "z": 2})
    assert (str(a.place), str(b.place)) == ("f.yaml:4:3", "f.yaml:9:5")
    assert str(a.locate("spec", "x")) == "f.yaml:5:13"
    assert str(b.locate("z")) == "f.yaml:10:8"


def test_items_of_a_typed_list_take_its_kind() -> None:
    (job,) = load(b"apiVersion: ray.io/v1\nkind: RayJobList\nitems: [{metadata: {name: x}}]\n", "f").documents
    assert job.body == {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "x"}}


def test_what_is_no_list_stays_whole() -> None:
    assert body_of("apiVersion: x/v1\nkind: AllowList\nspec: {}\n")["kind"] == "AllowList"
    assert body_of("apiVersion: x/v1\nkind: Thing\nitems: [{a: 1}]\n")["items"] == [{"a": 1}]
    assert load(b"apiVersion: v1\nkind: List\nitems: []\n", "f").documents == ()
    assert load(b"apiVersion: v1\nkind: List\n", "f").documents == ()


def test_an_item_that_is_no_map_is_refused_where_it_stands() -> None:
    error = refusal("apiVersion: v1\nkind: List\nitems:\n- a: 1\n- text\n")
    assert str(error) == "f.yaml:5:3: item 1 of the List is not a map"


# Places


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "job.yaml:2:1"),
        (("kind",), "job.yaml:3:7"),
        (("metadata", "labels", "team"), "job.yaml:4:40"),
        (("spec", "workers", 0, "resources", "requests", "memory"), "job.yaml:10:34"),
        (("spec", "workers", 1), "job.yaml:11:5"),
        (("spec", "workers", 7), "job.yaml:8:3"),
        (("spec", "workers", -1), "job.yaml:8:3"),
        (("spec", "missing", "deeper"), "job.yaml:6:3"),
        (("kind", "x", 0), "job.yaml:3:7"),
    ],
)
def test_a_value_or_its_nearest_ancestor_is_located(path: tuple[str | int, ...], place: str) -> None:
    (document,) = load(JOB, "job.yaml").documents
    assert str(document.locate(*path)) == place


def test_the_place_of_a_repeated_key_is_the_one_that_counts() -> None:
    (document,) = load(b"a: 1\nb: 2\na: 3\n", "f").documents
    assert document.locate("a") == Place("f", 3, 4)


def test_places_in_later_documents_and_in_json_are_known() -> None:
    second = load(b"a: 1\n---\n---\nb:\n  c: 2\n", "f").documents[1]
    assert str(second.locate("b", "c")) == "f:5:6"
    (json_document,) = load(b'{\n\t"a": {"b": [1, 2]}\n}', "f").documents
    assert str(json_document.locate("a", "b", 1)) == "f:2:17"


# Warnings


def test_of_a_repeated_key_the_last_counts_and_a_warning_says_so() -> None:
    loaded = load(b"spec:\n  cpu: 1\n  memory: 2\n  cpu: 3\n", "job.yaml")
    assert loaded.documents[0].body == {"spec": {"cpu": 3, "memory": 2}}
    assert [str(warning) for warning in loaded.warnings] == [
        "job.yaml:4:3: key `cpu` appears twice in this map; Kubernetes uses the last, remove the other"
    ]


def test_a_repeated_key_in_json_warns_too() -> None:
    loaded = load(b'{"a": 1, "b": {"a": 2}, "a": 3}', "f")
    assert loaded.documents[0].body == {"a": 3, "b": {"a": 2}}
    assert len(loaded.warnings) == 1


def test_a_file_without_faults_has_no_warnings() -> None:
    assert load(JOB, "f").warnings == ()


# JSON


def test_json_may_have_tabs_surrogate_pairs_and_several_documents() -> None:
    loaded = load(b'{\n\t"a": "\\ud83d\\ude80",\n\t"b": 1.0, "c": 1e3, "d": 0.5, "e": null}\n {"f": "no"}', "f")
    assert [document.body for document in loaded.documents] == [
        {"a": "🚀", "b": 1, "c": 1000, "d": 0.5, "e": None},
        {"f": "no"},
    ]
    assert type(loaded.documents[0].body["b"]) is int
    assert str(loaded.documents[1].place) == "f:4:2"


def test_what_starts_like_json_may_still_be_yaml() -> None:
    loaded = load(b"{a: 1}\n---\n{b: 'x'}\n", "f")
    assert [document.body for document in loaded.documents] == [{"a": 1}, {"b": "x"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 9223372036854775808}', "64 bits"),
        ('{"a": ' + "9" * 5000 + "}", "64 bits"),
        ('{"a": 1e400}', "too large"),
        ('{"a": "\\ud800"}', "U+D800"),
        ('{"a": "\\u0000"}', "U+0000"),
        ('{"\\u007f": 1}', "U+007F"),
        ('{"<<": {}}', "`<<`"),
        ('{"a": ' * 3000 + "1" + "}" * 3000, "levels deep"),
        ('{"a": ' * 65 + "1" + "}" * 65, "levels deep"),
        ('{"' + "x" * 1001 + '": 1}', "shorten"),
        ('{"a": 1', "close the map"),
        ("{{ .Values.job }}", "template"),
    ],
)
def test_json_that_kubernetes_could_not_hold_is_refused(text: str, says: str) -> None:
    assert says in str(refusal(text))
