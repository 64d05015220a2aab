"""From scenarios, or from one ISO, to the plan of a matrix."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mic.errors import UserError, UserErrors
from verify.matrix.plan_file import MatrixPlan, PlannedMedium, planned
from verify.plan import Plan
from verify.scenario import MediumSource, Scenario, load_scenario, plan_of


@dataclass(frozen=True)
class OtherDisk:
    """The image file that stands for a name under a scenario's `other_disks`."""

    name: str
    path: Path

    @classmethod
    def parse(cls, text: str) -> OtherDisk:
        """From ``NAME=PATH``; raises `UserError` for anything else."""
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise UserError(f"--other-disk {text} is not NAME=PATH", hint="as trixie=images/trixie.raw")
        return cls(name, Path(path).absolute())


def plan_scenarios(files: Sequence[Path], media_dir: Path, other_disks: Sequence[OtherDisk] = ()) -> MatrixPlan:
    """The cells of all scenarios; media that are to be built are looked for in `media_dir`.

    A name under `other_disks` of a scenario that none of the given ones has is a path, relative to the scenario.
    Raises `UserErrors` with every mistake of every scenario, and with how to build what is missing.
    """
    errors: list[UserError] = []
    media: list[PlannedMedium] = []
    named: set[str] = set()
    for file in files:
        try:
            scenario = load_scenario(file)
            named.update(scenario.other_disks)
            media += _media_of(scenario, media_dir, other_disks)
        except UserErrors as found:
            errors += found.errors
        except UserError as error:
            errors.append(error)
    unnamed = [disk.name for disk in other_disks if disk.name not in named]
    if errors or unnamed:
        errors += [UserError(f"no scenario names another disk {name}", where="--other-disk") for name in unnamed]
        raise UserErrors(errors)
    return _checked(media)


def plan_media(plans: Sequence[Plan]) -> MatrixPlan:
    """The cells of ISOs that are named on the command line."""
    for plan in plans:
        if not plan.medium.is_file():
            raise UserError("there is no such file", where=plan.medium)
    return _checked([planned(plan.medium.stem, plan) for plan in plans])


def _media_of(scenario: Scenario, media_dir: Path, other_disks: Sequence[OtherDisk]) -> list[PlannedMedium]:
    given = {disk.name: disk.path for disk in other_disks}
    disks = tuple(given.get(name) or scenario.resolved(name) for name in scenario.other_disks)
    errors = [
        scenario.problem(
            f"there is no file {disk}", at="other_disks", hint=f"--other-disk {name}=PATH says where it is"
        )
        for name, disk in zip(scenario.other_disks, disks, strict=True)
        if not disk.is_file()
    ]
    sources = list(scenario.cells_by_medium(disks))
    isos = {source: source.iso or media_dir.absolute() / f"{source.name}.iso" for source in sources}
    errors += [_not_built(scenario, source, iso) for source, iso in isos.items() if not iso.is_file()]
    if errors:
        raise UserErrors(errors)
    name = scenario.file.stem
    return [
        planned(name if len(sources) == 1 else f"{name}-{source.name}", plan_of(scenario, iso, Path(), disks, source))
        for source, iso in isos.items()
    ]


def _not_built(scenario: Scenario, source: MediumSource, iso: Path) -> UserError:
    options = shlex.join(scenario.build_options(scenario.deb_sources))
    command = f"mic build --image-file {source.image} --config-file {source.config} --output-image-file {iso} {options}"
    hint = f"{command.rstrip()} --output-image-format iso makes it"
    return scenario.problem(f"{iso} is not there", at="image", hint=hint)


def _checked(media: Sequence[PlannedMedium]) -> MatrixPlan:
    for name in {medium.name for medium in media}:
        if sum(medium.name == name for medium in media) > 1:
            raise UserError(f"two media are called {name}", hint="rename one of them")
    return MatrixPlan(tuple(media))
