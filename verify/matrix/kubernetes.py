"""A Kubernetes Job for a plan: Indexed, one index a cell, faults run again and failures not.

Written after https://kubernetes.io/docs/concepts/workloads/controllers/job/ ("Backoff limit per index", stable
since 1.33, "Pod failure policy", stable since 1.31).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from mic.errors import USAGE_EXIT_CODE
from verify.matrix.plan_file import MatrixPlan
from verify.verdict import Verdict

_FINAL_CODES = [Verdict.PRODUCT_FAILURE.exit_code, USAGE_EXIT_CODE]
_FEWEST_MIB = 512


@dataclass(frozen=True)
class JobSettings:
    """What the cluster decides. `plan` is the plan file's path below the volume of `claim`."""

    container_image: str
    claim: str
    plan: str
    name: str = "mic-verify"
    retries: int = 2
    parallelism: int = 10
    kvm_resource: str | None = None


def job_manifest(plan: MatrixPlan, settings: JobSettings) -> str:
    """The manifest as YAML; memory and processors are those of the plan's largest machine."""
    machines = [cell.machine for cell in plan.cells if cell.machine is not None]
    memory_mib = max([_FEWEST_MIB, *(machine.host_memory_mib for machine in machines)]) + _FEWEST_MIB
    cpus = max([1, *(machine.cpus for machine in machines)])
    cells = len(plan.cells)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": settings.name},
        "spec": {
            "completionMode": "Indexed",
            "completions": cells,
            "parallelism": min(cells, settings.parallelism),
            "backoffLimitPerIndex": settings.retries,
            "maxFailedIndexes": cells,
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {"spec": _pod(settings, cpus, memory_mib)},
        },
    }
    return yaml.safe_dump(job, sort_keys=False, width=100)


def _failure_rules() -> list[dict[str, Any]]:
    """The first that matches decides; what none does, as a pod that was killed, counts as a try too."""
    fault = Verdict.HARNESS_FAULT.exit_code
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailIndex", "onExitCodes": {"containerName": "cell", "operator": "In", "values": _FINAL_CODES}},
        {"action": "Count", "onExitCodes": {"containerName": "cell", "operator": "In", "values": [fault]}},
    ]


def _pod(settings: JobSettings, cpus: int, memory_mib: int) -> dict[str, Any]:
    resources: dict[str, dict[str, str]] = {
        "requests": {"cpu": str(cpus), "memory": f"{memory_mib}Mi"},
        "limits": {"memory": f"{memory_mib}Mi"},
    }
    if settings.kvm_resource is not None:
        resources["limits"][settings.kvm_resource] = "1"
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "cell",
                "image": settings.container_image,
                # The cell's number comes in JOB_COMPLETION_INDEX. Every pod has its own directory, so that a
                # second try leaves the first's evidence alone.
                "command": ["mic", "verify", "run", f"/work/{settings.plan}"],
                "args": ["--report-dir", "/work/results/$(POD_NAME)"],
                "env": [
                    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "HOME", "value": "/tmp"},
                ],
                "resources": resources,
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "work", "mountPath": "/work"}, {"name": "tmp", "mountPath": "/tmp"}],
            }
        ],
        "volumes": [
            {"name": "work", "persistentVolumeClaim": {"claimName": settings.claim}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
