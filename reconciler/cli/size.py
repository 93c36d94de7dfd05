"""`skyray size`: what each manifest asks of a cluster, pod by pod, before anything is committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from reconciler.cli.output import columns, note, output_option, print_data
from reconciler.errors import InputError, UsageError
from reconciler.manifests.intake import DEFAULT
from reconciler.manifests.loader import Document, load
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
        for warning in loaded.warnings:
            note(f"{warning.place}: warning: {warning.message}")
        for document in loaded.documents:
            if _has_errors(document):
                errors += 1
                continue
            demand = demand_of(document.body)
            # None for objects that make no pods.
            if demand is not None:
                demands.append(demand)
    print_data(
        output, [_as_data(demand) for demand in demands], lambda: _table(demands)
    )
    if errors:
        raise SystemExit(1)


def _read(file: str) -> bytes:
    """Return at most one byte more than the loader accepts, so that a huge file costs no memory."""
    try:
        with click.open_file(file, "rb") as stream:
            return bytes(stream.read(DEFAULT.file_bytes + 1))
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror or error}; check the name"
        ) from None


def _has_errors(document: Document) -> bool:
    """Print the problems of the document; return whether one of them is an error, so that it cannot be sized."""
    found = problems(document.body)
    for problem in found:
        mark = "warning: " if problem.severity is Severity.WARNING else ""
        note(f"{document.locate(*problem.path)}: {mark}{problem.message}")
    return any(problem.severity is Severity.ERROR for problem in found)


def _as_data(demand: Demand) -> dict[str, Any]:
    """Return the demand as JSON and YAML print it; docs/contract.md has the fields."""
    pods = []
    for pod_set in demand.pod_sets:
        requests = _texts(pod_set.requests)
        pods.append(
            {
                "role": str(pod_set.role),
                "group": pod_set.group,
                "count": pod_set.count,
                "requests": requests,
            }
        )
    key = demand.key
    return {
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
        "pods": pods,
    }


def _texts(requests: Mapping[str, Quantity]) -> dict[str, str]:
    return {name: str(requests[name]) for name in _ordered(requests)}


def _ordered(names: Mapping[str, Any]) -> list[str]:
    return sorted(names, key=lambda name: (name not in _FIRST, name))


def _table(demands: list[Demand]) -> str:
    """Return one line a pod set with the requests of one pod, and the total of each object that makes several pods."""
    requested: dict[str, Quantity] = {}
    for demand in demands:
        for pod_set in demand.pod_sets:
            requested.update(pod_set.requests)
    resources = _ordered(requested)
    rows: list[list[str]] = []
    notes = []
    for demand in demands:
        rows += _rows(demand, resources)
        notes += [f"{demand.key}: {text}" for text in demand.unsized]
    if not rows:
        return ""
    amounts = [name.upper() for name in resources]
    table = columns(
        ["OBJECT", "PODS", "COUNT", *amounts], rows, right=("COUNT", *amounts)
    )
    return "\n".join([table, *notes])


def _rows(demand: Demand, resources: list[str]) -> Iterator[list[str]]:
    total: dict[str, Quantity] = {}
    label = str(demand.key)
    for pod_set in demand.pod_sets:
        of_all = {
            name: amount * pod_set.count for name, amount in pod_set.requests.items()
        }
        total = add_resources(total, of_all)
        yield [
            label,
            pod_set.title,
            str(pod_set.count),
            *_cells(pod_set.requests, resources),
        ]
        label = ""  # the object is named in its first row only
    if demand.pods > 1:
        yield ["", "total", str(demand.pods), *_cells(total, resources)]


def _cells(requests: Mapping[str, Quantity], resources: list[str]) -> list[str]:
    amounts = _texts(requests)
    return [amounts.get(name, "-") for name in resources]
