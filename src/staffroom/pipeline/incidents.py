"""Incidents of a home: opened, classified, given evidence, closed, each event committed to by the decision log.

Each event is 1. made of what was said and of evidence that is already kept, 2. written as a file that is never changed, 3. logged with a
salted commitment to its bytes. Killed between 2 and 3, the next command on incidents logs it. Evidence is copied into a
content store (`private/incidents/evidence`), so that an event names it by digest, and the log commits to the event.

In the log stand the incident's name, the worker's alias, classes and times; no title, no text, no name of a person or a file.
"""

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from staffroom.ledger import commit
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.records.digests import canonical_json
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.incidents import (
    Clock,
    EventKind,
    IncidentEvent,
    IncidentRule,
    clock_of,
    shipped_rules,
)
from staffroom.store import (
    Database,
    Home,
    ObjectStore,
    PlainModels,
    Releases,
    from_text,
    make_folder,
    to_text,
    utc_now,
    write_durably,
)

__all__ = [
    "Incident",
    "attach_evidence",
    "classify_incident",
    "close_incident",
    "event_files",
    "evidence_store",
    "incident_rules",
    "list_incidents",
    "load_incident",
    "log_key",
    "open_incident",
    "salt_name",
    "show_incident",
]

_NAME = re.compile(r"^inc-[0-9]{8}-[0-9a-f]{6}$")
_AUDIT_ID = re.compile(r"^[A-Za-z0-9_-]{8,80}$")
_MOST_TEXT = 20_000
_CLOCK_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as its events tell it."""

    name: str
    events: tuple[IncidentEvent, ...]

    @property
    def closed(self) -> bool:
        """Whether nothing more may be said of it."""
        return self.events[-1].kind is EventKind.CLOSED

    @property
    def aware(self) -> datetime:
        """When somebody became aware, as was said last."""
        said = [str(each.content["aware"]) for each in self.events if each.content.get("aware")]
        return from_text(said[-1])

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """The clocks of the last classification, with the reports that were attached."""
        found: dict[str, Clock] = {}
        for event in self.events:
            if event.kind is EventKind.CLASSIFIED:
                before = found
                found = {}
                for row in event.content["clocks"]:
                    due = None if row["due"] is None else from_text(row["due"])
                    told = before[row["class"]].reported if row["class"] in before else None
                    found[row["class"]] = Clock(row["class"], row["hours"], due, told)
            elif event.kind is EventKind.EVIDENCE and event.content.get("report") in found:
                name = str(event.content["report"])
                found[name] = found[name].told(from_text(str(event.content["sent"])))
        return tuple(found.values())


def incident_rules(home: Home) -> dict[str, IncidentRule]:
    """Return the classes by id: those that come with Staffroom, with a home's own instead or beside them."""
    rules = {rule.id: rule for rule in shipped_rules()}
    path = home.path / "incident-rules.json"
    if path.exists():
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(rows, list):
                raise ValueError("it must be a list of rules")
            own = [IncidentRule.model_validate(row) for row in rows]
        except (ValueError, ValidationError, OSError) as error:
            raise WrongUse(
                f"the rules for incidents cannot be read: {str(error)[:500]}",
                where=str(path),
                hint="see docs/guides/incidents.md",
            ) from error
        rules |= {rule.id: rule for rule in own}
    return rules


def open_incident(
    home: Home,
    *,
    title: str,
    by: str,
    text: str = "",
    worker: str = "",
    audit_id: str = "",
    aware: datetime | None = None,
) -> dict[str, Any]:
    """Open an incident and return it as `show_incident` does.

    audit_id: an answer's; its record is kept as evidence, and names the worker.  worker: its release is kept as evidence.
    aware: when somebody first knew, now if it is not said.  Raises WrongUse for what is not known here.
    """
    if not 3 <= len(title.strip()) <= 300:
        raise WrongUse(
            "an incident needs a title of 3 to 300 characters", hint="staffroom incident open TITLE"
        )
    now = utc_now()
    aware = _past(aware or now, now, "--aware")
    kept: list[tuple[str, bytes, str]] = []
    release = ""
    if audit_id:
        rows = _duty_rows(home, audit_id)
        kept.append(("duty-record.jsonl", b"".join(line + b"\n" for line, _ in rows), "duty record"))
        said = {name: str(row[name]) for _, row in rows for name in ("alias", "release") if row.get(name)}
        if worker and worker != said.get("alias", worker):
            raise WrongUse(f"{audit_id} is an answer of `{said['alias']}`, not of `{worker}`")
        worker, release = worker or said.get("alias", ""), said.get("release", "")
    if worker:
        manifest, current = _release_of(home, worker, release)
        release = release or current
        if manifest:
            kept.append(("release.json", manifest, "release"))
    with home.ensure().lock("incidents"):
        log_pending(home)
        name = f"inc-{now:%Y%m%d}-{secrets.token_hex(3)}"
        make_folder(_events_folder(home, name), mode=0o700)
        opened = {
            "at": to_text(now),
            "aware": to_text(aware),
            "by": by,
            "title": title.strip(),
            "text": _bounded(text),
            "worker": worker or None,
            "release": release or None,
            "audit_id": audit_id or None,
        }
        _write(home, IncidentEvent(name, 1, EventKind.OPENED, opened))
        log = DecisionLog(home)
        if log.size():
            kept.append(("log-checkpoint.txt", log.checkpoint().encode(), "checkpoint"))
        for number, (file, data, source) in enumerate(kept, 2):
            _write(home, _evidence(home, name, number, file, data, by, source))
        log_pending(home)
    return show_incident(home, name)


def classify_incident(
    home: Home,
    name: str,
    classes: Sequence[str],
    *,
    by: str,
    aware: datetime | None = None,
    due: datetime | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Say of which classes an incident is, all of them; their clocks run from when somebody became aware.

    aware: corrects that moment.  due: the end that a person sets, for classes whose rule sets none.
    """
    rules = incident_rules(home)
    unknown = [each for each in classes if each not in rules]
    if unknown or not classes or len(set(classes)) != len(classes):
        raise WrongUse(
            f"no class of incidents: {', '.join(unknown) or 'none given, or one twice'}; known: {', '.join(rules)}",
            hint="staffroom incident classify --help",
        )
    now = utc_now()

    def event(incident: Incident) -> IncidentEvent:
        start = incident.aware if aware is None else _past(aware, now, "--aware")
        clocks = [clock_of(rules[each], start, due) for each in classes]
        content = {
            "at": to_text(now),
            "by": by,
            "aware": None if aware is None else to_text(start),
            "note": _bounded(note),
            "clocks": [
                {
                    "class": clock.rule,
                    "hours": clock.hours,
                    "due": None if clock.due is None else to_text(clock.due),
                    "title": rules[clock.rule].title,
                    "source": rules[clock.rule].source,
                    "status": rules[clock.rule].status,
                    "as_of": rules[clock.rule].as_of.isoformat(),
                }
                for clock in clocks
            ],
        }
        return IncidentEvent(incident.name, len(incident.events) + 1, EventKind.CLASSIFIED, content)

    return _say(home, name, event)


def attach_evidence(
    home: Home,
    name: str,
    paths: Iterable[Path],
    *,
    by: str,
    note: str = "",
    report: str = "",
    sent: datetime | None = None,
) -> dict[str, Any]:
    """Copy files into the incident, where they can no longer change.

    report: the class whose clock this stops, because these files are what was reported.  sent: when, now if it is not said.
    """
    now = utc_now()
    if sent is not None and not report:
        raise WrongUse("--sent says when a report was sent: say which with --report CLASS")
    told = _past(sent or now, now, "--sent") if report else None
    files = list(paths)
    for path in files:
        if not path.is_file():
            raise WrongUse("not a file that can be read", where=str(path), hint="attach files, one by one")
    if not files:
        raise WrongUse("no file was named", hint="staffroom incident attach INCIDENT FILE")
    digests = [(path, evidence_store(home.ensure()).put_file(path)) for path in files]
    for path, digest in digests:

        def event(incident: Incident, path: Path = path, digest: str = digest) -> IncidentEvent:
            if report and report not in [clock.rule for clock in incident.clocks]:
                raise WrongUse(
                    f"{incident.name} is not of class `{report}`",
                    hint=f"staffroom incident classify {incident.name} {report}",
                )
            content = _content(home, path.name, digest, by, "file", _bounded(note))
            content |= {"report": report or None, "sent": None if told is None else to_text(told)}
            return IncidentEvent(incident.name, len(incident.events) + 1, EventKind.EVIDENCE, content)

        shown = _say(home, name, event)
    return shown


def close_incident(home: Home, name: str, *, by: str, note: str, unreported: str = "") -> dict[str, Any]:
    """Close an incident: nothing more is said of it afterwards.

    unreported: why nothing was reported to a class whose clock still runs; without a word it stays open.
    """
    if len(note.strip()) < 3:
        raise WrongUse("say what came of it", hint="staffroom incident close INCIDENT --note TEXT")

    def event(incident: Incident) -> IncidentEvent:
        runs = [clock.rule for clock in incident.clocks if clock.runs]
        if runs and not unreported.strip():
            raise WrongUse(
                f"{incident.name}: nothing was reported yet to {', '.join(runs)}",
                hint=f"staffroom incident attach {incident.name} REPORT --report {runs[0]}, or say why not with --unreported",
            )
        content = {
            "at": to_text(utc_now()),
            "by": by,
            "note": _bounded(note),
            "unreported": {"classes": runs, "why": _bounded(unreported)} if runs else None,
        }
        return IncidentEvent(incident.name, len(incident.events) + 1, EventKind.CLOSED, content)

    return _say(home, name, event)


def list_incidents(home: Home) -> list[dict[str, Any]]:
    """Return the incidents of a home, those whose report is due first on top, closed ones last."""
    rows = [show_incident(home, name) for name in _names(home)]
    return sorted(rows, key=lambda row: (row["state"] == "closed", row["next_due"] or "~", row["opened"]))


def show_incident(home: Home, name: str) -> dict[str, Any]:
    """Return all that is kept of one incident; times in UTC, and the seconds left of each clock."""
    incident, now = load_incident(home, name), utc_now()
    rules = incident_rules(home)
    opened = incident.events[0].content
    clocks = [_clock_row(clock, rules.get(clock.rule), now) for clock in incident.clocks]
    return {
        "incident": incident.name,
        "title": opened["title"],
        "text": opened["text"],
        "state": "closed" if incident.closed else "open",
        "opened": opened["at"],
        "by": opened["by"],
        "aware": to_text(incident.aware),
        "worker": opened["worker"],
        "release": opened["release"],
        "audit_id": opened["audit_id"],
        "clocks": clocks,
        "next_due": min((row["due"] for row in clocks if row["runs"]), default=None),
        "evidence": [
            {"number": event.number, **event.content}
            for event in incident.events
            if event.kind is EventKind.EVIDENCE
        ],
        "events": [
            {"number": event.number, "kind": event.kind.value, **event.content} for event in incident.events
        ],
    }


def load_incident(home: Home, name: str) -> Incident:
    """Return an incident by its name or an unmistakable beginning of it; raises WrongUse where there is none."""
    names = _names(home)
    found = [each for each in names if each == name] or [each for each in names if each.startswith(name)]
    if len(found) != 1 or not name:
        known = ", ".join(names[-5:]) or "none"
        raise WrongUse(
            f"no incident is called `{name[:80]}` (there are: {known})", hint="staffroom incident list"
        )
    events = []
    for path in event_files(home, found[0]):
        try:
            value = json.loads(path.read_bytes())
            kind = EventKind(value.pop("kind"))
            events.append(IncidentEvent(value.pop("incident"), int(value.pop("number")), kind, value))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StaffroomError(
                "an event of this incident was damaged",
                where=str(path),
                hint=f"staffroom incident verify {found[0]}; then restore it from a backup",
            ) from error
    if not events or events[0].kind is not EventKind.OPENED:
        raise StaffroomError(
            "this incident has no beginning any more",
            where=str(_events_folder(home, found[0])),
            hint="restore private/ from a backup",
        )
    return Incident(found[0], tuple(events))


def event_files(home: Home, name: str) -> list[Path]:
    """Return the files of an incident's events, oldest first."""
    return sorted(_events_folder(home, name).glob("[0-9][0-9][0-9][0-9]-*.json"))


def evidence_store(home: Home) -> ObjectStore:
    """Return where evidence is kept, by digest."""
    return ObjectStore(home.private / "incidents" / "evidence")


def log_key(name: str, number: int) -> str:
    """Return the key of an event's entry in the log."""
    return f"incident:{name}:{number}"


def salt_name(name: str, number: int) -> str:
    """Return the name under which the salt of an event's commitment is kept."""
    return f"incident:{name}:{number}"


def log_pending(home: Home) -> int:
    """Log the events that are not in the log yet, in their order; returns how many."""
    log = DecisionLog(home)
    known = {item.entry.get("key") for item in log.entries()}
    logged = 0
    for name in _names(home):
        if all(log_key(name, int(path.name[:4])) in known for path in event_files(home, name)):
            continue
        for event in load_incident(home, name).events:
            if log_key(name, event.number) not in known:
                _log(log, event)
                logged += 1
    return logged


def _say(home: Home, name: str, event: Any) -> dict[str, Any]:
    """Add the event that `event` makes of the incident as it is now."""
    with home.ensure().lock("incidents"):
        log_pending(home)
        incident = load_incident(home, name)
        if incident.closed:
            raise WrongUse(
                f"{incident.name} is closed: nothing more is said of it", hint="staffroom incident open TITLE"
            )
        _write(home, event(incident))
        log_pending(home)
    return show_incident(home, incident.name)


def _write(home: Home, event: IncidentEvent) -> None:
    write_durably(_events_folder(home, event.incident) / event.file_name, event.data, mode=0o400)


def _log(log: DecisionLog, event: IncidentEvent) -> None:
    salt = log.kept_salt(salt_name(event.incident, event.number))
    content = event.content
    body: dict[str, Any] = {
        "incident": event.incident,
        "number": event.number,
        "commitment": commit(event.data, salt),
        "by": log.commitment_to("person", str(content["by"])),
    }
    if event.kind is EventKind.OPENED:
        body |= {"aware": content["aware"], "alias": content["worker"]}
    elif event.kind is EventKind.CLASSIFIED:
        rows = [{name: row[name] for name in ("class", "hours", "due")} for row in content["clocks"]]
        body |= {"aware": content["aware"], "clocks": rows}
    elif event.kind is EventKind.EVIDENCE:
        body |= {"report": content.get("report"), "sent": content.get("sent")}
    log.append(f"incident-{event.kind.value}", log_key(event.incident, event.number), "", body)


def _evidence(
    home: Home, name: str, number: int, file: str, data: bytes, by: str, source: str
) -> IncidentEvent:
    digest = evidence_store(home).put_bytes(data)
    content = _content(home, file, digest, by, source, "")
    return IncidentEvent(name, number, EventKind.EVIDENCE, {**content, "report": None, "sent": None})


def _content(home: Home, file: str, digest: str, by: str, source: str, note: str) -> dict[str, Any]:
    size = evidence_store(home).path(digest).stat().st_size
    return {
        "at": to_text(utc_now()),
        "by": by,
        "name": file,
        "digest": digest,
        "bytes": size,
        "source": source,
        "note": note,
    }


def _clock_row(clock: Clock, rule: IncidentRule | None, now: datetime) -> dict[str, Any]:
    return {
        "class": clock.rule,
        "title": rule.title if rule else clock.rule,
        "title_zh": rule.title_zh if rule else "",
        "hours": clock.hours,
        "due": None if clock.due is None else to_text(clock.due),
        "left_seconds": round((clock.due - now).total_seconds()) if clock.due is not None else None,
        "reported": None if clock.reported is None else to_text(clock.reported),
        "late": clock.late,
        "runs": clock.runs,
        "source": rule.source if rule else "",
        "status": rule.status if rule else "",
        "note": rule.note if rule else "",
        "note_zh": rule.note_zh if rule else "",
        "review_by": rule.review_by.isoformat() if rule else "",
        "out_of_date": rule is None or rule.review_by <= now.date(),
    }


def _duty_rows(home: Home, audit_id: str) -> list[tuple[bytes, Mapping[str, Any]]]:
    """Return every line of the duty log about one answer, as bytes and as read; its words are among them."""
    rows: list[tuple[bytes, Mapping[str, Any]]] = []
    sought = audit_id.encode() if _AUDIT_ID.match(audit_id) else b""
    for path in sorted((home.private / "duty").rglob("*.jsonl")) if sought else []:
        with path.open("rb") as lines:
            for line in lines:
                if sought not in line:
                    continue
                try:
                    value = json.loads(line)
                except ValueError:
                    continue  # half a line that a power loss left
                if isinstance(value, dict) and value.get("audit_id") == audit_id:
                    rows.append((line.rstrip(b"\n"), value))
    if not rows:
        raise WrongUse(
            f"no answer with the audit id `{audit_id[:80]}` is on record here",
            hint="it stands in the answer's header x-staffroom-audit",
        )
    return rows


def _release_of(home: Home, worker: str, release: str) -> tuple[bytes, str]:
    """Return the manifest of a worker's release, or of a plain model, and its digest.

    release: the digest that a record names; its manifest is left out where the index cannot give it.
    """
    try:
        found = _manifest(home, worker, release) if home.database.exists() else None
    except StaffroomError:
        if not release:
            raise
        found = None  # an index that cannot be read must not keep an incident from being opened
    if found is None and not release:
        raise WrongUse(f"no worker is released as `{worker}`", hint="staffroom workers")
    return found or (b"", "")


def _manifest(home: Home, worker: str, release: str) -> tuple[bytes, str] | None:
    with Database(home.database) as database:
        releases, plain = Releases(database), PlainModels(database).get(worker)
        found = next((each for each in releases.of(worker) if each.digest == release), None)
        found = found or (None if release else releases.current(worker))
    if found is not None:
        return canonical_json(found.as_json()), found.digest
    if plain is not None and release in ("", plain.model.digest):
        return canonical_json(plain.model.as_json()), plain.model.digest
    return None


def _names(home: Home) -> list[str]:
    folder = home.private / "incidents"
    if not folder.is_dir():
        return []
    return sorted(
        path.name for path in folder.iterdir() if _NAME.match(path.name) and event_files(home, path.name)
    )


def _events_folder(home: Home, name: str) -> Path:
    return home.private / "incidents" / name / "events"


def _past(moment: datetime, now: datetime, what: str) -> datetime:
    if moment.tzinfo is None or moment > now + timedelta(seconds=_CLOCK_SKEW_SECONDS):
        raise WrongUse(f"{what}: {moment:%Y-%m-%d %H:%M} has not come yet", hint="a time that has been")
    return moment


def _bounded(text: str) -> str:
    if len(text) > _MOST_TEXT:
        raise WrongUse(f"a text of at most {_MOST_TEXT} characters", hint="attach a long text as a file")
    return text.strip()
