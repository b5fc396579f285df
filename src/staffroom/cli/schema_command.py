"""`staffroom schema`: the JSON Schema of the files that people write."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, terminal_of

__all__ = ["SchemaOf", "schema"]


class SchemaOf(StrEnum):
    """Which file: job.yaml, exam.yaml, one line of items.jsonl, or the guardrails of a plain model."""

    JOB = "job"
    EXAM = "exam"
    ITEM = "item"
    GUARDRAILS = "guardrails"


def schema(
    context: typer.Context,
    of: Annotated[
        SchemaOf,
        typer.Argument(
            help="The job description, the exam pack's exam.yaml, a line of its items.jsonl, or the guardrails of a "
            "plain model."
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Print the JSON Schema of a file, with what each field means."""
    terminal = terminal_of(context, as_json)
    value = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema(of)}
    terminal.give(value, lambda: terminal.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n"))


def _schema(of: SchemaOf) -> dict[str, Any]:
    if of is SchemaOf.JOB:
        from staffroom.records.job_description import JobDescription

        return JobDescription.model_json_schema()
    if of is SchemaOf.GUARDRAILS:
        from staffroom.records.route_guardrails import RouteGuardrails

        return RouteGuardrails.model_json_schema()
    from staffroom.pipeline.exams import exam_schema, item_schema

    return exam_schema() if of is SchemaOf.EXAM else item_schema()
