"""Writes the pages of docs/reference that follow from the program itself: commands, job description, exam pack.

make docs
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from staffroom.cli.app import build_command
from staffroom.cli.language import words_of
from staffroom.pipeline.exams import exam_schema, item_schema
from staffroom.records.job_description import JobDescription
from staffroom.records.route_guardrails import RouteGuardrails

__all__ = ["main", "pages", "paths_of"]

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- Made by `make docs` from the program; change the help texts there, not this page. -->"

JOB = """One YAML file is the only configuration of a run. An unknown field is an error that names the nearest known one.
`staffroom schema job` prints this as a JSON Schema, for editors. A commented one to start from: `staffroom init`."""
EXAM = """How a pack's items are split, scored and gated. `staffroom schema exam` prints this as a JSON Schema;
`staffroom exam check PACK` looks for faults. How to write one: [Write an exam](../guides/write-an-exam.md)."""
ROUTE = """What `staffroom route add --guardrails FILE` reads; every field has a default. `staffroom schema guardrails` prints this
as a JSON Schema. What it is for: [Serve a model as it is](../guides/plain-models.md)."""
ITEMS = """One item a line. The worker sees `input` and `choices`, nothing else. `staffroom schema item` prints this as a
JSON Schema."""


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Return file name -> text of every page that is made."""
    return {
        "commands.md": _commands_page(),
        "job-description.md": _schema_page("The job description", JOB, JobDescription.model_json_schema()),
        "exam-yaml.md": _schema_page("exam.yaml of an exam pack", EXAM, exam_schema()),
        "route-guardrails.md": _schema_page(
            "The guardrails of a plain model", ROUTE, RouteGuardrails.model_json_schema()
        ),
        "exam-items.md": _schema_page("items.jsonl of an exam pack", ITEMS, item_schema()),
    }


def _commands_page() -> str:
    root = build_command(words_of("en"))
    parts = [
        "# Commands",
        MADE,
        root.help,
        "Exit codes: 0 done or promoted, 1 rejected by the gate, 4 undecided, 2 wrong use, 3 failed, 130 stopped by Ctrl-C.",
    ]
    for path, command in _leaves(root, ("staffroom",)):
        parts += [f"## `{' '.join(path)}`", " ".join((command.help or "").split()), *_parameters(command)]
    return "\n\n".join(parts) + "\n"


def paths_of() -> tuple[str, ...]:
    """Return every command line there is, such as `staffroom log verify`."""
    return tuple(" ".join(path) for path, _ in _leaves(build_command(words_of("en")), ("staffroom",)))


def _schema_page(title: str, text: str, schema: Mapping[str, Any]) -> str:
    parts = [f"# {title}", MADE, text, *_fields(schema, "")]
    for name, inner in sorted(schema.get("$defs", {}).items()):
        parts += [f"## {name}", " ".join(inner.get("description", "").split()), *_fields(inner, name)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    if not inner:
        yield path, command
    for name, child in inner.items():
        yield from _leaves(child, (*path, name))


def _parameters(command: Any) -> Iterator[str]:
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        option = parameter.param_type_name == "option"
        shown = ", ".join(f"`{name}`" for name in parameter.opts) if option else f"`{_metavar(parameter)}`"
        needed = (
            ""
            if option and not parameter.required
            else " (required)"
            if parameter.required
            else " (optional)"
        )
        rows.append(f"| {shown}{needed} | {' '.join((getattr(parameter, 'help', '') or '').split())} |")
    if rows:
        yield "\n".join(["| | |", "|---|---|", *rows])


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _fields(schema: Mapping[str, Any], of: str) -> Iterator[str]:
    needed = set(schema.get("required", ()))
    rows = [
        f"| `{name}` | {_type(field)} | {_default(field, name in needed)} | {' '.join(field.get('description', '').split())} |"
        for name, field in schema.get("properties", {}).items()
    ]
    if rows:
        yield "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows])
    elif of:
        yield "One of: " + ", ".join(f"`{value}`" for value in schema.get("enum", ()))


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in field or "const" in field:
        return " or ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        return " or ".join(
            dict.fromkeys(_type(inner) for inner in field["anyOf"] if inner.get("type") != "null")
        )
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), Mapping):
        return f"name to {_type(field['additionalProperties'])}"
    return str(field.get("format") or field.get("type", "value"))


def _default(field: Mapping[str, Any], needed: bool) -> str:
    if needed:
        return "**required**"
    default = field.get("default")
    if default in (None, "", []) or isinstance(default, Mapping):
        return ""
    if isinstance(default, list):
        return ", ".join(f"`{value}`" for value in default)
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    main()
