"""`mic verify job`: a plan as a Kubernetes Job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def job(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What mic verify plan wrote.")],
    container_image: Annotated[str, typer.Option(help="The image with mic and QEMU in it.")],
    claim: Annotated[str, typer.Option(help="The volume claim with the plan's files; results go there too.")],
    plan_path: Annotated[
        str | None, typer.Option(help="Where the plan lies in that volume; its name if not given.", show_default=False)
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="How often a cell that ended in a fault is run again.")] = 2,
    parallelism: Annotated[int, typer.Option(min=1, help="How many cells run at once.")] = 10,
    kvm_resource: Annotated[
        str | None, typer.Option(help="The device plugin's name for /dev/kvm, as devices.kubevirt.io/kvm.")
    ] = None,
) -> None:
    """Prints a Kubernetes Indexed Job that runs every cell of a plan."""
    from verify.matrix.kubernetes import JobSettings, job_manifest
    from verify.matrix.plan_file import read_matrix_plan

    settings = JobSettings(
        container_image,
        claim,
        plan_path or plan_file.name,
        retries=retries,
        parallelism=parallelism,
        kvm_resource=kvm_resource,
    )
    print(job_manifest(read_matrix_plan(plan_file), settings), end="")
