"""Packages of an RPM-like root: dnf in the real sandbox, RPMs that the test builds, no network.

tdnf cannot be had here. It is driven by the same code and the same words; what is its own is data, tested as such.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.rpm_packages import RpmPackage, build_rpm, cached_rpm_root
from mic.customize.packages import PackageSources, find_manager
from mic.customize.packages.rpm import DNF, TDNF
from mic.tree import Tree
from tests.mic.package_trial import Outcome, try_on_tree

pytestmark = pytest.mark.image

# The root has no systemctl; these are what it goes by (systemd's ENVIRONMENT.md, sd_booted(3)).
POST = """test "$SYSTEMD_OFFLINE" = 1 && test ! -e /run/systemd/system || touch /var/lib/mic-daemon-would-start
setsid sleep 31338 </dev/null >/dev/null 2>&1 &"""
HELLO_1 = RpmPackage("mic-hello", "1", files={"/usr/share/mic-hello/version": "1\n"})
HELLO_2 = RpmPackage("mic-hello", "2", files={"/usr/share/mic-hello/version": "2\n"})
NEEDS_HELLO = RpmPackage("mic-needs-hello", "1", requires="mic-hello >= 2", files={"/usr/share/mic-needs/a": "a\n"})
DAEMON = RpmPackage("mic-daemon", "1", files={"/usr/share/mic-daemon/a": "a\n"}, post=POST)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with dnf and rpm; never written to, because every trial is an overlay above it."""
    directory = tmp_path_factory.mktemp("rpm-root")
    subprocess.run(["tar", "--extract", "--file", cached_rpm_root(), "--directory", directory], check=True)
    return directory


@pytest.fixture(scope="module")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of packages without repodata, one of them below."""
    directory = tmp_path_factory.mktemp("rpms")
    build_rpm(HELLO_1, directory)
    build_rpm(HELLO_2, directory / "newer")
    build_rpm(NEEDS_HELLO, directory)
    build_rpm(DAEMON, directory)
    return directory


Try = Callable[..., Outcome]


@pytest.fixture
def tried(root: Path, rpms: Path, tmp_path: Path, isolated: Callable[..., Outcome]) -> Try:
    """Tries a configuration on the root with the test's packages as its only source."""

    def run(
        config: str, *, sources: PackageSources | None = None, prepare: Callable[[Path], object] = lambda top: None
    ) -> Outcome:
        (tmp_path / "config.yaml").write_text(config)
        lent = sources or PackageSources(rpm=(rpms,), base_image_repositories=False)
        return isolated(lambda workspace: try_on_tree(workspace, root, tmp_path / "config.yaml", lent, prepare))

    return run


def with_rpm(rpms: Path, name: str) -> Callable[[Path], object]:
    """Installs one of the packages into the root beforehand, by the root's own rpm."""

    def prepare(top: Path) -> None:
        package = top / "tmp" / name
        package.write_bytes((rpms / name).read_bytes())
        subprocess.run(["chroot", top, "rpm", "--install", "--nodeps", f"/tmp/{name}"], check=True)
        package.unlink()

    return prepare


def test_packages_are_installed_with_what_they_require(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-needs-hello]\n")
    assert outcome.errors == ""
    assert (outcome.installed["mic-needs-hello"], outcome.installed["mic-hello"]) == ("1-1", "2-1")
    assert outcome.contents["/usr/share/mic-hello/version"] == "2\n"
    assert outcome.stages == ["packages: lists", "packages: install 1"]


def test_nothing_of_the_step_is_left_but_the_packages_and_dnfs_own_records(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-hello]\n")
    own = re.compile(r"/root/\.rpmdb/|/var/lib/dnf/|/usr/share/mic-hello/|/var/lib/rpm")
    assert sorted(path for path in outcome.changed if not own.match(path)) == []
    assert outcome.removed == frozenset()


def test_steps_come_in_the_contracts_order(tried: Try, rpms: Path) -> None:
    outcome = tried(
        "SystemConfig:\n  PackagesUpdate: [mic-hello]\n  PackagesInstall: [mic-hello-1]\n"
        "  PackagesRemove: [mic-daemon]\n",
        prepare=with_rpm(rpms, "mic-daemon-1.rpm"),
    )
    assert outcome.errors == ""
    assert outcome.stages == ["packages: lists", "packages: remove 1", "packages: install 1", "packages: update 1"]
    assert [line for line in outcome.said.splitlines() if not line.startswith("packages:")] == [
        "removed: mic-daemon",
        "installed: mic-hello 1-1",
        "updated: mic-hello 2-1",
    ]


def test_base_image_is_updated(tried: Try, rpms: Path) -> None:
    outcome = tried("SystemConfig:\n  UpdateBaseImagePackages: true\n", prepare=with_rpm(rpms, "mic-hello-1.rpm"))
    assert (outcome.errors, outcome.installed["mic-hello"]) == ("", "2-1")


def test_what_is_to_be_removed_and_is_not_there_is_told_before_anything_is_changed(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesRemove: [mic-never]\n  PackagesUpdate: [mic-hello]\n")
    assert outcome.known_early
    first, second = outcome.errors.splitlines()
    assert "config.yaml:2:20: SystemConfig.PackagesRemove[0]: mic-never is not installed in the image" in first
    assert "config.yaml:3:20: SystemConfig.PackagesUpdate[0]: mic-hello is not installed in the image" in second


def test_unknown_packages_are_told_each_at_its_place_before_any_transaction(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-hello, mic-nowhere]\n  PackagesUpdate: [mic-never]\n")
    assert outcome.stages == []
    first, second = outcome.errors.splitlines()
    assert "config.yaml:2:32: SystemConfig.PackagesInstall[1]: no repository has the package mic-nowhere" in first
    assert "config.yaml:3:20: SystemConfig.PackagesUpdate[0]: no repository has the package mic-never" in second


def test_no_service_starts_and_no_daemon_survives(tried: Try) -> None:
    outcome = tried("SystemConfig:\n  PackagesInstall: [mic-daemon]\n")
    assert outcome.errors == ""
    assert outcome.installed["mic-daemon"] == "1-1"
    assert "/var/lib/mic-daemon-would-start" not in outcome.changed
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"sleep\x0031338" in command for command in running)


def test_directory_with_repodata_is_taken_as_it_is(tried: Try, rpms: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    build_rpm(HELLO_1, repository)
    subprocess.run(["createrepo_c", "--quiet", repository], check=True)
    build_rpm(HELLO_2, repository)
    outcome = tried(
        "SystemConfig:\n  PackagesInstall: [mic-hello]\n",
        sources=PackageSources(rpm=(repository,), base_image_repositories=False),
    )
    assert (outcome.errors, outcome.installed["mic-hello"]) == ("", "1-1"), "what repodata does not know is not there"


def describe(file: Path, location: str, *, name: str = "there") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[{name}]\nname={name}\nbaseurl={location}\ngpgcheck=0\nskip_if_unavailable=0\n")
    return file


def test_images_own_repositories_are_asked_beside_those_given(tried: Try, rpms: Path) -> None:
    def prepare(top: Path) -> None:
        build_rpm(RpmPackage("mic-own", "1", files={"/usr/share/mic-own": "x\n"}), top / "srv/own")
        subprocess.run(["createrepo_c", "--quiet", top / "srv/own"], check=True)
        describe(top / "etc/yum.repos.d/own.repo", "file:///srv/own")

    config = "SystemConfig:\n  PackagesInstall: [mic-own, mic-hello]\n"
    both = tried(config, sources=PackageSources(rpm=(rpms,)), prepare=prepare)
    assert both.errors == ""
    assert {"mic-own", "mic-hello"} <= both.installed.keys()
    given = tried(config, prepare=prepare)
    assert "no repository has the package mic-own" in given.errors, "--disable-base-image-rpm-repos leaves it out"


def test_server_that_is_not_reached_is_told_from_an_unknown_package_and_its_password_is_not_shown(
    tried: Try, tmp_path: Path
) -> None:
    source = describe(tmp_path / "there.repo", "http://user:hunter2@127.0.0.1:9/there")
    outcome = tried(
        "SystemConfig:\n  PackagesInstall: [mic-hello]\n",
        sources=PackageSources(rpm=(source,), base_image_repositories=False),
    )
    assert "config.yaml:2:21: SystemConfig.PackagesInstall[0]: dnf reaches no server" in outcome.errors
    assert "hunter2" not in outcome.errors + outcome.said
    assert [path for path, content in outcome.contents.items() if "hunter2" in content] == []


def test_sources_that_cannot_be_ones_are_all_told_at_once(tried: Try, tmp_path: Path, rpms: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "secret.repo").write_text("password=hunter2\n")
    config = "SystemConfig:\n  PackagesInstall: [mic-hello]\n"
    outcome = tried(config, sources=PackageSources(rpm=(tmp_path / "empty", tmp_path / "nowhere"), deb=(rpms,)))
    assert outcome.known_early
    assert [re.sub(r"^.*?: --", "--", line) for line in outcome.errors.splitlines()] == [
        "--rpm-source: has no *.rpm file",
        "--rpm-source: does not exist",
        "--deb-source: the packages of this image are the business of dnf (--rpm-source gives it packages)",
    ]
    outcome = tried(config, sources=PackageSources(rpm=(tmp_path / "secret.repo",)))
    assert "secret.repo: --rpm-source: is not a description of repositories" in outcome.errors
    assert "hunter2" not in outcome.errors


def test_tdnf_is_preferred_to_dnf_and_takes_the_same_commands(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/dnf").touch()
    assert find_manager(Tree(tmp_path)) == DNF
    (tmp_path / "usr/bin/tdnf").touch()
    assert find_manager(Tree(tmp_path)) == TDNF
    assert TDNF.simulate(["a"]) == DNF.simulate(["a"]) == ("--assumeno", "install", "a")
    said = "a package not found or not installed\nError(1011) : No matching packages\n"
    assert TDNF.unknown(said, ["a", "b"]) == {"a"}
