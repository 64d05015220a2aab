"""From scenarios, or from one ISO, to the plan of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mic.errors import UserError, UserErrors
from verify.matrix.plan_file import MatrixPlan, PlannedMedium, planned
from verify.plan import Plan
from verify.scenario import MediumSource, Scenario, load_scenario, plan_of


def plan_scenarios(files: Sequence[Path], media_dir: Path) -> MatrixPlan:
    """The cells of all scenarios; media that are to be built are looked for in `media_dir`.

    Raises `UserErrors` with every mistake of every scenario, and with how to build what is missing.
    """
    errors: list[UserError] = []
    media: list[PlannedMedium] = []
    for file in files:
        try:
            media += _media_of(load_scenario(file), media_dir)
        except UserErrors as found:
            errors += found.errors
        except UserError as error:
            errors.append(error)
    if errors:
        raise UserErrors(errors)
    return _checked(media)


def plan_media(plans: Sequence[Plan]) -> MatrixPlan:
    """The cells of ISOs that are named on the command line."""
    for plan in plans:
        if not plan.medium.is_file():
            raise UserError("there is no such file", where=plan.medium)
    return _checked([planned(plan.medium.stem, plan) for plan in plans])


def _media_of(scenario: Scenario, media_dir: Path) -> list[PlannedMedium]:
    disks = tuple(scenario.resolved(name) for name in scenario.other_disks)
    errors = [
        scenario.problem(f"there is no file {disk}", at="other_disks", hint="name a path")
        for disk in disks
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
    command = f"mic build --image-file {source.image} --config-file {source.config} --output-image-file {iso}"
    return scenario.problem(f"{iso} is not there", at="image", hint=f"{command} --output-image-format iso makes it")


def _checked(media: Sequence[PlannedMedium]) -> MatrixPlan:
    for name in {medium.name for medium in media}:
        if sum(medium.name == name for medium in media) > 1:
            raise UserError(f"two media are called {name}", hint="rename one of them")
    return MatrixPlan(tuple(media))
