"""What all of SkyRay's own kinds share: strict models, errors with `file:line:column`, published JSON Schemas.

A kind is a pydantic model in camelCase that allows no unknown field and converts no type. All problems of a file are
reported together, each with its place and the word that was probably meant. A null is an absent field, as in
Kubernetes. Pydantic takes a tenth of a second to import, so `skyray size` must not import this module.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from reconciler.errors import InputError, InvalidObject, Place
from reconciler.manifests import identity
from reconciler.manifests.quantity import Quantity as ExactQuantity

API_VERSION = "skyray.dev/v1alpha1"
SCHEMA_BASE = "https://skyray.dev/schemas/v1alpha1"

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_NATIVE = ("cpu", "memory", "ephemeral-storage", "pods")
_NATIVE_PREFIXES = ("hugepages-", "attachable-volumes-")
_QUOTA_PREFIXES = ("requests.", "limits.")
_DEVICES = ("nvidia.com/gpu", "google.com/tpu", "aws.amazon.com/neuron")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Located(Protocol):
    """What `read_object` needs of a `manifests.loader.Document`."""

    @property
    def body(self) -> Any:
        """The object as plain data."""

    @property
    def place(self) -> Place:
        """Where the document starts."""

    def locate(self, *path: str | int) -> Place:
        """Return the place of the value at `path`."""


class InvalidFields(InvalidObject):
    """Several problems: the message is that of the first; `others` are the rest, in the order of the files."""

    def __init__(self, problems: Sequence[InputError]) -> None:
        first, *others = problems
        super().__init__(first.message, first.place)
        self.others = tuple(others)


def problems(error: InputError) -> tuple[InputError, ...]:
    """Return every problem behind `error`, the first included."""
    return (error, *error.others) if isinstance(error, InvalidFields) else (error,)


class SkyRayModel(BaseModel):
    """Base of every kind and of its parts.

    The validator of a kind is built when the kind is first read: a command reads a few kinds, and no part by itself.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        defer_build=True,
    )

    @classmethod
    def defaults(cls) -> Self:
        """Return what an absent part means: the default of every field."""
        # To check them would build a validator at import.
        return cls.model_construct()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return (
            {key: v for key, v in value.items() if v is not None}
            if isinstance(value, dict)
            else value
        )


def _label_key(text: str) -> str:
    return _checked(identity.check_label_key, text, "key")


def _label_value(text: str) -> str:
    return _checked(identity.check_label_value, text, "value")


def _dns_label(text: str) -> str:
    return _checked(identity.check_dns_label, text, "name")


def _checked(check: Any, text: str, what: str) -> str:
    """Turn the checks of `manifests.identity` into what pydantic collects."""
    try:
        check(text, what)
    except InvalidObject as error:
        raise ValueError(error.message.removeprefix(f"{what}: ")) from None
    return text


def parse_duration(text: object) -> float:
    """Return the seconds of `1h30m`, `90s`, `500ms` or `7d`: Go's notation, and days. Raise `ValueError` for others."""
    if not isinstance(text, str) or _DURATION.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is not a duration; write a number with a unit, such as 90s, 10m or 1h30m"
        )
    return sum(
        float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)
    )


def duration_text(seconds: float) -> str:
    """Write whole seconds as `1h30m`; the inverse of `parse_duration`."""
    left, text = round(seconds), ""
    for unit in ("h", "m", "s"):
        count, left = divmod(left, int(_SECONDS[unit]))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _amount(value: object) -> ExactQuantity:
    if not isinstance(value, str | int | float):
        raise ValueError(  # noqa: TRY004
            f"{value!r} is not a quantity; write a number such as 4, 500m or 16Gi"
        )
    amount = ExactQuantity.parse(value)
    if amount.nano < 0:
        raise ValueError(f"{value!r} is negative; write 0 or more")
    return amount


def _resource_name(text: str) -> str:
    """Accept what pods can request: a wrong name would limit nothing, or offer what no pod asks for."""
    is_native = text in _NATIVE or text.startswith(_NATIVE_PREFIXES)
    is_device = "/" in text and not text.startswith(_QUOTA_PREFIXES)
    if identity.is_label_key(text) and (is_native or is_device):
        return text
    meant = _resource_meant(text)
    remedy = (
        f"did you mean {meant!r}?"
        if meant
        else f"use one of {', '.join(_NATIVE)}, nvidia.com/gpu ..."
    )
    raise ValueError(
        f"{text!r} is not the name of a resource that pods request; {remedy}"
    )


def _resource_meant(text: str) -> str:
    """Return the resource whose name in a ResourceQuota, or without its domain, is `text`; empty for others."""
    for prefix in _QUOTA_PREFIXES:
        if text.startswith(prefix):
            return text.removeprefix(prefix)
    for device in _DEVICES:
        if device.endswith(f"/{text}"):
            return device
    return ""


T = TypeVar("T")
Items = Annotated[tuple[T, ...], Strict(False)]
"""A YAML list, kept as a tuple."""

DnsLabel = Annotated[
    str,
    AfterValidator(_dns_label),
    Field(json_schema_extra={"format": "hostname", "maxLength": 63}),
]
Labels = dict[
    Annotated[str, AfterValidator(_label_key)],
    Annotated[str, AfterValidator(_label_value)],
]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_DURATION.pattern}$",
            "examples": ["10m", "1h30m"],
        }
    ),
]
"""Seconds, written as `1h30m`."""

QUANTITY_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "number"}],
    "examples": ["15", "500m", "58Gi"],
}
Quantity = Annotated[Any, BeforeValidator(_amount), WithJsonSchema(QUANTITY_SCHEMA)]
"""A `manifests.quantity.Quantity` that is not negative."""


ResourceName = Annotated[str, AfterValidator(_resource_name)]


class ObjectMeta(SkyRayModel):
    """The part of Kubernetes' metadata that a file in the fleet repo can carry."""

    name: DnsLabel
    labels: Labels = Field(default_factory=dict)
    annotations: dict[Annotated[str, AfterValidator(_label_key)], str] = Field(
        default_factory=dict
    )


M = TypeVar("M", bound=SkyRayModel)


def read_object(model: type[M], document: Located) -> M:
    """Return the document as a `model`.

    Raises `InvalidObject` with the place of the first problem; `problems(error)` lists all of them.
    """
    try:
        return model.model_validate(document.body)
    except ValidationError as error:
        found: list[InputError] = [
            _problem(model, document, dict(detail))
            for detail in error.errors(include_url=False)
        ]
    found.sort(
        key=lambda problem: (
            (problem.place.line, problem.place.column) if problem.place else (0, 0)
        )
    )
    raise InvalidFields(found)


def json_schema(model: type[SkyRayModel], kind: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) that is published for `kind`, for editors and other programs."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    _tidy(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_BASE}/{kind.lower()}.json",
        "title": kind,
        **schema,
    }


def _tidy(schema: Any) -> None:
    """Drop pydantic's titles, which only repeat names, and write default durations as users do."""
    if isinstance(schema, list):
        for element in schema:
            _tidy(element)
    elif isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        if schema.get("pattern") == f"^{_DURATION.pattern}$" and "default" in schema:
            schema["default"] = duration_text(schema["default"])
        for value in schema.values():
            _tidy(value)


def _problem(
    model: type[SkyRayModel], document: Located, detail: Mapping[str, Any]
) -> InvalidObject:
    """Return one of pydantic's findings as an error of a single line, with its place."""
    path = [step for step in detail["loc"] if step != "[key]"]
    field = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in path
    ).lstrip(".")
    value, ctx = detail.get("input"), detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return InvalidObject(f"{field} is missing", document.locate(*path[:-1]))
        case "extra_forbidden":
            known = _fields_at(model, path[:-1])
            message = f"{field}: unknown field{_did_you_mean(str(path[-1]), known)}"
        case "literal_error":
            allowed = _allowed_at(model, path) or [
                str(ctx.get("expected", "")).replace("'", "")
            ]
            message = f"{field} is {_short(value)}; use {' or '.join(allowed)}"
        case "string_type":
            message = f"{field} is {_short(value)}, which is not a text; quote it"
        case "bool_type":
            message = f"{field} is {_short(value)}; write true or false"
        case "int_type" if isinstance(value, float):
            message = f"{field} is {_short(value)}; write a whole number"
        case "int_type" | "float_type":
            message = f"{field} is {_short(value)}; write a number without quotes"
        case "model_type" | "dict_type":
            message = f"{field or 'the document'} must be a map of fields"
        case "tuple_type":
            message = f"{field} must be a list"
        case "value_error":
            message = f"{field}: {ctx['error']}" if field else str(ctx["error"])
        case _:
            text = detail["msg"]
            message = f"{field} is {_short(value)}: {text[:1].lower()}{text[1:]}"
    return InvalidObject(message, document.locate(*path))


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; use one of {', '.join(sorted(known))}" if known else ""


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _annotation_at(model: type[SkyRayModel], path: Sequence[str | int]) -> Any:
    """Follow `path` through the annotations of `model`; None where it leads nowhere."""
    here: Any = model
    for step in path:
        options = _unwrapped(here)
        fields = _fields_of(options)
        if step in fields:
            here = fields[str(step)]
            continue
        containers = [
            option
            for option in options
            if typing.get_origin(option) in {tuple, dict, list}
        ]
        if not containers:
            return None
        # The values are the last argument of dict[K, V] and list[V], and the first of tuple[V, ...].
        arguments = typing.get_args(containers[0])
        here = arguments[-1] if arguments[-1] is not Ellipsis else arguments[0]
    return here


def _fields_of(options: Sequence[Any]) -> dict[str, Any]:
    """Return the annotations of all fields, by their names in files, of the models among `options`."""
    fields: dict[str, Any] = {}
    for option in options:
        if isinstance(option, type) and issubclass(option, BaseModel):
            fields |= {
                field.alias or name: field.annotation
                for name, field in option.model_fields.items()
            }
    return fields


def _unwrapped(annotation: Any) -> list[Any]:
    """Return the types that a value may have, without `Annotated` and unions around them."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _unwrapped(typing.get_args(annotation)[0])
    if origin in {typing.Union, types.UnionType}:
        return [
            inner
            for option in typing.get_args(annotation)
            for inner in _unwrapped(option)
        ]
    return [annotation]


def _fields_at(model: type[SkyRayModel], path: Sequence[str | int]) -> list[str]:
    return list(_fields_of(_unwrapped(_annotation_at(model, path))))


def _allowed_at(model: type[SkyRayModel], path: Sequence[str | int]) -> list[str]:
    options = _unwrapped(_annotation_at(model, path))
    literals = [
        option for option in options if typing.get_origin(option) is typing.Literal
    ]
    return [str(word) for literal in literals for word in typing.get_args(literal)]
