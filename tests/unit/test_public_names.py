"""A package's `PUBLIC_NAMES` lists, by module, what other packages may import."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PublicNames = Mapping[str, tuple[str, ...]]


def declared_packages() -> dict[str, PublicNames]:
    """Return the `PUBLIC_NAMES` of each package of reconciler that declares them."""
    found = {}
    for init in sorted((ROOT / "reconciler").glob("*/__init__.py")):
        package = importlib.import_module(f"reconciler.{init.parent.name}")
        if hasattr(package, "PUBLIC_NAMES"):
            found[package.__name__] = package.PUBLIC_NAMES
    return found


PACKAGES = declared_packages()


def imported_names(tree: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    """Yield the module and name of everything that a file takes from `package`.

    The name is empty for an import of a whole module by its dotted path, which hides what is used.
    """
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            aliases |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            module = str(node.module).removeprefix(f"{package}.")
            yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(f"{package}."):
                    yield alias.name.removeprefix(f"{package}."), ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield aliases[node.value.id], node.attr


def undeclared(source: str, package: str, public: PublicNames) -> list[str]:
    """Return what a file takes from `package` that `public` does not list, as `module.name`."""
    found = imported_names(ast.parse(source), package)
    return sorted(f"{module}.{name}" for module, name in found if name not in public.get(module, ()))


def files_outside(package: str) -> Iterator[Path]:
    own = ROOT / package.replace(".", "/")
    for folder in ("reconciler", "webhooks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if own not in path.parents:
                yield path


def top_level_names(source: str) -> set[str]:
    """Return the names that a module defines itself; what it imports belongs to another module."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                for target in targets:
                    names |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_other_packages_import_only_what_a_package_declares(package: str) -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in files_outside(package)
        if (names := undeclared(path.read_text(), package, PACKAGES[package]))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("package", "module"), [(package, module) for package, public in PACKAGES.items() for module in public]
)
def test_what_a_package_declares_is_defined_in_the_module_that_it_names(package: str, module: str) -> None:
    source = (ROOT / package.replace(".", "/") / f"{module.replace('.', '/')}.py").read_text()
    assert set(PACKAGES[package][module]) <= top_level_names(source)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from reconciler.a.b import open_, hidden", ["b.hidden"]),
        ("from reconciler.a.c import open_", ["c.open_"]),
        ("from reconciler.a import b as c\nc.open_(c.hidden)", ["b.hidden"]),
        ("def f():\n    from reconciler.a.b import hidden", ["b.hidden"]),
        ("import reconciler.a.b", ["b."]),
        ("from reconciler.ab.b import hidden", []),
    ],
)
def test_each_form_of_import_is_seen(source: str, found: list[str]) -> None:
    assert undeclared(source, "reconciler.a", {"b": ("open_",)}) == found


def test_each_package_that_others_import_says_what_they_may_use() -> None:
    # Every class of `reasons` is for all packages; nothing imports the command line.
    there = {f"reconciler.{path.parent.name}" for path in (ROOT / "reconciler").glob("*/__init__.py")}
    assert there - PACKAGES.keys() == {"reconciler.reasons", "reconciler.cli"}
