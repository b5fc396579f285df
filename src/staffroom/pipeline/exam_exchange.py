"""Exam packs from outside and evaluations to outside: import, a first pack in plain words, export.

What an import reads comes from strangers, and nothing in it is run. What an export gives of single items is what may
be shown: the screen split, and a gate that was retired; of all others, sums.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from staffroom import __version__
from staffroom.evaluate import ExamPack, check_pack, load_pack
from staffroom.evaluate.drafting import PlainItem, lines_of, plain_item, wording_of, write_new_pack
from staffroom.evaluate.exporting import (
    Exported,
    ExportedItem,
    every_eval_record,
    inspect_archive,
    inspect_log,
)
from staffroom.evaluate.importing import Imported, import_lm_eval_task, import_questions, make_pack, pack_name
from staffroom.pipeline.alpha import may_be_shown
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.examined import evaluation_called
from staffroom.pipeline.exams import check_exam
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Split
from staffroom.records.job_description import JobDescription
from staffroom.records.protocols import Progress
from staffroom.records.rows import read_json_rows
from staffroom.records.source_file import read_yaml_model
from staffroom.records.source_text import read_source
from staffroom.store import Database, Evaluations, Home, KeptEvaluation, Responses, write_durably

__all__ = [
    "ImportOptions",
    "JobFacts",
    "easy_kinds",
    "export_evaluation",
    "facts_of_job",
    "fault_of_question",
    "import_exam",
    "new_exam",
    "read_plain_items",
]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a source is read; see `import_questions` and `import_lm_eval_task`.

    data: files by split.  columns: column names by role.
    """

    locale: str
    name: str = ""
    skip: bool = False
    encoding: str = ""
    delimiter: str = ""
    answers_from: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    filter_name: str = ""
    shots: int | None = None
    for_worker: bool = False


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a job description says about the exam that it needs."""

    name: str
    locale: str
    documents: tuple[Path, ...]


def import_exam(source: Path, folder: Path, options: ImportOptions) -> dict[str, Any]:
    """Make a pack of a table, JSON lines or a task file of lm-eval; raises WrongUse naming what is not supported."""
    if not source.is_file():
        raise WrongUse("there is no such file", where=str(source), hint="staffroom exam import FILE FOLDER")
    imported = _read(source, options)
    pack = make_pack(
        imported, folder, name=pack_name(options.name) if options.name else "", skip=options.skip
    )
    return {
        "folder": str(folder),
        "pack": pack.digest,
        "name": pack.name,
        "locale": pack.locale,
        "items": len(pack.items),
        "left_out": [{"line": left.line, "reason": left.reason} for left in imported.left],
        "repeated": len(imported.items) - len(pack.items),
        "asking": imported.asking,
        "notes": list(imported.notes),
        "details": dict(imported.details),
        "findings": _findings(pack),
    }


def facts_of_job(path: Path) -> JobFacts:
    """Return locale and documents of a job description; raises WrongUse with its faults."""
    job = read_yaml_model(path, JobDescription, hint="mend the file; `staffroom schema job` lists the fields")
    folder = path.absolute().parent
    return JobFacts(job.name, job.locale, tuple(folder / document.path for document in job.documents))


def easy_kinds(locale: str) -> list[str]:
    """Return the kinds of questions that can be written in a locale without knowing patterns."""
    return [kind.value for kind in wording_of(locale).kinds]


def read_plain_items(path: Path) -> list[dict[str, Any]]:
    """Return the plain questions of a file of JSON lines, not yet checked; raises WrongUse naming the line."""
    return [row.values for row in read_json_rows(read_source(path))]


def fault_of_question(item: Mapping[str, Any], locale: str) -> str:
    """Return what is wrong with a plain question, empty where nothing is."""
    try:
        lines_of([plain_item(item, "")], locale)
    except WrongUse as error:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return ""


def new_exam(
    folder: Path,
    name: str,
    locale: str,
    items: Sequence[Mapping[str, Any]],
    documents: Sequence[Path],
    progress: Progress,
) -> dict[str, Any]:
    """Write a pack of plain questions and say what it still lacks.

    items: kind, question, options, answer, also, never, source, note.  documents: what a worker may find, to look for
    questions that give themselves away. A pack that is too small to be loaded is written all the same.
    """
    plain: list[PlainItem] = [plain_item(item, f"question {number}") for number, item in enumerate(items, 1)]
    planned = write_new_pack(folder, pack_name(name), locale, plain)
    value: dict[str, Any] = {
        "folder": str(folder),
        "name": pack_name(name),
        "locale": locale,
        "items": len(plain),
        "facets": [facet.as_json() for facet in planned],
        "findings": [],
        "loads": True,
        "missing": "",
    }
    try:
        return {**value, "findings": check_exam(folder, documents, progress)["findings"]}
    except WrongUse as error:
        return {**value, "loads": False, "missing": error.message}


def export_evaluation(
    home: Home,
    evaluation: str,
    to: str,
    file: Path,
    *,
    folder: Path | None = None,
    organisation: str = "",
) -> dict[str, Any]:
    """Write an evaluation in another program's form.

    to: `inspect` (FILE ends in .json or .eval) or `eee` (FILE is a .json, or a folder that gets the data store's
    paths).  folder: the pack, without which there are sums only.  Raises WrongUse where it is not the pack examined.
    """
    if not home.database.is_file():
        raise WrongUse(
            "nothing was examined here yet", where=str(home.path), hint="staffroom exam run WORKER PACK"
        )
    with Database(home.database) as database:
        kept = _kept(Evaluations(database), evaluation)
        exported, why = _exported(home, database, kept, folder, organisation)
    files = _written(exported, to, file)
    return {
        "evaluation": kept.digest,
        "to": to,
        "files": [str(path) for path in files],
        "split": kept.split,
        "items": len(exported.items),
        "sums_only": why,
    }


def _kept(evaluations: Evaluations, name: str) -> KeptEvaluation:
    digest = evaluation_called(name, evaluations.digests())
    kept = evaluations.get(digest) if digest is not None else None
    if kept is None:
        raise WrongUse(
            f"no evaluation {name} is kept here", hint="staffroom log show names evaluations by their digest"
        )
    return kept


def _read(source: Path, options: ImportOptions) -> Imported:
    if source.suffix.lower() in (".yaml", ".yml") or source.name.endswith("_yaml"):
        return import_lm_eval_task(
            source,
            locale=options.locale,
            data=options.data,
            filter_name=options.filter_name,
            shots=options.shots,
            for_worker=options.for_worker,
        )
    if options.data or options.filter_name or options.shots is not None or options.for_worker:
        raise WrongUse(
            "--data, --filter, --shots and --for-worker are for task files of lm-eval",
            where=str(source),
            hint="leave them out",
        )
    return import_questions(
        source,
        locale=options.locale,
        encoding=options.encoding,
        delimiter=options.delimiter,
        answers_from=options.answers_from,
        columns=options.columns,
        name=options.name,
    )


def _findings(pack: ExamPack) -> list[dict[str, Any]]:
    return [
        {
            "severity": finding.severity.value,
            "item": finding.item,
            "line": pack.lines.get(finding.item),
            "text": finding.text,
        }
        for finding in check_pack(pack)
    ]


def _exported(
    home: Home, database: Database, kept: KeptEvaluation, folder: Path | None, organisation: str
) -> tuple[Exported, str]:
    pack = None if folder is None else load_pack(folder)
    if pack is not None and pack.digest != kept.pack:
        raise WrongUse(
            "this is not the pack that was examined (its digest differs)",
            where=str(folder),
            hint="name the folder as it was then",
        )
    items: tuple[ExportedItem, ...] = ()
    why = "" if pack is not None else "the pack was not named (--pack FOLDER)"
    if pack is not None:
        if Split(kept.split) in may_be_shown(home, pack):
            items = _items(pack, kept, Responses(database))
        else:
            why = f"answers of the {kept.split} split are not shown until it is retired"
    value = kept.value
    return Exported(
        evaluation=kept.digest,
        agent=kept.agent,
        pack=kept.pack,
        pack_name=pack.name if pack is not None else f"pack-{kept.pack[7:19]}",
        locale=pack.locale if pack is not None else "",
        split=kept.split,
        seed=kept.seed,
        model=_name_of(home, kept),
        created=kept.created,
        exported=datetime.now(UTC),
        organisation=organisation or "not stated",
        version=__version__,
        tokens_in=int(value["tokens_in"]),
        tokens_out=int(value["tokens_out"]),
        facets=tuple(value["facets"]),
        items=items,
    ), why


def _items(pack: ExamPack, kept: KeptEvaluation, sink: Responses) -> tuple[ExportedItem, ...]:
    scores = {str(score["item_id"]): score for score in kept.value["scores"]}
    rows: list[ExportedItem] = []
    for item in pack.items_of(Split(kept.split)):
        response = sink.get(kept.agent, item.digest, kept.seed)
        if item.id in scores and response is not None:
            rows.append(ExportedItem(item, response, scores[item.id]))
    return tuple(rows)


def _name_of(home: Home, kept: KeptEvaluation) -> str:
    """Return what the log calls the agent: the alias of a worker, else the beginning of its digest."""
    for rehearsal in (False, True):
        for entry in DecisionLog(home, rehearsal=rehearsal).entries():
            body = entry.entry.get("body")
            if isinstance(body, dict) and body.get("agent") == kept.agent:
                name = body.get("alias") or body.get("candidate")
                if name:
                    return str(name)
    return f"agent-{kept.agent[7:19]}"


def _written(exported: Exported, to: str, file: Path) -> list[Path]:
    if to == "inspect":
        if file.suffix not in (".json", ".eval"):
            raise WrongUse("Inspect's logs end in .json or .eval", where=str(file), hint=f"{file.stem}.eval")
        content = (
            inspect_archive(exported)
            if file.suffix == ".eval"
            else json.dumps(inspect_log(exported), ensure_ascii=False, indent=2).encode()
        )
        return [_put(file, content)]
    record = every_eval_record(exported)
    place = file if file.suffix == ".json" else file / record.path
    written = [_put(place, record.record.encode())]
    if record.samples:
        written.append(_put(place.with_name(f"{place.stem}_samples.jsonl"), record.samples.encode()))
    return written


def _put(path: Path, content: bytes) -> Path:
    if path.exists():
        raise WrongUse(
            "is there already, and nothing is overwritten", where=str(path), hint="name another file"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, content)
    except OSError as error:
        raise WrongUse(
            f"cannot be written ({error.strerror})", where=str(path), hint="name another file"
        ) from error
    return path
