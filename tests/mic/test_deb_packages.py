"""Packages of a real Debian image: apt-get in the real sandbox, packages that the test builds, no network."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.deb_packages import DebPackage, build_deb
from mic.config import load_config
from mic.customize.packages import PackageSources
from mic.customize.packages.plan import Action, steps_of
from tests.mic.package_trial import Outcome, try_on_image
from tests.mic.test_bad_input import mic_build

pytestmark = pytest.mark.image
CONFFILE = "/etc/mic-hello.conf"
POSTINST = """#!/bin/sh
set -e
systemctl daemon-reload || true
deb-systemd-invoke start mic-daemon.service || true
invoke-rc.d mic-daemon start
start-stop-daemon --start --background --exec /usr/bin/mic-daemon
systemctl start mic-daemon.service || true
setsid sleep 31337 </dev/null >/dev/null 2>&1 &
"""
DAEMON = DebPackage(
    "mic-daemon",
    "1",
    files={
        "/usr/bin/mic-daemon": "#!/bin/sh\ntouch /var/lib/mic-daemon-has-started\n",
        "/etc/init.d/mic-daemon": "#!/bin/sh\ntouch /var/lib/mic-daemon-has-started\n",
        "/lib/systemd/system/mic-daemon.service": "[Service]\nExecStart=/usr/bin/mic-daemon\n",
    },
    scripts={"postinst": POSTINST},
)
HELLO_1 = DebPackage("mic-hello", "1", files={"/usr/share/mic-hello/version": "1\n"})
HELLO_2 = DebPackage("mic-hello", "2", files={"/usr/share/mic-hello/version": "2\n"})
NEEDS_HELLO = DebPackage("mic-needs-hello", "1", depends="mic-hello (>= 2)")
BROKEN = DebPackage("mic-broken", "1", scripts={"postinst": "#!/bin/sh\necho the postinst speaks >&2\nexit 3\n"})


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of packages, one of them below, one with the name that apt gives a version with an epoch."""
    directory = tmp_path_factory.mktemp("debs")
    build_deb(HELLO_1, directory)
    build_deb(HELLO_2, directory / "newer ones")
    build_deb(NEEDS_HELLO, directory, "mic-needs-hello_0%3a1_all.deb")
    build_deb(DAEMON, directory)
    build_deb(BROKEN, directory)
    return directory


Try = Callable[..., Outcome]


@pytest.fixture
def tried(bookworm: Path, debs: Path, tmp_path: Path, isolated: Callable[..., Outcome]) -> Try:
    """Tries a configuration on Debian 12 with the test's packages as its only source."""

    def run(
        config: str, *, sources: PackageSources | None = None, prepare: Callable[[Path], object] = lambda top: None
    ) -> Outcome:
        (tmp_path / "config.yaml").write_text(config)
        lent = sources or PackageSources(deb=(debs,), base_image_repositories=False)
        return isolated(lambda workspace: try_on_image(workspace, bookworm, tmp_path / "config.yaml", lent, prepare))

    return run


def test_packages_are_installed_with_what_they_depend_on(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-needs-hello]\n")
    assert outcome.errors == ""
    assert (outcome.installed["mic-needs-hello"], outcome.installed["mic-hello"]) == ("1", "2")
    assert outcome.contents["/usr/share/mic-hello/version"] == "2\n"
    assert outcome.stages == ["packages: lists", "packages: install 1"]
    assert "installed: mic-hello 2, mic-needs-hello 1\n" in outcome.said


def test_nothing_of_the_step_is_left_in_the_image_but_the_packages(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-hello]\n")
    left = {path for path in outcome.changed if not path.startswith(("/var/lib/dpkg/", "/usr/share/mic-hello/"))}
    # What apt and dpkg keep of their own: logs, what was installed by hand, debconf's empty databases, locks.
    assert left <= {
        "/var/log/apt/history.log",
        "/var/log/apt/term.log",
        "/var/log/apt/eipp.log.xz",
        "/var/log/dpkg.log",
        "/var/lib/apt/extended_states",
        *(f"/var/cache/debconf/{name}.dat" for name in ("config", "passwords", "templates")),
    }
    assert outcome.removed == frozenset()


def test_version_asked_for_is_installed_and_can_be_updated_afterwards(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-hello=1]\n")
    assert outcome.installed["mic-hello"] == "1"
    both = tried("SystemConfig:\n  PackagesInstall: [mic-hello=1]\n  PackagesUpdate: [mic-hello]\n")
    assert (both.errors, both.installed["mic-hello"]) == ("", "2")
    assert "updated: mic-hello 2\n" in both.said


def test_steps_come_in_the_contracts_order(tried: Try) -> None:
    outcome = tried(
        "SystemConfig:\n  PackagesUpdate: [mic-hello]\n  PackagesInstall: [mic-needs-hello, mic-daemon]\n"
        "  UpdateBaseImagePackages: true\n  PackagesRemove: [mic-old]\n",
        prepare=lambda top: has_packages(top, "mic-old", "mic-hello"),
    )
    assert outcome.errors == ""
    assert outcome.stages == [
        "packages: lists",
        "packages: remove 1",
        "packages: update the base image",
        "packages: install 2",
        "packages: update 1",
    ]
    assert [line for line in outcome.said.splitlines() if not line.startswith("packages:")] == [
        "removed: mic-old",
        "updated: mic-hello 2",
        "installed: mic-daemon 1, mic-needs-hello 1",
    ]


def test_packages_of_lists_come_first_in_a_transaction(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("Packages: [c, d]\n")
    (tmp_path / "config.yaml").write_text("SystemConfig:\n  PackagesInstall: [a]\n  PackageListsInstall: [list.yaml]\n")
    (step,) = steps_of(load_config(tmp_path / "config.yaml"))
    assert (step.action, step.names, step.title) == (Action.INSTALL, ("c", "d", "a"), "packages: install 3")


def test_keys_without_packages_make_no_step(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "SystemConfig:\n  PackagesInstall: []\n  PackagesRemove: []\n  UpdateBaseImagePackages: no\n"
    )
    assert steps_of(load_config(tmp_path / "config.yaml")) == ()


def has_packages(top: Path, *names: str) -> None:
    """Makes dpkg of an image believe that it has version 1 of each package, without files."""
    status = top / "var/lib/dpkg/status"
    for name in names:
        paragraph = f"Package: {name}\nStatus: install ok installed\nMaintainer: x <x@example.org>\nVersion: 1\n"
        status.write_text(f"{status.read_text().rstrip()}\n\n{paragraph}Architecture: all\nDescription: x\n\n")
        (top / f"var/lib/dpkg/info/{name}.list").write_text("/.\n")


def test_package_is_removed_and_its_configuration_files_stay(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesRemove: [mic-old]\n", prepare=lambda top: has_packages(top, "mic-old"))
    assert outcome.errors == ""
    assert "mic-old" not in outcome.installed
    assert outcome.stages == ["packages: remove 1"], "no list is fetched for a removal"
    assert "removed: mic-old\n" in outcome.said


def test_what_is_to_be_removed_and_is_not_there_is_told_before_anything_is_changed(tried: Try, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("Packages:\n- mic-nowhere\n")
    outcome = tried("SystemConfig:\n  PackageListsRemove: [list.yaml]\n  PackagesRemove: [bash, mic-never]\n")
    assert outcome.known_early
    first, second = outcome.errors.splitlines()
    assert re.search(r"list\.yaml:2:3: .*mic-nowhere is not installed in the image", first)
    assert re.search(r"config\.yaml:3:26: SystemConfig.PackagesRemove\[1\]: mic-never is not installed", second)


def test_update_of_a_package_that_nothing_brings_is_told_before_anything_is_changed(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesUpdate: [mic-hello]\n")
    assert outcome.known_early
    assert "config.yaml:2:20: SystemConfig.PackagesUpdate[0]: mic-hello is not installed" in outcome.errors


def test_update_of_a_package_that_is_not_there_after_the_steps_before_is_an_error(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-daemon]\n  PackagesUpdate: [mic-hello]\n")
    assert "config.yaml:3:20: SystemConfig.PackagesUpdate[0]: mic-hello is not installed" in outcome.errors


def test_unknown_packages_are_told_each_at_its_place_before_any_transaction(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-hello, mic-nowhere, mic-hello=9, mic-never]\n")
    assert outcome.stages == []
    lines = outcome.errors.splitlines()
    assert [line.partition(": SystemConfig")[0].rpartition("/")[2] for line in lines] == [
        "config.yaml:2:32",
        "config.yaml:2:45",
        "config.yaml:2:58",
    ]
    assert "no repository has the package mic-nowhere" in lines[0]
    assert outcome.changed == frozenset()


@pytest.mark.parametrize("name", ["mic-hello-", "mic-*", "Mic", "mic hello", "a", "mic-hello=", "~nmic"])
def test_what_apt_would_take_for_something_else_than_a_package_is_refused(tried: Try, name: str) -> None:
    outcome = tried(f"SystemConfig:\n  PackagesInstall: ['{name}']\n")
    assert outcome.known_early
    assert "is not the name of a Debian package" in outcome.errors


def test_no_service_starts_and_no_daemon_survives(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-daemon]\n")
    assert outcome.errors == ""
    assert outcome.installed["mic-daemon"] == "1"
    assert "/var/lib/mic-daemon-has-started" not in outcome.changed
    assert not any("policy-rc.d" in path for path in outcome.changed)
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"sleep\x0031337" in command for command in running)


def test_identity_of_one_machine_that_packages_make_is_taken_away_or_told(tried: Try, tmp_path: Path) -> None:
    made = (
        "mkdir -p /var/lib/dbus /etc/ssh\n"
        "for id in /etc/machine-id /var/lib/dbus/machine-id; do echo 0123456789abcdef0123456789abcdef >$id; done\n"
        "touch /etc/ssh/ssh_host_rsa_key\n"
    )
    build_deb(DebPackage("mic-identity", "1", scripts={"postinst": f"#!/bin/sh\n{made}"}), tmp_path / "debs")
    outcome = tried(
        "SystemConfig:\n  PackagesInstall: [mic-identity]\n",
        sources=PackageSources(deb=(tmp_path / "debs",), base_image_repositories=False),
    )
    assert outcome.errors == ""
    assert outcome.contents["/etc/machine-id"] == ""
    assert "/var/lib/dbus/machine-id" not in outcome.changed
    assert "warning: the packages made SSH host keys" in outcome.said


def test_failing_transaction_is_told_at_its_key_with_the_package_managers_words(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-broken]\n")
    assert "config.yaml:2:21: SystemConfig.PackagesInstall[0]: apt-get failed (100)" in outcome.errors
    assert "returned error exit status 3" in outcome.errors


def test_changed_configuration_file_stays_as_it_is_when_its_package_is_updated(tried: Try, tmp_path: Path) -> None:
    packages = [
        DebPackage("mic-hello", version, files={"/etc/mic-hello.conf": f"from {version}\n"}, conffiles=(CONFFILE,))
        for version in ("1", "2")
    ]
    old, new = (build_deb(package, tmp_path / package.version) for package in packages)

    def prepare(top: Path) -> None:
        subprocess.run(["dpkg", "--root", top, "--install", old], check=True, capture_output=True)
        (top / CONFFILE.lstrip("/")).write_text("mine\n")

    outcome = tried(
        "SystemConfig:\n  PackagesUpdate: [mic-hello]\n",
        sources=PackageSources(deb=(new.parent,), base_image_repositories=False),
        prepare=prepare,
    )
    assert (outcome.errors, outcome.installed["mic-hello"]) == ("", "2")
    assert outcome.contents[CONFFILE] == "mine\n"


def test_proxy_of_the_caller_is_asked(tried: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:hunter2@127.0.0.1:9/")
    source = tmp_path / "there.sources"
    source.write_text("Types: deb\nURIs: http://example.invalid/debian\nSuites: x\nComponents: main\nTrusted: yes\n")
    outcome = tried(
        "SystemConfig:\n  PackagesInstall: [mic-hello]\n",
        sources=PackageSources(deb=(source,), base_image_repositories=False),
    )
    assert "reaches no server" in outcome.errors
    assert "127.0.0.1" in outcome.errors, "without the proxy, example.invalid would have been looked up"
    assert "hunter2" not in outcome.errors + outcome.said


def test_network_of_the_host_reaches_the_images_own_repositories_beside_those_given(tried: Try, debs: Path) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [hello, mic-hello]\n", sources=PackageSources(deb=(debs,)))
    assert outcome.errors == ""
    assert {"hello", "mic-hello"} <= outcome.installed.keys()
    assert "/usr/bin/hello" in outcome.changed
    left = [path for path in outcome.changed if path.startswith(("/var/lib/apt/lists", "/var/cache/apt", "/etc/"))]
    assert left == [], "neither lists nor archives, no resolv.conf"


def test_removal_of_what_a_live_boot_needs_is_told(bookworm: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("SystemConfig:\n  PackagesRemove: [dracut]\n")
    # Debian's kernel needs something that makes initrds, so it goes, too.
    done = mic_build(bookworm, tmp_path / "config.yaml", tmp_path / "x.iso")
    assert done.returncode == 2, done.stderr
    assert "after the customisations, the image has no kernel" in done.stderr


def test_kernel_that_a_package_brings_is_the_one_that_is_looked_at(bookworm: Path, tmp_path: Path) -> None:
    kernel = {"/boot/vmlinuz-9.9-mic": "kernel\n", "/boot/config-9.9-mic": "CONFIG_OVERLAY_FS=y\n"}
    modules = {"/usr/lib/modules/9.9-mic/modules.dep": "\n"}
    build_deb(DebPackage("linux-image-9.9-mic", "9.9", files=kernel | modules), tmp_path / "debs")
    (tmp_path / "config.yaml").write_text("SystemConfig:\n  PackagesInstall: [linux-image-9.9-mic]\n")
    options = ("--deb-source", str(tmp_path / "debs"), "--disable-base-image-rpm-repos")
    done = mic_build(bookworm, tmp_path / "config.yaml", tmp_path / "x.iso", *options)
    assert done.returncode == 2, done.stderr
    assert "after the customisations, the image's kernel 9.9-mic was built without squashfs" in done.stderr


def test_options_of_the_command_line_reach_the_package_manager(bookworm: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("SystemConfig:\n  PackagesInstall: [mic-nowhere]\n")
    build_deb(HELLO_1, tmp_path / "debs")
    options = ("--deb-source", str(tmp_path / "debs"), "--disable-base-image-rpm-repos")
    done = mic_build(bookworm, tmp_path / "config.yaml", tmp_path / "x.iso", *options)
    assert done.returncode == 2, done.stderr
    assert "config.yaml:2:21: SystemConfig.PackagesInstall[0]: no repository has the package mic-nowhere" in done.stderr


def test_server_that_is_not_reached_is_told_from_an_unknown_package_and_its_password_is_not_shown(
    tried: Try, tmp_path: Path
) -> None:
    source = tmp_path / "there.list"
    source.write_text("deb [trusted=yes] http://user:hunter2@127.0.0.1:9/debian bookworm main\n")
    outcome = tried(
        "SystemConfig:\n  PackagesInstall: [mic-hello]\n",
        sources=PackageSources(deb=(source,), base_image_repositories=False),
    )
    assert "config.yaml:2:21: SystemConfig.PackagesInstall[0]: apt-get reaches no server" in outcome.errors
    assert "127.0.0.1" in outcome.errors
    assert "hunter2" not in outcome.errors + outcome.said
    assert not any("hunter2" in content for content in outcome.contents.values())


def test_image_without_a_package_manager_is_told_at_the_first_key_that_asks(tried: Try) -> None:
    outcome = tried(
        "SystemConfig:\n  PackagesUpdate: [bash]\n  PackagesInstall: [mic-hello]\n",
        prepare=lambda top: (top / "usr/bin/apt-get").unlink(),
    )
    assert outcome.known_early
    assert "config.yaml:2:20: SystemConfig.PackagesUpdate[0]: the image has no package manager" in outcome.errors


def test_sources_that_cannot_be_ones_are_all_told_at_once(tried: Try, tmp_path: Path, debs: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "some.txt").write_text("deb http://example.org/ x y\n")
    wrong = (tmp_path / "empty", tmp_path / "nowhere", tmp_path / "some.txt")
    outcome = tried("SystemConfig:\n  PackagesInstall: [x11]\n", sources=PackageSources(deb=wrong, rpm=(debs,)))
    assert outcome.known_early
    lines = outcome.errors.splitlines()
    assert [re.sub(r"^.*?: --", "--", line) for line in lines] == [
        "--deb-source: has no *.deb file",
        "--deb-source: does not exist",
        "--deb-source: is neither a directory nor a file whose name ends in .list or .sources",
        "--rpm-source: the packages of this image are the business of apt-get (--deb-source gives it packages)",
    ]


def test_no_repository_at_all_is_told_before_anything_is_changed(tried: Try) -> None:
    outcome = tried(
        "SystemConfig:\n  UpdateBaseImagePackages: true\n", sources=PackageSources(base_image_repositories=False)
    )
    assert outcome.known_early
    assert "config.yaml:2:28: SystemConfig.UpdateBaseImagePackages: --disable-base-image-rpm-repos" in outcome.errors


def test_file_that_is_no_package_is_named(tried: Try, tmp_path: Path) -> None:
    (tmp_path / "debs").mkdir()
    (tmp_path / "debs" / "half.deb").write_bytes(b"!<arch>\nno")
    outcome = tried(
        "SystemConfig:\n  PackagesInstall: [mic-hello]\n",
        sources=PackageSources(deb=(tmp_path / "debs",), base_image_repositories=False),
    )
    assert re.search(r"/debs: --deb-source: a package cannot be read: .*half\.deb", outcome.errors)


def test_directory_that_only_root_can_look_into_is_a_source(tried: Try, tmp_path: Path) -> None:
    build_deb(HELLO_1, tmp_path / "private")
    (tmp_path / "private").chmod(0o700)
    outcome = tried(
        "SystemConfig:\n  PackagesInstall: [mic-hello]\n",
        sources=PackageSources(deb=(tmp_path / "private",), base_image_repositories=False),
    )
    assert (outcome.errors, outcome.installed["mic-hello"]) == ("", "1")
