"""Writing a pack's files: a new folder, whole or not at all, that loads."""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from staffroom.evaluate.pack import load_pack
from staffroom.records.errors import WrongUse

__all__ = ["exam_yaml", "write_pack_files"]

_WIDTH = 100


def exam_yaml(fields: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Return exam.yaml for fields of plain data, in their order; `comments` stand above the field of their name."""
    lines: list[str] = []
    for name, value in fields.items():
        for line in (comments or {}).get(name, "").splitlines():
            lines.append(f"# {line}".rstrip())
        lines += _lines(name, value, "")
    return "\n".join(lines) + "\n"


def write_pack_files(
    folder: Path, exam: str, items: Iterable[Mapping[str, Any]], sources: str, *, must_load: bool = True
) -> None:
    """Write exam.yaml, items.jsonl and SOURCES.md into a folder that is new or empty.

    The folder appears whole, and with `must_load` only if the pack loads; a failure leaves nothing behind. Raises
    WrongUse naming the pack's faults, or that the folder is there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongUse("is there already", where=str(folder), hint="name a folder that is not there yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        rows = [json.dumps(item, ensure_ascii=False) for item in items]
        for name, text in (
            ("exam.yaml", exam),
            ("items.jsonl", "\n".join(rows) + "\n"),
            ("SOURCES.md", sources),
        ):
            (made / name).write_text(text, encoding="utf-8")
        if must_load:
            _check(made, folder)
        made.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    except OSError as error:
        raise WrongUse(
            f"cannot be written ({error.strerror})", where=str(folder), hint="name another folder"
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _check(made: Path, folder: Path) -> None:
    try:
        load_pack(made)
    except WrongUse as error:
        message = error.message.replace(str(made), str(folder))
        where = error.where.replace(str(made), str(folder)) if error.where else ""
        raise WrongUse(message, where=where, hint=error.hint) from error


def _lines(name: str, value: Any, indent: str) -> list[str]:
    flat = f"{indent}{name}: {_flow(value)}"
    if len(flat) <= _WIDTH or not isinstance(value, (dict, list, tuple)) or not value:
        return [flat]
    lines = [f"{indent}{name}:"]
    if isinstance(value, dict):
        for key, inner in value.items():
            lines += _lines(_flow(str(key)), inner, f"{indent}  ")
    else:
        lines += [f"{indent}  - {_flow(inner)}" for inner in value]
    return lines


def _flow(value: Any) -> str:
    """Return a value on one line, as JSON, which is YAML too; plain words stand without quotes."""
    if isinstance(value, str):
        return value if _plain(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(str(key))}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    return json.dumps(value)


def _plain(text: str) -> bool:
    words = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
    return (
        text.isascii()
        and text[:1].isalpha()
        and text.replace("-", "").replace("_", "").isalnum()
        and text.lower() not in words
    )
