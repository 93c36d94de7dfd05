"""Git at the edge: read a tree, write commits, push as a compare-and-swap, look back.

`repository.GitRepo` is the way in; `publish.publish_loop` is how the loop writes.
"""
