"""Records of Every Eval Ever, the shared schema of the EvalEval Coalition, version 0.3: one of sums, one for each item.

The fields are those of its `eval.schema.json` and `instance_level_eval.schema.json` and of the rules that its validator
adds (score bounds, who deployed the model, one UUID for both files).
"""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from staffroom.evaluate.exporting.exported import Exported, ExportedItem, answer_of, asked_of, target_of

__all__ = ["EveryEvalRecord", "every_eval_record"]

_SCHEMA = "0.3.0"
_DEVELOPER = "local"
_OUTSIDE = re.compile(r"[^A-Za-z0-9._-]+")
_INTERVAL = "Korn and Graubard 1998 (Clopper-Pearson on the effective number of items, by cluster)"


@dataclass(frozen=True, slots=True)
class EveryEvalRecord:
    """The two files: `path` and `samples_path` are where the data store keeps them; no items, no second file."""

    path: str
    samples_path: str
    record: str
    samples: str


def every_eval_record(exported: Exported) -> EveryEvalRecord:
    """Return the record of an evaluation; the same export has the same names."""
    model_id = f"{_DEVELOPER}/{_portable(exported.model)}"
    name = f"{exported.pack_name}-{exported.split}"
    identity = f"{name}/{model_id}/{int(exported.exported.timestamp())}"
    samples = "".join(
        json.dumps(_instance(row, exported, identity, model_id), ensure_ascii=False) + "\n"
        for row in exported.items
    )
    folder = f"data/{_portable(name)}/{model_id}"
    unique = _uuid4(exported.evaluation)
    samples_path = f"{folder}/{unique}_samples.jsonl"
    record = _record(exported, identity, model_id, name)
    if exported.items:
        record["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": samples_path,
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(samples.encode()).hexdigest(),
            "total_rows": len(exported.items),
        }
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    return EveryEvalRecord(f"{folder}/{unique}.json", samples_path, text, samples)


def _record(exported: Exported, identity: str, model_id: str, name: str) -> dict[str, Any]:
    return {
        "schema_version": _SCHEMA,
        "evaluation_id": identity,
        "evaluation_timestamp": exported.created.isoformat(timespec="seconds"),
        "retrieved_timestamp": str(int(exported.exported.timestamp())),
        "source_metadata": {
            "source_name": "Staffroom",
            "source_type": "evaluation_run",
            "source_organization_name": exported.organisation,
            "evaluator_relationship": "third_party",
        },
        "eval_library": {"name": "staffroom", "version": exported.version},
        "model_info": {
            "name": exported.model,
            "id": model_id,
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "unknown",
                "agent": exported.agent,
                "what": "an assembled agent: base model, prompt, documents and guardrails, by one digest",
            },
        },
        "evaluation_results": [_result(facet, exported, name) for facet in exported.facets],
    }


def _result(facet: Mapping[str, Any], exported: Exported, name: str) -> dict[str, Any]:
    return {
        "evaluation_result_id": f"{name}/{facet['facet']}",
        "evaluation_name": f"{name}/{facet['facet']}",
        "source_data": {
            "dataset_name": exported.pack_name,
            "source_type": "other",
            "additional_details": {
                "pack": exported.pack,
                "split": exported.split,
                "locale": exported.locale,
                "clusters": str(facet["clusters"]),
            },
        },
        "evaluation_timestamp": exported.created.isoformat(timespec="seconds"),
        "metric_config": {
            "evaluation_description": f"Share of items answered rightly in the facet `{facet['facet']}`",
            "metric_id": "accuracy",
            "metric_name": "Share of right answers",
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": {
            "score": float(facet["score"]),
            "details": {"unscored": str(facet.get("unscored", 0)), "evaluation": exported.evaluation},
            "uncertainty": {
                "confidence_interval": {
                    "lower": float(facet["low"]),
                    "upper": float(facet["high"]),
                    "confidence_level": 0.95,
                    "method": _INTERVAL,
                },
                "num_samples": int(facet["n"]),
            },
        },
        "generation_config": {
            "generation_args": {"temperature": 0.0},
            "additional_details": {"seed": str(exported.seed)},
        },
    }


def _instance(row: ExportedItem, exported: Exported, identity: str, model_id: str) -> dict[str, Any]:
    item, response = row.item, row.response
    name = f"{exported.pack_name}-{exported.split}/{item.facet}"
    reference = target_of(item)
    value = float(row.score["value"])
    return {
        "schema_version": _SCHEMA,
        "evaluation_id": identity,
        "model_id": model_id,
        "evaluation_name": name,
        "evaluation_result_id": name,
        "sample_id": item.id,
        "sample_hash": hashlib.sha256((item.input + "".join(reference)).encode()).hexdigest(),
        "interaction_type": "single_turn",
        "input": {
            "raw": item.input,
            "formatted": asked_of(item),
            "reference": reference,
            "choices": list(item.choices) or None,
        },
        "output": {"raw": [response.raw_text or response.text]},
        "messages": None,
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": answer_of(row),
                "extraction_method": str(row.score["scorer"]),
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": value, "is_correct": value == 1.0},
        "token_usage": {
            "input_tokens": response.tokens_in,
            "output_tokens": response.tokens_out,
            "total_tokens": response.tokens_in + response.tokens_out,
        },
        "performance": {"latency_ms": round(1000 * response.seconds, 3)},
        "error": response.error or None,
        "metadata": {
            "facet": item.facet,
            "kind": item.kind.value,
            "cluster": item.cluster,
            "reason": str(row.score["reason"]),
            "status": str(row.score["status"]),
            "item": item.digest,
        },
    }


def _portable(name: str) -> str:
    return _OUTSIDE.sub("-", name).strip("-. ") or "unnamed"


def _uuid4(digest: str) -> str:
    """Return a UUID of version 4's form that depends on the digest alone."""
    return str(uuid.UUID(bytes=hashlib.sha256(digest.encode()).digest()[:16], version=4))
