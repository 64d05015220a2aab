"""How much quicker `mic build` is than the plain way of making a live ISO.

``python -m tests.benchmarks.conversion [--rounds N]``, as root. Both ways start from the same raw image and end
with an ISO. The plain way is what a shell script does, and what the original tool does: copy the tree, let dracut
pack the initrd, pack the squashfs with gzip, put both on an ISO, one step after the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fixtures.base import cached_image
from mic.image.layout import open_image
from mic.image.root import mounted_read_only
from mic.isolation import run_isolated
from mic.programs import run

PLAIN_WAY = """
set -e
cp -a "$1/." tree
rm -f tree/etc/fstab
for name in dev proc; do mount --rbind "/$name" "tree/$name"; done
kernel=$(ls tree/lib/modules | tail -n 1)
chroot tree dracut --no-hostonly --add dmsquash-live --force --kver "$kernel" /tmp/initrd.img
umount --lazy tree/dev tree/proc
mkdir -p medium/boot medium/LiveOS
mv tree/tmp/initrd.img medium/boot/
cp "tree/boot/vmlinuz-$kernel" medium/boot/vmlinuz
mksquashfs tree medium/LiveOS/squashfs.img -noappend -quiet -no-progress -e proc dev
xorriso -as mkisofs -quiet -iso-level 3 -R -V PLAIN -o "$2" medium
"""


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and seconds of CPU of one conversion."""

    wall: float
    cpu: float


def measured(convert: Callable[[], None]) -> Cost:
    """Runs `convert`, whose children's CPU time counts with it."""
    before, begin = os.times(), time.monotonic()
    convert()
    after = os.times()
    cpu = sum(getattr(after, name) - getattr(before, name) for name in ("children_user", "children_system"))
    return Cost(time.monotonic() - begin, cpu)


def by_mic(image: Path, directory: Path) -> None:
    """`mic build` with an empty configuration."""
    (directory / "config.yaml").write_text("{}\n")
    options = ("--image-file", image, "--config-file", directory / "config.yaml")
    run(sys.executable, "-m", "mic.cli", "build", *options, "--output-image-file", directory / "mic.iso")


def the_plain_way(image_file: Path, directory: Path) -> None:
    """The shell script above, in namespaces of its own so that its mounts vanish with it."""

    def work(workspace: Path) -> int:
        with (
            open_image(image_file, workspace) as image,
            mounted_read_only(image.disk, image.root, workspace / "image-root") as root,
        ):
            run("bash", "-c", PLAIN_WAY, "plain", root, directory / "plain.iso", cwd=workspace)
        return 0

    if run_isolated(work, parent=directory) != 0:
        raise RuntimeError("the plain way failed")


def main() -> None:
    """Measures both, alternating, and prints medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="conversions of each kind")
    rounds = parser.parse_args().rounds
    image = cached_image("bookworm")
    costs: dict[str, list[Cost]] = {"mic build": [], "plain way": []}
    with tempfile.TemporaryDirectory(prefix="mic-benchmark-") as name:
        directory = Path(name)
        for _ in range(rounds):
            costs["mic build"].append(measured(lambda: by_mic(image, directory)))
            costs["plain way"].append(measured(lambda: the_plain_way(image, directory)))
        sizes = {kind: (directory / f"{kind.split()[0]}.iso").stat().st_size >> 20 for kind in costs}
    wall = {kind: statistics.median(cost.wall for cost in found) for kind, found in costs.items()}
    cpu = {kind: statistics.median(cost.cpu for cost in found) for kind, found in costs.items()}
    for kind in costs:
        print(f"{kind}: {wall[kind]:6.1f} s, {cpu[kind]:6.1f} s of CPU, {sizes[kind]} MiB (median of {rounds})")
    print(f"plain way : mic build = {wall['plain way'] / wall['mic build']:.1f} : 1 in time,", end=" ")
    print(f"{cpu['plain way'] / cpu['mic build']:.1f} : 1 in CPU")


if __name__ == "__main__":
    main()
