"""Jobs and plans for the tests of guardrails."""

from typing import Any

from staffroom.onboard.guardrails import guardrail_plan
from staffroom.records.guardrails import GuardrailPlan
from staffroom.records.job_description import JobDescription


def plan(locale: str = "zh-TW", charter: dict[str, Any] | None = None, **guardrails: Any) -> GuardrailPlan:
    """Return the plan of a small job."""
    job = {
        "name": "w",
        "title": "T",
        "sponsor": "Office",
        "locale": locale,
        "charter": {"turn_to": "服務台 (02)2345-6789", "ai_notice": "這是 AI。", **(charter or {})},
        "documents": [{"path": "d"}],
        "candidates": ["c"],
        "exam": "e",
        "alias": "w",
        "policy": {"guardrails": guardrails},
    }
    return guardrail_plan(JobDescription.model_validate(job))
