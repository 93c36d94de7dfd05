import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import RepoError
from reconciler.repo.address import (
    check_branch,
    check_ref,
    check_revision,
    check_sha,
    is_remote,
    parse_address,
    path_fault,
    redact,
)


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        ("https://github.com/acme/fleet.git", "https"),
        ("https://git.example.com:8443/a/b", "https"),
        ("https://[2001:db8::1]/a", "https"),
        ("ssh://git@github.com/acme/fleet.git", "ssh"),
        ("ssh://git@git.example.com:2222/acme/fleet", "ssh"),
        ("git@github.com:acme/fleet.git", "ssh"),
        ("host.example.com:fleet", "ssh"),
        ("file:///srv/git/fleet.git", "file"),
        ("http://127.0.0.1:3000/fleet", "http"),
        ("http://localhost/fleet", "http"),
        ("http://[::1]:80/fleet", "http"),
    ],
)
def test_ordinary_addresses_are_accepted_with_their_own_protocol_only(text: str, protocol: str) -> None:
    address = parse_address(text)
    assert address.url == text
    assert protocol in address.protocols
    assert "ext" not in address.protocols


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-u",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "ext::https://example.com/a",
        "git://example.com/a",
        "ftp://example.com/a",
        "http://example.com/a",
        "http://127.0.0.1.example.com/a",
        "ssh://-oProxyCommand=touch/a",
        "ssh://-oProxyCommand=x@host/a",
        "ssh://git:secret@host/a",
        "ssh://host",
        "-oProxyCommand=touch:path",
        "git@-oProxyCommand=touch:path",
        "git@host:-path",
        "git@host:",
        "https://-host/a",
        "https:///a",
        "https://ho st/a",
        "https://host/a\nb",
        "https://host/a\x00",
        " https://host/a",
        "https://host:port/a",
        "file://elsewhere/share",
    ],
)
def test_hostile_addresses_are_refused(text: str) -> None:
    with pytest.raises(RepoError, match="is refused"):
        parse_address(text)


def test_plain_http_beyond_this_machine_needs_to_be_allowed() -> None:
    assert parse_address("http://gitea.gitea.svc:3000/a/b", allow_http=True).protocols == ("http", "https")


def test_a_password_is_shown_nowhere() -> None:
    address = parse_address("https://robot:s3cr%40t-token@git.example.com/fleet?private_token=abc123")
    shown = f"{address} {address!r} {address.shown} {address.slug}"
    echoed = address.redact(
        f"fatal: unable to access '{address.url}': s3cr@t-token s3cr%40t-token; see https://x:y@other.example.com/"
    )
    for secret in ("s3cr", "abc123", "x:y"):
        assert secret not in shown
        assert secret not in echoed
    assert address.shown == "https://git.example.com/fleet?private_token=***"


def test_a_refusal_does_not_print_the_password() -> None:
    with pytest.raises(RepoError) as error:
        parse_address("http://robot:hunter22@git.example.com/fleet")
    assert "hunter22" not in str(error.value)


def test_one_repository_has_one_cache_whatever_the_credentials() -> None:
    one = parse_address("https://a:firstpassword@git.example.com/fleet")
    other = parse_address("https://b:otherpassword@git.example.com/fleet")
    assert one.slug == other.slug
    assert one.slug != parse_address("https://git.example.com/fleet2").slug


@given(st.text(alphabet=st.characters(exclude_characters=" /'\"", exclude_categories=["Z", "C"]), min_size=1))
def test_whatever_stands_before_the_host_is_redacted(secret: str) -> None:
    assert redact(f"see https://u:{secret}@host/path") == "see https://***@host/path"


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        (".", False),
        ("/srv/fleet", False),
        ("./a:b", False),
        ("../x", False),
        ("host:path", True),
        ("https://h/p", True),
    ],
)
def test_paths_and_addresses_are_told_apart_as_git_does(text: str, remote: bool) -> None:
    assert is_remote(text) is remote


@pytest.mark.parametrize("name", ["main", "release/1.2", "feature-x", "ümlaut"])
def test_ordinary_branches_are_accepted(name: str) -> None:
    assert check_branch(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-d",
        "--force",
        "HEAD",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a/b.lock/c",
        "a.",
        "a@{1}",
        "a\n",
        "a\x7f",
    ],
)
def test_names_that_cannot_be_branches_are_refused(name: str) -> None:
    with pytest.raises(RepoError, match="not a branch name"):
        check_branch(name)


@pytest.mark.parametrize("name", ["main", "refs/", "refs/x", "refs/heads/../x", "-refs/heads/x"])
def test_a_ref_is_full_and_well_formed(name: str) -> None:
    with pytest.raises(RepoError):
        check_ref(name)


@pytest.mark.parametrize("text", ["", "-n1", "--all", "a..b", "^main", "x\ny"])
def test_options_and_ranges_are_no_revision(text: str) -> None:
    with pytest.raises(RepoError):
        check_revision(text)


@pytest.mark.parametrize("text", ["HEAD", "a" * 39, "A" * 40, "a" * 40 + "\n", "-" * 40])
def test_only_full_ids_are_commit_ids(text: str) -> None:
    with pytest.raises(RepoError):
        check_sha(text)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "a/../b",
        "..",
        ".",
        "./a",
        "a//b",
        "a/",
        ".git/config",
        "a/.GIT/hooks",
        "a/.git./x",
        "a\nb",
        "a\x00b",
        "a\\b",
        "git~1/config",
    ],
)
def test_paths_that_leave_the_repository_have_a_fault(path: str) -> None:
    assert path_fault(path)


@pytest.mark.parametrize("path", ["a", "a/b.yaml", ".github/x", "a b/ü.yaml", "a/..b", ".gitignore", '"'])
def test_ordinary_paths_have_no_fault(path: str) -> None:
    assert path_fault(path) is None
