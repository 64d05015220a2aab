"""Services: units enabled and disabled by the image's own systemctl, offline; no service manager runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mic.config import Config, Named
from mic.config.suggestion import near
from mic.config.tree import problem_at
from mic.customize.planned_tree import PlannedTree
from mic.customize.systemd_units import (
    Unit,
    dependency_links,
    find_unit,
    full_name,
    pullers,
    triggers,
    unit_names,
)
from mic.errors import UserError, UserErrors
from mic.programs import Completed
from mic.progress import Progress
from mic.rootfs.sandbox import Sandbox
from mic.tree import Tree

# A first boot, with /etc/machine-id missing or "uninitialized" (machine-id(5)), applies presets, and those of many
# distributions enable every unit that is installed.
# The first file with a line for a unit decides (systemd.preset(5)).
PRESET = "/etc/systemd/system-preset/00-mic.preset"
_SYSTEMCTL = ("/usr/bin/systemctl", "/bin/systemctl")
# What `systemctl is-enabled` says of units that start at boot, or with the unit that they are a part of.
_ON = frozenset({"enabled", "static", "alias", "indirect", "generated", "linked"})
_OFF = frozenset({"disabled", "masked", "static", "indirect", "linked"})


def check(rootfs: Tree, config: Config) -> list[UserError]:
    """Units that cannot be enabled or disabled; one that only packages to come may bring is not an error yet."""
    return list(_problems(PlannedTree(rootfs, config.system_config.additional_files), config, final=False))


def _problems(image: PlannedTree, config: Config, *, final: bool) -> Iterator[UserError]:
    services = config.system_config.services
    if not (services.enable or services.disable):
        return
    may_come = config.system_config.packages.may_bring_more and not final
    if not any(image.is_file(path) for path in _SYSTEMCTL):
        if not may_come:
            yield config.problem("SystemConfig.Services", "the image has no systemctl: it does not boot by systemd")
        return
    for service in services.enable:
        unit = find_unit(image, service.name)
        problem = _why_missing(image, service) if unit is None else _why_not_enabled(image, service, unit)
        if problem is not None and not may_come:
            yield problem
    for service in services.disable:
        unit = find_unit(image, service.name)
        problem = _why_missing(image, service) if unit is None else _why_not_disabled(image, service, unit)
        if problem is not None and not may_come:
            yield problem


def _problem(service: Named, message: str, hint: str | None = None) -> UserError:
    return problem_at(service.position, service.key_path, message, hint)


def _why_missing(image: PlannedTree, service: Named) -> UserError:
    # Without the suffix, for any two services are close by that.
    known = {name.removesuffix(".service") for name in unit_names(image)}
    meant = near(service.name.removesuffix(".service"), known)
    return _problem(
        service,
        f"the image has no unit {full_name(service.name)}",
        f"did you mean {meant}?" if meant else "is the package that brings it installed?",
    )


def _why_not_enabled(image: PlannedTree, service: Named, unit: Unit) -> UserError | None:
    if unit.is_masked:
        hint = f"systemctl unmask {unit.name} in the image first"
        return _problem(service, f"{unit.name} is masked in the image ({unit.path})", hint)
    if unit.lacks_instance:
        hint = f"name an instance, as in {unit.name.replace('@.', '@NAME.')}"
        return _problem(service, f"{unit.name} is a template, of which one instance can be enabled", hint)
    if unit.has_install_section or pullers(image, unit.name):
        return None
    instead = triggers(image, unit.name)
    return _problem(
        service,
        f"{unit.name} has no [Install] section, so it cannot be enabled, and nothing in the image starts it",
        f"enable {instead[0]}, which does" if instead else "add [Install] with WantedBy= to it, or enable its starter",
    )


def _why_not_disabled(image: PlannedTree, service: Named, unit: Unit) -> UserError | None:
    if unit.is_masked or unit.has_install_section or not (starters := pullers(image, unit.name)):
        return None
    return _problem(
        service,
        f"{unit.name} has no [Install] section, so it cannot be disabled; {_listed(starters)} starts it",
        f"systemctl mask {unit.name} in a script keeps it from starting",
    )


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def apply(rootfs: Tree, sandbox: Sandbox, config: Config, progress: Progress) -> None:
    """Enables, then disables, then makes sure that systemctl agrees; raises `UserErrors` where it does not."""
    services, image = config.system_config.services, PlannedTree(rootfs)
    if errors := list(_problems(image, config, final=True)):
        raise UserErrors(errors)
    enabled = [(service, _existing(image, service)) for service in services.enable]
    disabled = [(service, _existing(image, service)) for service in services.disable]
    for service, unit in enabled:
        if unit.has_install_section:
            _systemctl(sandbox, "enable", service, unit)
        else:
            starter = _listed(pullers(image, unit.name))
            progress.note(f"{unit.name} has no [Install] section and needs no enabling: {starter} starts it")
    for service, unit in disabled:
        if unit.has_install_section:
            _systemctl(sandbox, "disable", service, unit)
            _remove_links_of_packages(rootfs, unit.name)
            if still := tuple(name for name in pullers(image, unit.name) if name != unit.name):
                progress.warn(f"{unit.name} is disabled, but {_listed(still)} can still start it")
    _write_preset(rootfs, [unit for _, unit in enabled], [unit for _, unit in disabled])
    errors = [*_disagreements(sandbox, enabled, "enabled", _ON), *_disagreements(sandbox, disabled, "disabled", _OFF)]
    if errors:
        raise UserErrors(errors)


def _existing(image: PlannedTree, service: Named) -> Unit:
    unit = find_unit(image, service.name)
    assert unit is not None, f"{service.name} was found a moment ago"
    return unit


def _systemctl(sandbox: Sandbox, verb: str, service: Named, unit: Unit) -> None:
    done = sandbox.run("systemctl", verb, unit.name, check=False)
    if done.exit_code != 0:
        raise _problem(service, f"systemctl {verb} {unit.name} failed ({done.exit_code}): {done.complaint}")


def _remove_links_of_packages(rootfs: Tree, name: str) -> None:
    """Removes the links in /usr/lib by which a package starts its unit; `systemctl disable` leaves them alone.

    A link to /dev/null in /etc would hide them from systemd (process_deps in load-dropin.c), but is-enabled would
    take it for one that enables the unit (systemd 252).
    """
    for link in dependency_links(PlannedTree(rootfs), name):
        rootfs.remove(link.directory / name)


def _write_preset(rootfs: Tree, enabled: Iterable[Unit], disabled: Iterable[Unit]) -> None:
    # Instances are left out: a preset is about all instances of a template.
    lines = [f"enable {unit.name}" for unit in enabled if unit.has_install_section and "@" not in unit.name]
    lines += [f"disable {unit.name}" for unit in disabled if "@" not in unit.name]
    if lines:
        rootfs.write(PRESET, ("# SystemConfig.Services\n" + "".join(f"{line}\n" for line in lines)).encode())


def _disagreements(
    sandbox: Sandbox, units: Iterable[tuple[Named, Unit]], wanted: str, accepted: frozenset[str]
) -> Iterator[UserError]:
    for service, unit in units:
        state = _state(sandbox.run("systemctl", "is-enabled", unit.name, check=False))
        if state not in accepted:
            yield _problem(service, f"{unit.name} is not {wanted} in the end: systemctl is-enabled says {state}")


def _state(completed: Completed) -> str:
    return completed.text.strip() or completed.complaint or f"nothing (exit code {completed.exit_code})"
