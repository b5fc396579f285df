"""An incident checked where it is kept, and handed on: one folder or zip that can be checked without Staffroom.

What is handed on holds everything that is known of the incident, names and words too: it is for those who may know.
"""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from staffroom.ledger import opens, verify, verify_incident, write_proof
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.incidents import (
    event_files,
    evidence_store,
    incident_rules,
    load_incident,
    log_key,
    log_pending,
    salt_name,
    show_incident,
)
from staffroom.records.digests import canonical_json
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.incidents import EventKind
from staffroom.store import Home

__all__ = ["export_incident", "verify_incident_kept"]

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def verify_incident_kept(home: Home, name: str) -> dict[str, Any]:
    """Check every event and piece of evidence of an incident against the log; returns {"incident", "ok", "problems", ...}."""
    incident = _name_of(home, name)
    log = DecisionLog(home)
    store = evidence_store(home)
    logged = {str(item.entry.get("key")): item.entry for item in log.entries()}
    problems: list[dict[str, str]] = []
    numbers: set[int] = set()
    pieces = 0

    def wrong(where: Path | str, what: str) -> None:
        problems.append({"where": str(where), "what": what})

    for path in event_files(home, incident):
        number, data = int(path.name[:4]), path.read_bytes()
        numbers.add(number)
        entry = logged.get(log_key(incident, number))
        salt = log.salt(salt_name(incident, number))
        if entry is None:
            wrong(path, "the log has no entry about this event yet")
        elif salt is None:
            wrong(path, "its salt was erased: what the log committed to cannot be shown any more")
        elif not opens(str(entry["body"].get("commitment")), data, salt):
            wrong(path, "not what the log committed to: it was changed")
        try:
            value = orjson.loads(data)
            if value["kind"] == EventKind.EVIDENCE:
                pieces += 1
                store.verified_path(str(value["digest"]))
        except StaffroomError as error:
            wrong(error.where or path, error.message)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            wrong(path, "not an event")
    for key, entry in logged.items():
        body = entry.get("body", {})
        if body.get("incident") == incident and body.get("number") not in numbers:
            wrong(key, "the log knows this event, and it is not kept here any more")
    report = log.verify()
    problems += [{"where": each.where, "what": each.what} for each in report.problems]
    return {
        "incident": incident,
        "ok": not problems,
        "events": len(numbers),
        "evidence": pieces,
        "problems": problems,
    }


def export_incident(home: Home, name: str, target: Path) -> dict[str, Any]:
    """Write an incident as a folder, or as a zip where the name ends so; returns what was written.

    Raises WrongUse where the target is there already, StaffroomError where the incident is not what the log says.
    """
    incident = _name_of(home, name)
    with home.ensure().lock("incidents"):
        log_pending(home)
        checked = verify_incident_kept(home, incident)
        if not checked["ok"]:
            first = checked["problems"][0]
            raise StaffroomError(
                f"this incident is not what the log says: {first['what']}",
                where=first["where"],
                hint=f"staffroom incident verify {incident}",
            )
        if target.exists():
            raise WrongUse("there is something already", where=str(target), hint="name another place")
        with _staged(target) as folder:
            count = _write_folder(home, incident, folder)
            if target.suffix == ".zip":
                _zip(folder, target, incident)
            else:
                folder.rename(target)
    keys = list(DecisionLog(home).keys().vkeys)
    return {"incident": incident, "path": str(target), "files": count, "verifier_keys": keys}


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Give a folder beside the target that is removed whatever happens, unless it was renamed."""
    parent = target.absolute().parent
    if not parent.is_dir():
        raise WrongUse("there is no such folder", where=str(parent), hint=f"mkdir -p {parent}")
    with TemporaryDirectory(prefix=".incident-", dir=parent) as holder:
        folder = Path(holder) / "incident"
        folder.mkdir(mode=0o700)
        yield folder


def _write_folder(home: Home, incident: str, folder: Path) -> int:
    log, store = DecisionLog(home), evidence_store(home)
    items = {str(item.entry.get("key")): item for item in log.entries()}
    for part in ("events", "evidence", "log"):
        (folder / part).mkdir()
    commitments: list[dict[str, Any]] = []
    for path in event_files(home, incident):
        number, data = int(path.name[:4]), path.read_bytes()
        (folder / "events" / path.name).write_bytes(data)
        event, item = orjson.loads(data), items[log_key(incident, number)]
        if event["kind"] == EventKind.EVIDENCE:
            kept = folder / "evidence" / f"{number:04d}-{_plain(str(event['name']))}"
            kept.write_bytes(store.get(str(event["digest"])))
        entry, receipt = f"log/{number:04d}-entry.json", f"log/{number:04d}.tlog-proof"
        (folder / entry).write_bytes(canonical_json(item.entry))
        (folder / receipt).write_text(write_proof(log.folder, item.index), encoding="utf-8")
        salt = base64.b64encode(log.salt(salt_name(incident, number)) or b"").decode()
        commitments.append({"number": number, "salt": salt, "entry": entry, "receipt": receipt})
    _json(folder / "commitments.json", commitments)
    _json(folder / "incident.json", show_incident(home, incident))
    _json(folder / "rules.json", [rule.model_dump(mode="json") for rule in incident_rules(home).values()])
    (folder / "log" / "verifier-keys.txt").write_text("\n".join(log.keys().vkeys) + "\n", encoding="utf-8")
    for module in (verify, verify_incident):
        source = Path(str(module.__file__))
        (folder / source.name).write_bytes(source.read_bytes())
    (folder / "README.txt").write_text(_README, encoding="utf-8")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    return len(names) + 1


def _zip(folder: Path, target: Path, incident: str) -> None:
    partial = folder.parent / "incident.zip"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                place = zipfile.ZipInfo(f"{incident}/{path.relative_to(folder).as_posix()}", _ZIP_TIME)
                place.compress_type, place.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
                archive.writestr(place, path.read_bytes())
    partial.chmod(0o600)
    partial.rename(target)


def _name_of(home: Home, name: str) -> str:
    """Return the whole name; an incident whose events cannot be read has one too."""
    folder = home.private / "incidents"
    found = [path.name for path in folder.glob("inc-*") if path.name == name]
    return found[0] if found else load_incident(home, name).name


def _plain(name: str) -> str:
    """Return a file's name that is one on every system."""
    kept = "".join(char if char.isalnum() or char in "._-" else "_" for char in name)
    return kept.encode()[:120].decode("utf-8", "ignore").lstrip(".") or "file"


def _json(path: Path, value: Any) -> None:
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")


_README = """\
An incident, as Staffroom kept it. It may hold personal data: hand it only to those who may know.

  sha256sum -c SHA256SUMS                              no file was changed
  python3 verify_incident.py . --vkey KEY --vkey KEY   and it is what the log committed to

Get the log's keys over another channel than this folder (log/verifier-keys.txt says which they are here).

  incident.json      the whole, to be read
  events/            what was said, one file an event, as the log commits to it
  evidence/          what was attached, by the number of its event
  commitments.json   the salts that open the log's commitments
  log/               entries of the log and their receipts
  rules.json         the rules by which clocks were set, with sources

這是 Staffroom 保存的事件檔案，可能含有個人資料，請只交給有權知悉的人。

  sha256sum -c SHA256SUMS                              確認檔案都沒有被改過
  python3 verify_incident.py . --vkey KEY --vkey KEY   再確認內容與紀錄當初的承諾相符

紀錄的金鑰請另外向對方確認，不要只看這個資料夾裡的 log/verifier-keys.txt。
"""
