"""Reads and writes the fleet repository through git: trees, history, commits, and pushes as a compare-and-swap.

Callers open a `repository.GitRepo`; the loop writes by `publish.publish_loop`.
"""

PUBLIC_NAMES = {
    "contents": ("Contents", "HeldContents"),
    "folder": ("EMPTY", "Entry", "Folder", "folder_of"),
    "ownership": ("SNAPSHOT_REF",),
    "publish": ("Proposal", "Published", "publish_loop"),
    "repository": ("GitRepo",),
    "start": ("commit_files", "enclosing_checkout", "start_repo"),
    "tree": ("NO_COMMIT", "Tree"),
    "writer": ("Author", "CommitDraft"),
}
