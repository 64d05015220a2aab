"""What is to happen to packages, as steps in the contract's order; each step is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mic.config import Config, Named
from mic.config.tree import problem_at
from mic.errors import SourcePosition, UserError


class Action(Enum):
    """What a transaction does; the value is the user's word for it."""

    REMOVE = "remove"
    UPDATE_BASE_IMAGE = "update the base image"
    INSTALL = "install"
    UPDATE = "update"

    @property
    def participle(self) -> str:
        return {Action.REMOVE: "removed", Action.INSTALL: "installed"}.get(self, "updated")

    @property
    def fetches(self) -> bool:
        """Whether packages are brought in, for which repositories are asked."""
        return self is not Action.REMOVE


@dataclass(frozen=True)
class Step:
    """One transaction: `packages` are those of the package lists first; `position` is that of the key's value."""

    action: Action
    packages: tuple[Named, ...]
    position: SourcePosition
    key_path: str

    @property
    def title(self) -> str:
        """A line of the progress: "packages: install 3"."""
        count = f" {len(self.packages)}" if self.packages else ""
        return f"packages: {self.action.value}{count}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(package.name for package in self.packages)

    def problem(self, message: str, hint: str | None = None) -> UserError:
        """An error about the whole transaction, at the key that asks for it."""
        return problem_at(self.position, self.key_path, message, hint)


def problem_of(package: Named, message: str, hint: str | None = None) -> UserError:
    """An error about one package, where it is named."""
    return problem_at(package.position, package.key_path, message, hint)


def steps_of(config: Config) -> tuple[Step, ...]:
    """The transactions that the configuration asks for; none for a key without packages."""
    wanted = config.system_config.packages
    steps = [_step(Action.REMOVE, wanted.remove)] if wanted.remove else []
    if wanted.update_base_image:
        key = "SystemConfig.UpdateBaseImagePackages"
        place = config.position_of(key), config.written_path(key) or key
        steps.append(Step(Action.UPDATE_BASE_IMAGE, (), *place))
    steps += [_step(Action.INSTALL, wanted.install)] if wanted.install else []
    steps += [_step(Action.UPDATE, wanted.update)] if wanted.update else []
    return tuple(steps)


def _step(action: Action, packages: tuple[Named, ...]) -> Step:
    return Step(action, packages, packages[0].position, packages[0].key_path)
