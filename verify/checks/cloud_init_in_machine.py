"""What cloud-init took, in the booted machine."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex

from verify.checks.guest import Guest, in_machine
from verify.expectations.cloud_init import AddressRendered, DatasourceIsNoCloud, InstanceIdIs, UserDataIs
from verify.verdict import HarnessFault, ProductFailure

_RESULT = "/run/cloud-init/result.json"
# Where the renderers of cloud-init write: netplan, networkd, ifupdown, NetworkManager, sysconfig.
_RENDERED = (
    "/etc/netplan",
    "/etc/systemd/network",
    "/run/systemd/network",
    "/etc/network/interfaces",
    "/etc/network/interfaces.d",
    "/etc/NetworkManager/system-connections",
    "/etc/sysconfig/network-scripts",
    "/etc/sysconfig/network",
)


@in_machine.of(DatasourceIsNoCloud)
def datasource_is_nocloud(subject: DatasourceIsNoCloud, guest: Guest) -> str:
    answer = guest.run_as_needed(f"cat {_RESULT}").expect(0, 1)
    if answer.exit_code != 0:
        guest.run("command -v cloud-init; ls /run/cloud-init")
        raise ProductFailure(f"there is no {_RESULT}: cloud-init is not done, or not there")
    return judge_result(answer.stdout)


def judge_result(text: str) -> str:
    """`text` of result.json; raises `ProductFailure` unless the datasource is NoCloud."""
    try:
        result = json.loads(text)["v1"]
        datasource, errors = str(result["datasource"]), len(result.get("errors", []))
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessFault(f"{_RESULT} is of no known form") from error
    # "DataSourceNoCloud [seed=...][dsmode=net]", or DataSourceNoCloudNet.
    if not re.match(r"DataSourceNoCloud(Net)?\b", datasource):
        raise ProductFailure(f"cloud-init took {datasource}")
    return f"done, {datasource}" + (f", {errors} errors reported" if errors else "")


@in_machine.of(InstanceIdIs)
def instance_id_is(subject: InstanceIdIs, guest: Guest) -> str:
    answer = guest.run_as_needed("cat /var/lib/cloud/data/instance-id").expect(0, 1)
    if answer.exit_code != 0:
        raise ProductFailure("cloud-init has stored no instance id")
    if answer.stdout.strip() != subject.instance_id:
        raise ProductFailure(f"the instance id is {answer.stdout.strip()!r}, not {subject.instance_id!r}")
    return subject.instance_id


@in_machine.of(UserDataIs)
def user_data_is(subject: UserDataIs, guest: Guest) -> str:
    # Only the digest: the text may hold passwords, and the serial line is logged.
    answer = guest.run_as_root("sha256sum < /var/lib/cloud/instance/user-data.txt").expect(0, 1, 2)
    return judge_user_data(answer.exit_code, answer.stdout, subject.sha256)


def judge_user_data(exit_code: int, output: str, sha256: str) -> str:
    """`output` of sha256sum; raises `ProductFailure` when cloud-init keeps none, or another user-data."""
    if exit_code != 0:
        raise ProductFailure("cloud-init has stored no user-data")
    if output.split(" ", maxsplit=1)[0] != sha256:
        raise ProductFailure("the user-data that cloud-init has stored is not the configuration's")
    return f"sha256 {sha256[:16]} matches"


@in_machine.of(AddressRendered)
def address_rendered(subject: AddressRendered, guest: Guest) -> str:
    # Shows the address alone: such files may hold the keys of wireless networks. 1: no match, 2: a directory
    # of the list is not there, which is usual (grep(1)).
    # A renderer may keep the configuration's spelling of an IPv6 address or use the canonical one.
    spellings = {subject.address, str(ipaddress.ip_address(subject.address))}
    spelt = "|".join(re.escape(spelling) for spelling in sorted(spellings))
    pattern = f"(^|[^0-9A-Fa-f.:])({spelt})($|[^0-9A-Fa-f.:])"
    places = " ".join(shlex.quote(place) for place in _RENDERED)
    command = f"grep -rnoiE -- {shlex.quote(pattern)} {places} 2>/dev/null"
    # As root: netplan's and NetworkManager's files are nobody else's to read.
    answer = guest.run_as_root(command).expect(0, 1, 2)
    return judge_rendered(answer.stdout, subject.address)


def judge_rendered(matches: str, address: str) -> str:
    """`matches` of grep -rno; raises `ProductFailure` when there is none."""
    files = dict.fromkeys(line.partition(":")[0] for line in matches.split("\n") if line)
    if not files:
        raise ProductFailure(f"no rendered network configuration has the address {address}")
    return ", ".join(files)
