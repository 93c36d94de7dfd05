"""A fleet repository, wherever it lives: a checkout, a bare repository, or a remote address.

`GitRepo` has the same methods for all three. Reading is by commit id and needs no worktree. Writing makes commits that
no ref points at; only `publish` moves a branch, and only from the commit that was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from reconciler.errors import RepoError
from reconciler.repo import checkout, history, push, tree, writer
from reconciler.repo.address import (
    check_branch,
    check_ref,
    check_revision,
    check_sha,
    is_remote,
    parse_address,
)
from reconciler.repo.cache import CachedClone, default_cache_dir
from reconciler.repo.command import NETWORK_SECONDS, GitCommand
from reconciler.repo.ownership import OWN_PREFIXES, OWN_REFS, is_own_path
from reconciler.repo.push import RefUpdate
from reconciler.repo.tree import Tree
from reconciler.repo.writer import Author, CommitDraft

_KEPT_TREES = 4


class GitRepo:
    """A branch of a repository; `open` makes it."""

    def __init__(
        self,
        command: GitCommand,
        branch: str | None,
        *,
        clone: CachedClone | None,
        shown: str,
    ) -> None:
        self.branch = branch
        """The branch that is read by default and published to; None when a checkout's HEAD is detached."""
        self.shown = shown
        """The repository's name for people, without credentials."""
        self._git = command
        self._clone = clone
        self._blobs = tree.BlobReader(command)
        self._trees: dict[str, Tree] = {}
        self._latest: dict[str, Tree] = {}
        self._last_change: dict[str, history.LastChange] = {}
        self._last_found: tuple[str, int] | None = None
        self._written: tuple[str, str] | None = None
        self._swept = clone is not None
        self._refs: dict[str, history.Ref] | None = None

    @classmethod
    def open(
        cls,
        path_or_url: str | Path,
        branch: str | None = None,
        cache_dir: Path | None = None,
        *,
        allow_http: bool = False,
        network_seconds: float = NETWORK_SECONDS,
    ) -> GitRepo:
        """Open a repository and, for an address, fetch it.

        `branch` defaults to the checkout's current branch, or to the remote's default branch. Copies of remotes are
        kept below `cache_dir`. `allow_http` permits plain http beyond this machine. Raises `RepoError`.
        """
        if branch is not None:
            check_branch(branch)
        text = str(path_or_url)
        if isinstance(path_or_url, str) and is_remote(text):
            address = parse_address(text, allow_http=allow_http)
            clone = CachedClone(
                address, cache_dir or default_cache_dir(), network_seconds
            )
            repo = cls(
                clone.command,
                branch or clone.default_branch(),
                clone=clone,
                shown=address.shown,
            )
            repo.fetch()
            return repo
        return cls._open_local(Path(text).absolute(), branch, network_seconds)

    @classmethod
    def _open_local(
        cls, path: Path, branch: str | None, network_seconds: float
    ) -> GitRepo:
        if not path.is_dir():
            raise RepoError(f"{path} is not a directory")
        found = checkout.find(path)
        command = GitCommand(
            Path(found.git_dir),
            Path(found.top) if found.top else None,
            network_seconds=network_seconds,
        )
        if branch is None and found.head.startswith("refs/heads/"):
            branch = found.head.removeprefix("refs/heads/")
        return cls(command, branch, clone=None, shown=found.top or found.git_dir)

    @property
    def work_tree(self) -> Path | None:
        """The checkout's top directory; None for a bare repository and for an address."""
        return self._git.work_tree

    def fetch(self) -> None:
        """Bring the branch and SkyRay's own refs from the remote. Does nothing for a repository on this machine."""
        if self._clone is not None:
            self._refs = None
            self._clone.fetch(self._branch())

    def head(self, rev: str | None = None) -> str:
        """Return the full commit id of a revision (a branch, tag, id, `HEAD~1` …); default: the branch's tip."""
        tip = "HEAD" if self.branch is None else f"refs/heads/{self.branch}"
        if rev is None and self._clone is not None:
            known = self._fetched().get(tip)
            if known is not None:
                self._last_found = (known.sha, known.time)
                return known.sha
        name = tip if rev is None else check_revision(rev)
        sha = self._commit_of(name)
        if sha is None:
            raise RepoError(
                f"{self.shown} has no branch {self.branch!r} with a commit: commit there first, or name another"
                if rev is None
                else f"{rev!r} is no revision in {self.shown}: name a commit, branch or tag"
            )
        return sha

    def _commit_of(self, name: str) -> str | None:
        """Return the full id of the commit that `name` means to git, or None when it means none."""
        found = history.find_commit(self._git, name)
        if found is None:
            return None
        self._last_found = found
        return found[0]

    def committed_at(self, sha: str) -> int:
        """Return when a commit, given by its full id, was made, in seconds since 1970."""
        # The commit that was found last is the one that is read next; git told its time then.
        if self._last_found is not None and self._last_found[0] == sha:
            return self._last_found[1]
        return history.read_log(self._git, sha, limit=1)[0].time

    def ref(self, name: str) -> str | None:
        """Return the commit that a full ref name points at, or None when there is no such ref."""
        if self._clone is not None:
            known = self._fetched().get(check_ref(name))
            return known.sha if known is not None else None
        found = history.list_refs(self._git, check_ref(name)).get(name)
        return found.sha if found is not None else None

    def _fetched(self) -> Mapping[str, history.Ref]:
        """Return the refs of the copy as the last fetch or push left them, listed once."""
        if self._refs is None:
            self._refs = history.list_refs(self._git, "refs/")
        return self._refs

    def tree(self, sha: str, line: str = "") -> Tree:
        """Return the files at a commit.

        It is made of the tree that was read last on the same `line` of history: the branch, or a ref of SkyRay's own.
        """
        found = self._trees.get(sha)
        if found is None:
            base = self._latest.get(line)
            if base is not None and base.revision == sha:
                return base
            if base is not None:
                found = tree.next_tree(self._git, sha, base)
            if found is None:
                found = tree.list_tree(self._git, sha, self._blobs)
            newest = list(self._trees.items())[1 - _KEPT_TREES :]
            # New dicts, so that other threads read whole ones.
            self._trees = dict([*newest, (sha, found)])
            self._latest = {**self._latest, line: found}
        return found

    def worktree(self) -> Tree:
        """Return the checkout's files as they are now, uncommitted ones too.

        Its `revision` is HEAD's, or `tree.NO_COMMIT` where nothing is committed yet.
        """
        sha = self._commit_of("HEAD")
        if sha is None and self._is_unborn():
            sha = tree.NO_COMMIT
        return checkout.worktree(self._git, sha or self.head("HEAD"))

    def _is_unborn(self) -> bool:
        """Say whether HEAD names a branch that has no commit yet."""
        branch = self._checked_out()
        return bool(branch) and self.ref(branch) is None

    def changed_paths(self, old: str, new: str) -> tuple[history.PathChange, ...]:
        """Return how the files at `new` differ from those at `old`, in path order."""
        return history.changed_paths(self._git, old, new)

    def touches_only(
        self, old: str, new: str, prefixes: Iterable[str] = OWN_PREFIXES
    ) -> bool:
        """Say whether every path that differs between two commits is below one of `prefixes`."""
        prefixes = tuple(prefixes)
        return all(
            is_own_path(change.path, prefixes)
            for change in self.changed_paths(old, new)
        )

    def only_own_commits(
        self, old: str, new: str, prefixes: Iterable[str] = OWN_PREFIXES
    ) -> bool:
        """Say whether all commits after `old` up to `new` are SkyRay's own, by path and trailer together."""
        return history.only_own_commits(self._git, old, new, prefixes)

    def is_ancestor(self, old: str, new: str) -> bool:
        """Say whether `old` is `new` or an ancestor of it."""
        return history.is_ancestor(self._git, old, new)

    def log(
        self,
        rev: str | None = None,
        *,
        after: str | None = None,
        paths: Iterable[str] = (),
        trailer: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> tuple[history.Commit, ...]:
        """Return commits up to `rev` (default: the tip), newest first; see `history.read_log` for the filters."""
        return history.read_log(
            self._git,
            self.head(rev),
            after=after,
            paths=paths,
            trailer=trailer,
            limit=limit,
        )

    def last_changes(
        self, sha: str, folder: str, paths: Callable[[], Iterable[str]] | None = None
    ) -> history.LastChanges:
        """Return by which commit on this branch each file below `folder` (such as `workloads/`) came to be as it is.

        `paths` returns the files that count, where these are not all that `folder` has at `sha`.
        """
        finder = self._last_change.get(folder)
        if finder is None:
            finder = self._last_change[folder] = history.LastChange(self._git, folder)
        return finder(check_sha(sha), paths or (lambda: self.tree(sha).paths(folder)))

    def write_commits(
        self,
        base_sha: str,
        drafts: Sequence[CommitDraft],
        author: Author,
        now: float,
        allowed_prefixes: Iterable[str] = OWN_PREFIXES,
    ) -> str:
        """Write one commit per draft on `base_sha` and return the last one's id; `base_sha` when nothing changes."""
        if not drafts:
            return base_sha
        self._sweep()
        tip = writer.write_commits(
            self._git, self.tree(base_sha), drafts, author, now, allowed_prefixes
        )
        self._written = (base_sha, tip)
        return tip

    def _sweep(self) -> None:
        """Before the first write to a repository on this machine, drop what crashed writers left there."""
        if not self._swept:
            writer.sweep_temporary_refs(self._git)
            self._swept = True

    def missing_from_ref(self, ref: str, names: Iterable[str]) -> list[str]:
        """Return those of `names` that are not the name of a file that `ref` (below `refs/skyray/`) holds."""
        wanted = list(names)
        sha = self.ref(ref) if wanted else None
        if sha is None:
            return wanted
        held = self.tree(sha, ref)
        return [name for name in wanted if name not in held]

    def write_ref_files(
        self,
        ref: str,
        files: Mapping[str, bytes | None],
        message: str,
        author: Author,
        now: float,
    ) -> RefUpdate | None:
        """Write a commit that adds `files` to what `ref` (below `refs/skyray/`) holds; None when it holds them already.

        The ref itself moves when the returned update is published.
        """
        if not check_ref(ref).startswith(OWN_REFS) or ref.startswith(
            writer.TEMPORARY_REFS
        ):
            raise RepoError(f"{ref} is not one of SkyRay's own refs")
        draft = CommitDraft(message, changes=files)
        self._sweep()
        old = self.ref(ref)
        if old is None:
            return (
                RefUpdate(ref, None, writer.write_orphan(self._git, draft, author, now))
                if files
                else None
            )
        new = writer.write_commits(
            self._git, self.tree(old, ref), [draft], author, now, None
        )
        return None if new == old else RefUpdate(ref, old, new)

    def publish(
        self,
        base_sha: str,
        new_sha: str,
        branch: str | None = None,
        extra_refs: Iterable[RefUpdate] = (),
    ) -> None:
        """Move the branch from `base_sha` to `new_sha`, and `extra_refs` with it, all or none.

        Raises `PushRejected` when one of them is not where it was read, `RepoError` when the repository refuses.
        """
        name = check_branch(branch) if branch is not None else self._branch()
        # What was just written on the base builds on it.
        known = base_sha == new_sha or self._written == (base_sha, new_sha)
        if not known and not self.is_ancestor(base_sha, new_sha):
            raise RepoError(
                f"{new_sha[:12]} does not build on {base_sha[:12]}; history is never rewritten"
            )
        own = RefUpdate(f"refs/heads/{name}", check_sha(base_sha), check_sha(new_sha))
        updates = (own, *extra_refs)
        if self._clone is not None:
            self._publish_remote(self._clone, updates)
        elif self.work_tree is not None and self._checked_out() == own.ref:
            checkout.follow(
                self._git,
                base_sha,
                new_sha,
                lambda: push.swap_refs(self._git, updates),
            )
        else:
            push.swap_refs(self._git, updates)

    def _publish_remote(
        self, clone: CachedClone, updates: tuple[RefUpdate, ...]
    ) -> None:
        def refetch() -> Mapping[str, str]:
            self.fetch()
            return {name: found.sha for name, found in self._fetched().items()}

        push.push(self._git, updates, refetch)
        self._refs = None
        with clone.locked():
            for update in updates:
                # Fails when another process has fetched a newer commit meanwhile, and that may stay.
                self._git.run(
                    "update-ref", update.ref, update.new, update.old or "", check=False
                )

    def check_upstream(self) -> None:
        """Raise `RepoError` when the checkout's branch tracks no remote branch that it could be pushed to."""
        checkout.upstream(self._git, self._branch())

    def push_upstream(
        self, own_refs: Iterable[str] = (), *, allow_http: bool = False
    ) -> None:
        """Push a checkout's branch, and `own_refs`, to where the branch comes from."""
        checkout.push_upstream(
            self._git, self._branch(), own_refs, allow_http=allow_http
        )

    def _checked_out(self) -> str:
        return self._git.run("symbolic-ref", "--quiet", "HEAD", check=False).text

    def _branch(self) -> str:
        if self.branch is None:
            raise RepoError(
                f"{self.shown} is on no branch (detached HEAD); check one out or name one"
            )
        return self.branch
