"""A live medium as it lies there: an ISO comes in, its facts and what is wrong with them go out.

Nothing is booted, nothing mounted, nothing but the file itself is needed: no configuration, no knowledge of who
made it.
"""

from __future__ import annotations

from verify.audit.audit import audit_medium
from verify.audit.model import CLOUD_ASPECTS, Aspect, Audit, Finding, Unjudged

__all__ = ["CLOUD_ASPECTS", "Aspect", "Audit", "Finding", "Unjudged", "audit_medium"]
