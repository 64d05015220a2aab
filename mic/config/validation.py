"""A tree of values becomes the models of the configuration; every wrong value in it becomes an error.

Wrong values are dropped from the tree and the rest is read again, so that one of them hides no other error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from mic.config import tree
from mic.config.section import Section
from mic.errors import UserError

Model = TypeVar("Model")


@dataclass(frozen=True)
class Validated(Generic[Model]):
    """What could be read, or None where the whole is of the wrong kind, and everything that is wrong."""

    model: Model | None
    errors: tuple[UserError, ...]


@dataclass(frozen=True)
class _Step:
    """One step on the way to a value: the container, and the key or index in it."""

    container: tree.Mapping | tree.Sequence
    key: str | int
    value: tree.Value


def validate(root: tree.Value, adapter: TypeAdapter[Model]) -> Validated[Model]:
    """Reads `root`, from which wrong values are dropped on the way."""
    errors: list[UserError] = []
    while True:
        try:
            model = adapter.validate_python(root)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        else:
            return Validated(model, (*errors, *_problems(model)))
        routes = [_route(root, detail["loc"]) for detail in details]
        errors += [_explained(root, detail, route) for detail, route in zip(details, routes, strict=True)]
        if not all(routes):
            return Validated(None, tuple(errors))
        _drop(routes)


def _problems(model: object) -> Iterator[UserError]:
    if isinstance(model, Section):
        for section in model.sections():
            yield from section.problems()


def _route(root: tree.Value, location: tuple[int | str, ...]) -> list[_Step]:
    """The steps from `root` to the value at pydantic's `location`.

    A step that is not in the tree belongs to a short form: a text for a map, one value for a list of one.
    """
    route: list[_Step] = []
    value = root
    for key in location:
        if isinstance(value, tree.Mapping) and isinstance(key, str) and key in value.entries:
            route.append(_Step(value, key, value.entries[key]))
        elif isinstance(value, tree.Sequence) and isinstance(key, int):
            route.append(_Step(value, key, value.items[key]))
        else:
            continue
        value = route[-1].value
    return route


def _drop(routes: list[list[_Step]]) -> None:
    """Takes the values at the ends of `routes` out of the tree and marks all around them as no longer whole."""
    dropped = {id(route[-1].value) for route in routes}
    for route in routes:
        for step in route:
            if isinstance(step.container, tree.Mapping):
                step.container.damaged.add(str(step.key))
    for container in {id(route[-1].container): route[-1].container for route in routes}.values():
        if isinstance(container, tree.Mapping):
            container.entries = {k: v for k, v in container.entries.items() if id(v) not in dropped}
        else:
            container.keep([item for item in container.items if id(item) not in dropped])


def _explained(root: tree.Value, detail: ErrorDetails, route: list[_Step]) -> UserError:
    # Every field says itself what it refuses; a check of pydantic's own that gets here is one we forgot.
    assert detail["type"] == "refused", f"{detail['type']} at {detail['loc']}"
    context = detail["ctx"]
    value, where = (route[-1].value, route[-1].value.position) if route else (root, root.position)
    if route and isinstance(route[-1].container, tree.Mapping):
        is_about_key = detail["loc"][-1] == "[key]"
        if is_about_key or tree.is_null(value):
            where = route[-1].container.key_positions[str(route[-1].key)]
    return tree.problem_at(where, value.path, context["message"], context["hint"])
