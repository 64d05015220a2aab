"""Every customisation at once, on real images: the rootfs before and after is compared, and the initrd looked into."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mic.image.layout import open_image
from mic.isolation import run_isolated
from mic.liveos.cpio import CpioEntry, read_entries
from mic.liveos.early_boot import snapshot
from mic.liveos.live_system import make_live_system
from mic.programs import run
from mic.progress import Progress
from mic.rootfs.view import open_rootfs
from tests.mic.customising import carried_out, write_config
from tests.mic.listing import Entry, entries

pytestmark = pytest.mark.image

CONFIG = """
SystemConfig:
  Hostname: everything
  KernelCommandLine: {SELinux: disabled, ExtraCommandLine: mic.first=1}
  AdditionalFiles:
    note.txt: [/srv/notes/plain.txt, {Path: /usr/local/bin/note, Permissions: "750"}]
    own.service: /etc/systemd/system/own.service
    loop.conf: /etc/modprobe.d/loop.conf
    same.conf: /etc/modprobe.d/same.conf
    own.rules: /etc/udev/rules.d/90-own.rules
    module-setup.sh: /usr/lib/dracut/modules.d/99own/module-setup.sh
    own-hook.sh: /usr/lib/dracut/modules.d/99own/own-hook.sh
    dracut.conf: /etc/dracut.conf.d/50-own.conf
    rule-program: /usr/lib/udev/rule-program
  Users:
  - {Name: alice, UID: 4321, Password: secret, PasswordExpiresDays: 30, SecondaryGroups: [sudo]}
  Services: {Enable: [own], Disable: [systemd-networkd]}
  Modules: {Load: [dummy], Disable: [veth, uas]}
  PostInstallScripts: [{Path: post.sh}]
  FinalizeImageScripts: [{Path: finalize.sh, Args: "a 'b c'"}]
"""
FILES = {
    "note.txt": "a note\n",
    "own.service": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    "loop.conf": "options loop max_loop=13\n",
    "same.conf": "options dummy numdummies=1\n",
    "own.rules": 'KERNEL=="sr0", RUN+="rule-program a", IMPORT{program}="/usr/bin/false"\n',
    "module-setup.sh": "#!/bin/bash\ncheck() { return 255; }\n"
    'install() { inst_hook cmdline 99 "$moddir/own-hook.sh"; }\n',
    "own-hook.sh": "#!/bin/sh\n",
    "dracut.conf": 'add_dracutmodules+=" own "\nadd_drivers+=" dummy "\n',
    "rule-program": "#!/bin/sh\n",
    "post.sh": "#!/bin/sh\necho post > /srv/post\n",
    "finalize.sh": "#!/bin/sh\nset -e\ntest -e /srv/post\nprintf '%s|' \"$@\" > /srv/final\n"
    "echo 'options dummy x=1' > /etc/modprobe.d/script.conf\n",
}
# What the machine that the image was installed on had, and what the configuration gives the image once more.
BEFORE = """
echo 'SUBSYSTEM=="net", NAME="lan0"' > /etc/udev/rules.d/70-persistent-net.rules
echo 'install squashfs /bin/true' > /etc/modprobe.d/hardened.conf
echo 'options dummy numdummies=1' > /etc/modprobe.d/same.conf
"""
OF_ACCOUNTS = {f"etc/{name}{old}" for name in ("passwd", "shadow", "group", "gshadow") for old in ("", "-")}
OF_ACCOUNTS |= {"etc/subuid", "etc/subgid", "etc/subuid-", "etc/subgid-", "etc/.pwd.lock"}


@dataclass(frozen=True)
class Everything:
    """What was different afterwards, some files' texts, what was said, and the initrd's entries by path."""

    errors: str
    added: frozenset[str]
    changed: frozenset[str]
    removed: frozenset[str]
    texts: Mapping[str, str]
    said: str
    initrd: Mapping[str, CpioEntry]
    initrd_texts: Mapping[str, str]


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def everything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Everything:
    image: Path = request.getfixturevalue(request.param)
    directory = tmp_path_factory.mktemp("everything")
    outcome = directory / "outcome"
    config = write_config(tmp_path_factory.mktemp("config"), CONFIG, FILES)

    def work(workspace: Path) -> int:
        outcome.write_bytes(pickle.dumps(carry_out_everything(image, config, workspace)))
        return 0

    assert run_isolated(work, parent=directory) == 0
    result: Everything = pickle.loads(outcome.read_bytes())
    return result


def carry_out_everything(image_file: Path, config: Path, workspace: Path) -> Everything:
    said = io.StringIO()
    progress = Progress(said)
    with open_image(image_file, workspace) as image, open_rootfs(image, workspace) as rootfs:
        rootfs.sandbox.run("sh", "-ec", BEFORE)
        uncustomised = snapshot(rootfs.tree)
        before = {path: timeless(entry) for path, entry in entries(rootfs.tree.top).items()}
        errors = carried_out(rootfs, config, workspace, progress)
        after = {path: timeless(entry) for path, entry in entries(rootfs.tree.top).items()}
        paths = ("/srv/final", "/etc/hostname", "/etc/modprobe.d/mic.conf", "/etc/modules-load.d/mic.conf")
        texts = {path: rootfs.tree.read_text(path) for path in paths}
        initrd = workspace / "unpacked"
        system = make_live_system(rootfs, uncustomised, workspace, progress)
        initrd.write_bytes(run("zstd", "-dc", system.initrd).stdout)
    with initrd.open("rb") as file:
        found_entries = {entry.path: entry for entry in read_entries(file)}
        initrd_texts = {}
        for path, entry in found_entries.items():
            if path.startswith(("etc/modprobe.d/", "etc/udev/rules.d/")) and entry.size:
                file.seek(entry.offset)
                initrd_texts[path] = file.read(entry.size).decode()
    return Everything(
        errors=errors,
        added=frozenset(after.keys() - before.keys()),
        changed=frozenset(path for path in after.keys() & before.keys() if after[path] != before[path]),
        removed=frozenset(before.keys() - after.keys()),
        texts=texts,
        said=said.getvalue(),
        initrd=found_entries,
        initrd_texts=initrd_texts,
    )


def timeless(entry: Entry) -> Entry:
    """Without the time, which a directory changes with what is in it."""
    return replace(entry, mtime=0)


def test_nothing_is_wrong(everything: Everything) -> None:
    assert everything.errors == ""


def test_what_was_asked_for_is_added_and_nothing_else(everything: Everything) -> None:
    added = {path for path in everything.added if not path.startswith("home/alice/")} - OF_ACCOUNTS
    assert added == {
        *("srv/notes", "srv/notes/plain.txt", "usr/local/bin/note", "srv/post", "srv/final"),
        *("etc/systemd/system/own.service", "etc/systemd/system/multi-user.target.wants/own.service"),
        *("etc/systemd/system-preset", "etc/systemd/system-preset/00-mic.preset"),
        *("etc/modprobe.d/loop.conf", "etc/modprobe.d/mic.conf", "etc/modprobe.d/script.conf"),
        *("etc/modules-load.d/mic.conf", "etc/udev/rules.d/90-own.rules", "usr/lib/udev/rule-program"),
        *("usr/lib/dracut/modules.d/99own", "usr/lib/dracut/modules.d/99own/module-setup.sh"),
        *("usr/lib/dracut/modules.d/99own/own-hook.sh", "etc/dracut.conf.d/50-own.conf"),
        *("etc/mariner-customizer-release", "home/alice"),
    }


def test_nothing_else_is_changed_or_removed(everything: Everything) -> None:
    assert everything.changed - OF_ACCOUNTS <= {"etc/hostname", "etc/hosts", "var/log/lastlog", "var/log/faillog"}
    assert "etc/shadow" in everything.changed
    assert everything.removed == {
        "etc/systemd/system/sockets.target.wants",
        "etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
        "etc/systemd/system/sysinit.target.wants/systemd-network-generator.service",
        "etc/systemd/system/sockets.target.wants/systemd-networkd.socket",
        "etc/systemd/system/dbus-org.freedesktop.network1.service",
    }


def test_files_say_what_was_asked_for(everything: Everything) -> None:
    assert everything.texts == {
        "/srv/final": "a|b c|",
        "/etc/hostname": "everything\n",
        "/etc/modprobe.d/mic.conf": "blacklist veth\nblacklist uas\n",
        "/etc/modules-load.d/mic.conf": "dummy\n",
    }


def test_early_boot_of_the_configuration_is_in_the_initrd(everything: Everything) -> None:
    texts = everything.initrd_texts
    assert texts["etc/modprobe.d/loop.conf"] == FILES["loop.conf"]
    assert texts["etc/modprobe.d/mic.conf"] == "blacklist veth\nblacklist uas\n"
    assert texts["etc/modprobe.d/script.conf"] == "options dummy x=1\n"
    assert texts["etc/udev/rules.d/90-own.rules"] == FILES["own.rules"]
    assert {"usr/lib/udev/rule-program", "usr/bin/false"} <= everything.initrd.keys()
    for name in ("own-hook.sh", "/dummy.ko"):
        assert [path for path in everything.initrd if name in path]
    assert "in the initrd, too: /etc/modprobe.d/loop.conf, /etc/modprobe.d/mic.conf" in everything.said


def test_disabled_driver_of_a_kind_of_drive_is_told(everything: Everything) -> None:
    assert "warning: /etc/modprobe.d/mic.conf keeps uas from loading: where the medium is to be read by it" in (
        everything.said
    )


def test_file_that_the_configuration_gives_once_more_is_in_the_initrd(everything: Everything) -> None:
    assert "etc/modprobe.d/same.conf" in everything.initrd


def test_early_boot_of_the_installed_machine_is_not_in_the_initrd(everything: Everything) -> None:
    assert "etc/udev/rules.d/70-persistent-net.rules" not in everything.initrd
    assert "etc/modprobe.d/hardened.conf" not in everything.initrd
