"""Which nodes the autoscalers of live clusters may add, read from the API objects that they keep.

`reader` is the interface, `registry` the list of readers; each other module with a `Reader` class reads one kind of
object. `fleet.addable` merges the result with the pools that the inventory declares.
"""
