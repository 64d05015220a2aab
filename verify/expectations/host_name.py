"""The host name, and who has the last word on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verify.expectations.cloud_seed import CloudSeed
from verify.expectations.expectation import Expectation, Place, Subject, named


@dataclass(frozen=True)
class HostNameIs(Subject):
    """The host name, in /etc/hostname and, in the machine, of the running kernel: one of `names`.

    More than one where it holds a dot: distributions differ in whether cloud-init sets the first label or
    the whole (prefer_fqdn_over_hostname).
    """

    names: tuple[str, ...]


@dataclass(frozen=True)
class HostsLineNames(Subject):
    """A line for 127.0.1.1 in /etc/hosts, where there is one, has one of `names`; no other name is left."""

    names: tuple[str, ...]


def expected_host_name(configured: str | None, seed: CloudSeed | None) -> Iterator[Expectation]:
    """What the configuration wrote into the rootfs, and what the machine must be called once it has booted.

    In order of who wins: ``hostname`` and ``fqdn`` of user-data, unless it sets preserve_hostname; ``h=`` of
    the kernel argument; local-hostname of meta-data; SystemConfig.Hostname (get_hostname_fqdn in
    cloudinit/util.py, get_hostname in cloudinit/sources/__init__.py).
    """
    source = "SystemConfig.Hostname"
    if configured is not None:
        requirement = f"/etc/hostname says {configured}"
        yield Expectation(named("host-name", "name"), requirement, source, Place.MEDIUM, HostNameIs((configured,)))
        requirement = f"127.0.1.1 in /etc/hosts, where it is, is {configured}"
        yield Expectation(named("host-name", "hosts"), requirement, source, Place.MEDIUM, HostsLineNames((configured,)))
    names, winner = _names_by_cloud_init(seed)
    if not names:
        names, winner = ((configured,), source) if configured is not None else ((), "")
    if names:
        requirement = f"The machine is called {' or '.join(names)}"
        yield Expectation(named("host-name", "name"), requirement, winner, Place.MACHINE, HostNameIs(tuple(names)))
    if configured is not None:
        # Where the image lets cloud-init manage /etc/hosts, the line follows the winner's name.
        either = tuple(dict.fromkeys((configured, *names)))
        requirement = f"127.0.1.1 in /etc/hosts, where it is, is {' or '.join(either)}"
        yield Expectation(named("host-name", "hosts"), requirement, source, Place.MACHINE, HostsLineNames(either))


def _names_by_cloud_init(seed: CloudSeed | None) -> tuple[tuple[str, ...], str]:
    if seed is None:
        return (), ""
    if seed.user_data is not None:
        if seed.user_data.preserves_hostname:
            return (), ""
        if seed.user_data.host_names:
            return _spellings(*seed.user_data.host_names), "user-data, hostname or fqdn"
    if seed.meta_data is not None and seed.meta_data.local_hostname:
        return _spellings(seed.meta_data.local_hostname), "meta-data, local-hostname"
    return (), ""


def _spellings(*names: str) -> tuple[str, ...]:
    spelt = [spelling for name in names for spelling in (name.partition(".")[0], name)]
    return tuple(dict.fromkeys(spelt))
