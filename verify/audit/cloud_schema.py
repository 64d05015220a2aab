"""Validity of cloud-init's data: pure, texts and schemas in, complaints out.

No complaint quotes a value, because values hold passwords; keys and places it names. Sources: cloud-init's
documentation, "User data formats", "Network configuration sources"; cloudinit/config/schema.py.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from jsonschema import SchemaError
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from verify.verdict import HarnessFault

_LONGEST_BYTES = 4 << 20
_MOST_NODES = 100_000
_MOST_COMPLAINTS = 5
_GZIP = b"\x1f\x8b"
CLOUD_CONFIG = "#cloud-config"
# First lines by which cloud-init knows what to do with user-data (cloudinit/user_data.py, INCLUSION_TYPES_MAP).
_OTHER_HEADERS = {
    "#!": "script",
    "#include": "list of addresses to include",
    "#cloud-boothook": "boot hook",
    "#cloud-config-archive": "archive",
    "#cloud-config-jsonp": "JSON patch",
    "#part-handler": "part handler",
    "## template:": "template",
    "Content-Type: multipart": "MIME archive",
    "MIME-Version:": "MIME archive",
}
# Complaints of these name keys only; those of others would quote the value.
_NAMES_KEYS_ONLY = frozenset({"additionalProperties", "required", "dependencies", "dependentRequired"})


@dataclass(frozen=True)
class Validity:
    """What a file is, and what is wrong with it; `by` says what it was judged by."""

    kind: str
    complaints: tuple[str, ...] = ()
    by: str = "its form"


class _Invalid(Exception):
    """The text is not what cloud-init could read."""


def judge_user_data(content: bytes, schema: bytes | None) -> Validity:
    """`schema` is the image's schema-cloud-config-v1.json, None where its cloud-init has none."""
    try:
        text = _text(content)
    except _Invalid as invalid:
        return Validity("unreadable", (str(invalid),))
    first = text.split("\n", 1)[0].strip()
    # The archive's header begins as that of cloud-config does.
    for header, kind in sorted(_OTHER_HEADERS.items(), key=lambda item: -len(item[0])):
        if first.startswith(header):
            return Validity(kind)
    if not text.strip():
        return Validity("empty")
    if not first.startswith(CLOUD_CONFIG):
        return Validity("unknown", ("its first line is no header that cloud-init knows, as #cloud-config is",))
    return _judged(CLOUD_CONFIG, text, schema, may_be_empty=True)


def judge_meta_data(content: bytes) -> Validity:
    """A mapping with an instance-id, without which NoCloud takes every boot for the same instance."""
    try:
        data = _mapping(_text(content), may_be_empty=False)
    except _Invalid as invalid:
        return Validity("meta-data", (str(invalid),))
    if data.get("instance-id") in (None, ""):
        return Validity("meta-data", ("it has no instance-id",))
    return Validity("meta-data")


def judge_network_config(content: bytes, schemas: Mapping[int, bytes]) -> Validity:
    """`schemas`: the image's network schemas by version, as far as they are what its cloud-init goes by."""
    try:
        text = _text(content)
        data = _mapping(text, may_be_empty=False)
        inner = data.get("network", data)
        if not isinstance(inner, Mapping):
            raise _Invalid("network is no mapping")
        version = inner.get("version")
        if version not in (1, 2):
            raise _Invalid("it has no version 1 or 2")
        if version == 1 and not isinstance(inner.get("config"), list):
            raise _Invalid("version 1 has no list config")
    except _Invalid as invalid:
        return Validity("network-config", (str(invalid),))
    return _judged(f"network-config version {version}", text, schemas.get(version), may_be_empty=False)


def _judged(kind: str, text: str, schema: bytes | None, *, may_be_empty: bool) -> Validity:
    try:
        data = _mapping(text, may_be_empty=may_be_empty)
    except _Invalid as invalid:
        return Validity(kind, (str(invalid),))
    if schema is None:
        return Validity(kind)
    return Validity(kind, _complaints(data, schema), "the schema of the image's own cloud-init")


def _text(content: bytes) -> str:
    if content.startswith(_GZIP):
        try:
            content = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, _LONGEST_BYTES + 1)
        except (zlib.error, gzip.BadGzipFile) as error:
            raise _Invalid("it is damaged gzip") from error
    if len(content) > _LONGEST_BYTES:
        raise _Invalid(f"it is longer than {_LONGEST_BYTES >> 20} MiB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise _Invalid(f"byte {error.start} is no UTF-8") from error


def _mapping(text: str, *, may_be_empty: bool) -> Mapping[str, Any]:
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise _Invalid(f"{where}it is no YAML") from error
    if data is None and may_be_empty:
        return {}
    if not isinstance(data, dict):
        raise _Invalid("it is no YAML mapping")
    _count(data, 0)
    return data


def _count(node: object, counted: int) -> int:
    """Aliases may unfold a few lines into millions of values; raises before that is validated."""
    if counted > _MOST_NODES:
        raise _Invalid(f"it unfolds into more than {_MOST_NODES} values")
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        counted = _count(child, counted + 1)
    return counted


def _complaints(data: Mapping[str, Any], schema: bytes) -> tuple[str, ...]:
    try:
        parsed = json.loads(schema)
        kind = validator_for(parsed)
        kind.check_schema(parsed)
        # An empty registry: a schema on a medium makes nobody fetch anything.
        errors = list(kind(parsed, registry=Registry()).iter_errors(data))
    except (ValueError, SchemaError, Unresolvable, RecursionError) as error:
        raise HarnessFault(f"the image's own schema cannot be used: {type(error).__name__}") from error
    texts = dict.fromkeys(_complaint(error) for error in errors)
    return tuple(texts)[:_MOST_COMPLAINTS]


def _complaint(error: ValidationError) -> str:
    """The deepest cause, without any value."""
    deepest = best_match([error]) or error
    place = ".".join(str(part) for part in deepest.absolute_path) or "the top level"
    if deepest.validator in _NAMES_KEYS_ONLY:
        return (
            f"{place}: {deepest.message}" if deepest.validator != "additionalProperties" else _unknown(place, deepest)
        )
    return f"{place}: breaks {deepest.validator}: {json.dumps(deepest.validator_value)[:100]}"


def _unknown(place: str, error: ValidationError) -> str:
    known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
    unknown = [str(key) for key in error.instance if key not in known] if isinstance(error.instance, Mapping) else []
    return f"{place}: unknown keys {', '.join(unknown)}"
