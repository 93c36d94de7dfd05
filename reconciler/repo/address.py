"""Checks what may name a repository, a branch, a revision or a path, and hides credentials in what is shown.

Each such text from a command line, a file or a webhook is checked here before git gets it, so that none can turn into
an option, a helper program (`ext::`) or a file outside the repository. Each text that git prints goes through
`Address.redact`, so that a password in a URL never gets into a log, an error or a commit.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from reconciler.errors import RepoError

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]*")
_SCP_LIKE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>[^/:@]+):(?P<path>.*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_USERINFO = re.compile(r"(?<=://)[^/\s'\"]*@")
_SECRET_QUERY = re.compile(
    r"([?&][^=&\s]*(?:token|secret|password|key)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE
)
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_SHORT_SECRET = 4


@dataclass(frozen=True, slots=True)
class Address:
    """A remote repository that git may be pointed at.

    `url` is what git gets and may hold a password; `shown` never does. `protocols` is what git may speak on its behalf.
    """

    url: str = field(repr=False)
    shown: str
    protocols: tuple[str, ...]
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def redact(self, text: str) -> str:
        """Return `text` with this address's own secrets, and any other credential in a URL, replaced by `***`."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return redact(text)

    @property
    def slug(self) -> str:
        """A directory name for this repository: readable, unique, and the same whatever credentials are used."""
        words = re.sub(
            r"[^A-Za-z0-9]+", "-", self.shown.partition("://")[2] or self.shown
        ).strip("-")[-60:]
        return (
            f"{words or 'repo'}-{hashlib.sha256(self.shown.encode()).hexdigest()[:12]}"
        )


def redact(text: str) -> str:
    """Return `text` with the user part of every URL and every token-like query value replaced by `***`."""
    return _SECRET_QUERY.sub(r"\1***", _USERINFO.sub("***@", text))


def is_remote(text: str) -> bool:
    """Say whether `text` is meant as an address (`scheme://…`, `helper::…`, `host:path`) and not as a local path.

    A colon before the first slash makes it an address, as in git itself.
    """
    return "://" in text or ":" in text.split("/", 1)[0]


def parse_address(text: str, *, allow_http: bool = False) -> Address:
    """Check a repository address: `https://`, `ssh://`, `user@host:path` or `file://`.

    Plain `http://` is for this machine alone (loopback), unless `allow_http`. Raises `RepoError` for all else.
    """
    shown = redact(_CONTROL.sub("?", text))
    if not text or _CONTROL.search(text) or text != text.strip():
        raise _refused(
            shown, "it is empty or has control characters or spaces around it"
        )
    if text.startswith("-"):
        raise _refused(shown, "it starts with '-'")
    if "://" not in text:
        return _scp_like(text, shown)
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise _refused(shown, "it is not a well-formed URL") from error
    match parts.scheme:
        case "https":
            return _web(parts, text, ("https", "ssh"))
        case "http":
            if not (allow_http or _is_loopback(parts.hostname or "")):
                raise _refused(
                    shown, "plain http would send credentials in the clear; use https"
                )
            return _web(parts, text, ("http", "https"))
        case "ssh":
            return _ssh(parts, text, shown)
        case "file":
            if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
                raise _refused(
                    shown, "a file address has the form file:///absolute/path"
                )
            return Address(text, text, ("file",))
    raise _refused(shown, f"the transport {parts.scheme!r} is not allowed")


def _web(parts: SplitResult, text: str, protocols: tuple[str, ...]) -> Address:
    shown = redact(text)
    _check_host(parts.hostname or "", shown)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    secret = password or user  # some forges take a token as the user name
    secrets = {form for form in (secret, unquote(secret)) if len(form) >= _SHORT_SECRET}
    public = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Address(
        text, redact(public), protocols, tuple(sorted(secrets, key=len, reverse=True))
    )


def _ssh(parts: SplitResult, text: str, shown: str) -> Address:
    _check_host(parts.hostname or "", shown)
    if parts.password is not None:
        raise _refused(shown, "ssh takes no password in the address; use a key")
    if parts.username is not None and not _USER.fullmatch(parts.username):
        raise _refused(shown, "the user name is not allowed")
    if len(parts.path) < 2:
        raise _refused(shown, "it names no repository")
    return Address(text, text, ("ssh",))


def _scp_like(text: str, shown: str) -> Address:
    if "::" in text:
        raise _refused(shown, "remote helpers (name::address) are not allowed")
    match = _SCP_LIKE.fullmatch(text)
    if match is None:
        raise _refused(shown, "it is neither a URL nor user@host:path")
    _check_host(match["host"], shown)
    if match["user"] is not None and not _USER.fullmatch(match["user"]):
        raise _refused(shown, "the user name is not allowed")
    if not match["path"] or match["path"].startswith("-"):
        raise _refused(shown, "it names no repository, or one that starts with '-'")
    return Address(text, text, ("ssh",))


def _check_host(host: str, shown: str) -> None:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise _refused(shown, "the host name is not allowed") from None
    elif not _HOST.fullmatch(host):
        raise _refused(shown, "the host name is not allowed")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(shown: str, why: str) -> RepoError:
    return RepoError(f"repository address {shown!r} is refused: {why}")


def check_branch(name: str) -> str:
    """Return `name` if it may be a branch (the rules of `git check-ref-format --branch`), else raise `RepoError`."""
    check_ref(f"refs/heads/{name}", shown=name)
    if name.startswith("-") or name == "HEAD":
        raise RepoError(f"{name!r} is not a branch name")
    return name


def check_ref(name: str, shown: str | None = None) -> str:
    """Return `name` if it is a full, well-formed ref under `refs/` (git-check-ref-format), else raise `RepoError`."""
    parts = name.split("/")
    wrong = (
        not name.startswith("refs/")
        or len(parts) < 3
        or _REF_FORBIDDEN.search(name) is not None
        or name.endswith(".")
        or any(
            not part or part.startswith(".") or part.endswith(".lock") for part in parts
        )
    )
    if wrong:
        what = (
            f"{name!r} is not a valid ref name"
            if shown is None
            else f"{shown!r} is not a branch name"
        )
        raise RepoError(what)
    return name


def check_revision(text: str) -> str:
    """Return `text` if it may be handed to `git rev-parse`: not an option, one line, no range. Else `RepoError`."""
    if not text or text.startswith(("-", "^")) or _CONTROL.search(text) or ".." in text:
        raise RepoError(f"{_CONTROL.sub('?', text)!r} is not a revision")
    return text


def check_sha(text: str) -> str:
    """Return `text` if it is a full object id in hex (SHA-1 or SHA-256), else raise `RepoError`."""
    if not _SHA.fullmatch(text):
        raise RepoError(f"{_CONTROL.sub('?', text)[:80]!r} is not a full commit id")
    return text


def path_fault(path: str) -> str | None:
    """Say why `path` cannot be a path inside a repository, or None when it can.

    Refused: absolute paths, empty, `.` and `..` parts, `.git` in any case, backslashes and control characters.
    """
    if not path:
        return "is empty"
    if path.startswith("/"):
        return "is absolute"
    if _CONTROL.search(path):
        return "has control characters"
    if "\\" in path:
        return "has a backslash"
    for part in path.split("/"):
        if part in {"", ".", ".."}:
            return "has an empty, '.' or '..' part"
        if part.lower().rstrip(". ") in {".git", "git~1"}:
            return "goes into .git"
    return None
