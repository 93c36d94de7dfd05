"""Turns decisions into files: cluster directories, Placement files, and what Argo CD and Flux apply."""

PUBLIC_NAMES = {
    "addons": (
        "FOLDER",
        "KeptAddOn",
        "SENTINEL",
        "folder_of",
        "provided_groups",
        "render_addons",
    ),
    "cluster": (
        "NAMESPACE",
        "ROOT",
        "SENTINEL",
        "directory_of",
        "namespace_meta",
        "render_cluster",
    ),
    "engine": ("EngineRenderer",),
    "engines": ("DEFAULT_ENGINE", "ENGINES", "engine_renderer"),
    "group": ("render_group",),
    "kustomization": ("FILE",),
    "luna": ("luna_patches", "luna_settings"),
    "model": ("ClusterDirectory", "GroupOverlay", "NamespaceMeta"),
    "placement_record": (
        "ROOT",
        "ReadPlacement",
        "in_words",
        "json_schema",
        "path_of",
        "read",
        "read_back",
        "write",
    ),
}
