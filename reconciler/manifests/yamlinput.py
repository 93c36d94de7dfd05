"""YAML text to plain objects, straight from libyaml's events.

The event stream has each scalar once, with its style. So ambiguous scalars, aliases, tags and repeated keys are found
in the same pass that builds the objects, and nothing is ever expanded.
"""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.errors import ManifestError, Place
from reconciler.manifests.intake import (
    Limits,
    LoadWarning,
    check_carried,
    check_key,
    is_long_key,
    repeated,
    shown,
    too_deep,
    too_long,
    too_many_nodes,
)
from reconciler.manifests.plainscalar import Ambiguous, Scalar, file_mode, resolve

_MESSAGES = {
    "mapping values are not allowed in this context": "': ' is where no key can be; check the indentation, or "
    "quote the text that contains it",
    "found character that cannot start any token": "a value cannot start with this character; indent with spaces, not "
    "tabs, or quote the value",
    "could not find expected ':'": "a key is not followed by ':'; add it, or indent the line under what it continues",
    "did not find expected key": "a key was expected; check the indentation, and the quotes above",
    "did not find expected '-' indicator": "a list item was expected; check the indentation",
    "did not find expected ',' or ']'": "',' or ']' was expected; close the list",
    "did not find expected ',' or '}'": "',' or '}' was expected; close the map",
    "found unexpected end of stream": "the file ends inside a quoted text; close the quote",
    "found unexpected document indicator": "'---' is inside a quoted text; close the quote",
    "found a tab character that violates indentation": "a tab indents this line; use spaces",
    "found unknown escape character": "unknown escape after '\\'; write '\\\\', or use single quotes",
    "block sequence entries are not allowed in this context": "'- ' is where no list item can be; start a new line",
    "did not find expected <document start>": "'---' was expected before another document; add it, or check the quotes",
}


_FILE_MODES = frozenset(("mode", "defaultMode"))
"""Keys whose values are written in octal, as in the documentation of Kubernetes and the samples of KubeRay."""


def read_yaml(
    text: str, file: str, limits: Limits
) -> tuple[list[tuple[Any, Place]], list[LoadWarning]]:
    """Return the root value of each document with its place, and the warnings. Raises `ManifestError`."""
    reader = _Reader(text, file, limits)
    try:
        return reader.documents(), reader.warnings
    except yaml.MarkedYAMLError as error:
        problem = error.problem or "not YAML"
        message = _MESSAGES.get(problem, problem)
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        context = error.context_mark
        if context and mark and context.line != mark.line and error.context:
            message += f" ({error.context}, from line {context.line + 1})"
        raise ManifestError(message, place) from None


class _Reader:
    """A single pass over the events of a file."""

    def __init__(self, text: str, file: str, limits: Limits) -> None:
        self.text = text
        self.file = file
        self.limits = limits
        self.warnings: list[LoadWarning] = []
        self.nodes = 0
        self.braces = 0
        self.next = yaml.CBaseLoader(
            text
        ).get_event  # only its parser is used, which is libyaml

    def documents(self) -> list[tuple[Any, Place]]:
        roots: list[tuple[Any, Place]] = []
        self.next()
        while type(event := self.next()) is not StreamEndEvent:
            if isinstance(event, DocumentStartEvent):
                self.check_start(event)
            root = self.next()
            roots.append((self.value(root, 1), self.place(root)))
            if len(roots) > self.limits.documents:
                message = f"the file has more than {self.limits.documents:,} documents; split it"
                raise ManifestError(message, self.place(event))
            self.next()
        return roots

    def check_start(self, event: DocumentStartEvent) -> None:
        """Refuse documents that kubectl would skip: it splits the file only at lines of `---` and nothing more."""
        if event.version or event.tags:
            raise ManifestError(
                "a %YAML or %TAG directive; remove it", self.place(event)
            )
        if not event.explicit:
            return
        mark: Any = event.start_mark
        after = mark.index + len("---")
        end = self.text.find("\n", after)
        rest = self.text[after : end if end >= 0 else None].strip()
        if rest and not rest.startswith("#"):
            message = f"kubectl ignores what follows '---'; put `{rest[:40]}` on the next line"
            raise ManifestError(message, self.place(event))

    def value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is ScalarEvent:
            return self.scalar(event)
        self.check_anchor_and_tag(event)
        if depth > self.limits.depth:
            raise too_deep(self.place(event), self.limits)
        self.braces += bool(event.flow_style)
        result = (
            self.mapping(depth + 1)
            if kind is MappingStartEvent
            else self.sequence(depth + 1)
        )
        self.braces -= bool(event.flow_style)
        return result

    def mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        following = self.next
        while type(event := following()) is not MappingEndEvent:
            key = self.key(event)
            if key in result:
                self.warnings.append(repeated(key, self.place(event)))
            event = following()
            mode = _file_mode(event) if key in _FILE_MODES else None
            if mode is not None:
                result[key] = mode
            else:
                result[key] = (
                    self.scalar(event)
                    if type(event) is ScalarEvent
                    else self.value(event, depth)
                )
            self.count(2, event)
        return result

    def sequence(self, depth: int) -> list[Any]:
        result: list[Any] = []
        following = self.next
        while type(event := following()) is not SequenceEndEvent:
            result.append(self.value(event, depth))
            self.count(1, event)
        return result

    def scalar(self, event: ScalarEvent) -> Scalar:
        if event.anchor is not None or event.tag is not None:
            self.check_anchor_and_tag(event)
        text: str = event.value
        if len(text) > self.limits.scalar_characters:
            raise too_long(self.place(event), self.limits.scalar_characters)
        if event.implicit[0]:
            if not text and self.braces:
                message = 'a key without a value in braces is null to kubectl and "" to kustomize; write null or ""'
                raise ManifestError(message, self.place(event))
            try:
                return resolve(text)
            except Ambiguous as error:
                raise ManifestError(
                    f"`{text[:60]}` {error}", self.place(event)
                ) from None
        if event.style == '"':
            check_carried(text, lambda: self.place(event))
        return text

    def key(self, event: Any) -> str:
        if type(event) is ScalarEvent and event.implicit[0] and event.anchor is None:
            known = _plain_key(event.value)
            if known is not None:
                return known
        if type(event) is not ScalarEvent:
            self.check_anchor_and_tag(event)
            raise ManifestError(
                "a map or a list cannot be a key; check for braces that a template left",
                self.place(event),
            )
        key = self.scalar(event)
        if type(key) is not str:
            message = (
                f"key `{event.value[:60]}` is not text to every YAML reader; quote it"
            )
            raise ManifestError(message, self.place(event))
        check_key(key, lambda: self.place(event))
        return intern(key)

    def check_anchor_and_tag(self, event: Any) -> None:
        if type(event) is AliasEvent:
            raise ManifestError(
                f"alias `*{event.anchor}`: write the value out, aliases are refused",
                self.place(event),
            )
        if event.anchor is not None:
            raise ManifestError(
                f"anchor `&{event.anchor}`: remove it, anchors are refused",
                self.place(event),
            )
        if event.tag is not None:
            raise ManifestError(
                f"tag {shown(event.tag)}: remove it (quote text), tags are refused",
                self.place(event),
            )

    def count(self, nodes: int, event: Any) -> None:
        self.nodes += nodes
        if self.nodes > self.limits.nodes:
            raise too_many_nodes(self.place(event), self.limits)

    def place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)


def _file_mode(event: Any) -> int | None:
    plain = (
        type(event) is ScalarEvent
        and event.implicit[0]
        and event.anchor is None
        and event.tag is None
    )
    return file_mode(event.value) if plain else None


@lru_cache(maxsize=4096)
def _plain_key(text: str) -> str | None:
    """Return the key that an unquoted scalar is to all readers, interned; None where the slow path must decide."""
    usual = text.isascii() and text[:1].isalpha() and not is_long_key(text)
    try:
        return intern(text) if usual and resolve(text) is text else None
    except Ambiguous:
        return None
