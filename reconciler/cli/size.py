"""`skyray size`: what each manifest asks of a cluster, pod by pod, before anything is committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from reconciler.cli.output import columns, note, output_option, print_data
from reconciler.errors import InputError, UsageError
from reconciler.manifests.loader import DEFAULT, Document, load
from reconciler.manifests.quantity import Quantity, add_resources
from reconciler.ray.demand import Demand
from reconciler.ray.problem import Severity
from reconciler.ray.validation import problems
from reconciler.ray.workload import demand_of

_FIRST = ("cpu", "memory")


@click.command("size", short_help="Show the pods and requests that manifests ask for.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@output_option
def command(files: tuple[str, ...], output: str) -> None:
    """Show what the objects in FILE... ask of a cluster; `-` reads standard input.

    Counts every pod that KubeRay makes, with all that it adds: the autoscaler, init containers, the job submitter.
    Requests are those of one pod, as kube-scheduler counts them. Objects that make no pods are left out.

    \b
    skyray size rayjob.yaml
    kubectl get rayjobs -A -o yaml | skyray size - -o json
    """
    demands: list[Demand] = []
    errors = 0
    for file in files:
        try:
            loaded = load(_read(file), "standard input" if file == "-" else file)
        except InputError as error:
            note(str(error))
            errors += 1
            continue
        for told in loaded.warnings:
            note(f"{told.place}: warning: {told.message}")
        for document in loaded.documents:
            wrong = _wrong(document)
            errors += bool(wrong)
            if not wrong and (demand := demand_of(document.body)) is not None:
                demands.append(demand)
    print_data(output, [_as_data(demand) for demand in demands], lambda: _table(demands))
    if errors:
        raise SystemExit(1)


def _read(file: str) -> bytes:
    """Return at most one byte more than the loader accepts, so that a huge file costs no memory."""
    try:
        with click.open_file(file, "rb") as stream:
            return bytes(stream.read(DEFAULT.file_bytes + 1))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}; check the name") from None


def _wrong(document: Document) -> bool:
    """Tell all that is wrong with the document; return whether it cannot be sized."""
    found = problems(document.body)
    for one in found:
        mark = "warning: " if one.severity is Severity.WARNING else ""
        note(f"{document.locate(*one.path)}: {mark}{one.message}")
    return any(one.severity is Severity.ERROR for one in found)


def _as_data(demand: Demand) -> dict[str, Any]:
    """Return the demand in the form that DESIGN section 8 fixes."""
    return {
        "kind": demand.key.kind,
        "namespace": demand.key.namespace,
        "name": demand.key.name,
        "pods": [
            {"role": str(one.role), "group": one.group, "count": one.count, "requests": _texts(one.requests)}
            for one in demand.pod_sets
        ],
    }


def _texts(requests: Mapping[str, Quantity]) -> dict[str, str]:
    return {name: str(requests[name]) for name in _ordered(requests)}


def _ordered(names: Mapping[str, Any]) -> list[str]:
    return sorted(names, key=lambda name: (name not in _FIRST, name))


def _table(demands: list[Demand]) -> str:
    """Return one line a pod set with the requests of one pod, and the total of each object that makes several pods."""
    resources = _ordered({name: None for demand in demands for one in demand.pod_sets for name in one.requests})
    rows: list[list[str]] = []
    for demand in demands:
        rows += _rows(demand, resources)
    if not rows:
        return ""
    shown = [name.upper() for name in resources]
    notes = [f"{demand.key}: {text}" for demand in demands for text in demand.unsized]
    return "\n".join([columns(["OBJECT", "PODS", "COUNT", *shown], rows, right=("COUNT", *shown)), *notes])


def _rows(demand: Demand, resources: list[str]) -> Iterator[list[str]]:
    total: dict[str, Quantity] = {}
    for number, one in enumerate(demand.pod_sets):
        total = add_resources(total, {name: amount * one.count for name, amount in one.requests.items()})
        amounts = _texts(one.requests)
        label = str(demand.key) if number == 0 else ""
        yield [label, one.title, str(one.count), *(amounts.get(name, "-") for name in resources)]
    if demand.pods > 1:
        amounts = _texts(total)
        yield ["", "total", str(demand.pods), *(amounts.get(name, "-") for name in resources)]
