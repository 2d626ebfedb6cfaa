"""Why a JSON document was refused, for a person: the slow second look at an input that the fast decoder did not take.

Everything here is linear in the input, which callers bound, and runs for refused or suspicious inputs only.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from msgspec import inspect

from shared.errors import Reject

_MAX_DEPTH = 200
# Python converts no longer ones; msgspec neither.
_MAX_DIGITS = 4_300


class _EndlessNumber:
    """Stands where a document has a whole number of too many digits."""


def explain(raw: bytes, fallback: str) -> Reject:
    """Return the `Reject` that names the first offending member of `raw`, or `fallback` where none can be named.

    Finds what JSON decoders report without a path: NaN and infinities, lone surrogates, bytes that are not UTF-8, NUL,
    endless numbers.
    """
    try:
        document = json.loads(raw.decode("utf-8", "surrogateescape"), parse_int=_whole_number)
    except RecursionError:
        return Reject("the document is nested too deeply")
    except ValueError:
        return Reject(fallback)
    for pointer, value in walk(document):
        if (reason := _flaw(value)) is not None:
            return Reject(reason, pointer)
    return Reject(fallback)


def nul_pointer(raw: bytes) -> str | None:
    """Return the pointer of the first text that holds a NUL character, or None; `raw` is valid JSON."""
    for pointer, value in walk(json.loads(raw)):
        if isinstance(value, str) and "\x00" in value:
            return pointer
    return None


def offending_key(node: Any, parent: tuple[str, ...], reason: str) -> str:
    """Return the pointer of the first member of the map at `parent` of the document that is no short string."""
    for step in parent:
        node = node[int(step)] if isinstance(node, list) else node.get(step)
    base = "".join(f"/{_escape(step)}" for step in parent)
    if isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(value, str) or ("length" in reason and (len(value) > 4_096 or not 0 < len(key) <= 256)):
                return f"{base}/{_escape(key)}"
    return base


def possible_values(kind: Any, node: Any, place: Sequence[str]) -> list[str]:
    """Return the values that `kind` has for the document's member at `place`; empty where it does not list them."""
    kinds = list(_single([_information(kind)]))
    for step in place:
        kinds = list(_single(_below(kinds, node, step)))
        node = node[int(step)] if isinstance(node, list) else node.get(step)
    values = {str(value) for one in kinds if isinstance(one, inspect.LiteralType) for value in one.values}
    return sorted(values)


_information = cache(inspect.type_info)


def _single(kinds: Iterable[inspect.Type]) -> Iterator[inspect.Type]:
    for kind in kinds:
        if isinstance(kind, inspect.UnionType):
            yield from _single(kind.types)
        elif isinstance(kind, inspect.Metadata):
            yield from _single([kind.type])
        else:
            yield kind


def _below(kinds: Iterable[inspect.Type], node: Any, step: str) -> Iterator[inspect.Type]:
    """Yield the types of what is under `step` of a document `node` that is of one of the kinds."""
    for kind in kinds:
        if isinstance(kind, inspect.StructType) and isinstance(node, dict):
            if kind.tag_field == step:
                yield inspect.LiteralType((kind.tag,))
            elif kind.tag_field is None or node.get(kind.tag_field) == kind.tag:
                yield from (field.type for field in kind.fields if field.encode_name == step)
        elif isinstance(kind, inspect.CollectionType) and isinstance(node, list):
            yield kind.item_type
        elif isinstance(kind, inspect.DictType) and isinstance(node, dict):
            yield kind.value_type


def walk(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield (pointer, leaf) for every leaf and key of a decoded JSON document, keys as leaves of their own pointer."""
    stack: list[tuple[str, Any, int]] = [("", document, 0)]
    while stack:
        pointer, value, depth = stack.pop()
        if depth > _MAX_DEPTH:
            return
        if isinstance(value, dict):
            for key, member in reversed(value.items()):
                path = f"{pointer}/{_escape(key)}"
                stack.append((path, member, depth + 1))
                stack.append((path, key, depth + 1))
        elif isinstance(value, list):
            stack.extend((f"{pointer}/{i}", member, depth + 1) for i, member in reversed(list(enumerate(value))))
        else:
            yield pointer, value


def _whole_number(digits: str) -> object:
    return int(digits) if len(digits) <= _MAX_DIGITS else _EndlessNumber()


def _flaw(value: Any) -> str | None:
    if isinstance(value, _EndlessNumber):
        return f"the number has more than {_MAX_DIGITS} digits"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN and infinities are not JSON numbers"
    if isinstance(value, str):
        for character in value:
            if "\udc80" <= character <= "\udcff":
                return "the text is not valid UTF-8 or holds a lone surrogate"
            if "\ud800" <= character <= "\udfff":
                return "the text holds a lone surrogate (half of a UTF-16 pair)"
        if "\x00" in value:
            return "the NUL character is not allowed in text"
    return None


def _escape(step: str) -> str:
    printable = step.encode("utf-8", "backslashreplace").decode("utf-8")
    return printable.replace("~", "~0").replace("/", "~1")
