"""Everything that a machine without the internet needs, in one folder: wheels, models, how to install, and the digest of each file.

Only wheels that the lock file lists go in, each with a hash that it lists, and all of them must be there; a line with a condition (another
system) may be without one. Models are hashed again. The folder gets its name at the end: whole or not there.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from staffroom import recruit
from staffroom.records.digests import digest_bytes, digest_file
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.protocols import Progress
from staffroom.recruit.cache import model_path
from staffroom.store import Home, disk_error, make_folder, staging, sync_folder

__all__ = ["make_bundle"]

_BLOCK_BYTES = 1 << 20
_DOCUMENTS: Mapping[str, str] = {
    "INSTALL.md": "INSTALL.md",
    "INSTALL.zh-TW.md": "INSTALL.zh-TW.md",
    "install.sh": "install.sh.txt",
}
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;[^\\]*)?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class _Pin:
    """A line of the lock file; `conditional` ones may have no wheel for this system."""

    name: str
    version: str
    hashes: frozenset[str]
    conditional: bool


def make_bundle(
    home: Home, target: Path, wheels: Path, requirements: Path, models: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """Make the folder `target` and return what is in it, with the digest of its `SHA256SUMS`.

    wheels: a folder that pip downloaded into, with the wheel of Staffroom itself.  requirements: the lock file, with hashes.
    models: ids of this home, or of starters that lie in the machine-wide folder. Raises WrongUse where something is missing.
    """
    target = target.absolute()
    if os.path.lexists(target):
        raise WrongUse("is there already", where=str(target), hint="name a folder that is not there yet")
    pins = _pins(requirements)
    chosen, left = _choose(wheels, pins)
    files = {f"wheels/{path.name}": path for path in chosen}
    rows = []
    for name in models:
        path, row = _model(home, name)
        files[f"models/{row['digest'].removeprefix('sha256:')}.gguf"] = path
        rows.append(row)
    make_folder(target.parent)
    sums: dict[str, str] = {}
    progress.stage("bundling", len(files))
    try:
        with staging(target) as stage:
            made = stage / "bundle"
            for name, path in files.items():
                sums[name] = _copy(path, made / name)
                progress.advance(1, name)
            texts = {name: _document(kept) for name, kept in _DOCUMENTS.items()}
            texts["requirements.txt"] = requirements.read_bytes()
            texts["models.json"] = json.dumps(rows, ensure_ascii=False, indent=1).encode() + b"\n"
            for name, data in texts.items():
                _write(made / name, data)
                sums[name] = hashlib.sha256(data).hexdigest()
            listing = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
            _write(made / "SHA256SUMS", listing)
            for folder in (made / "wheels", made / "models", made):
                if folder.is_dir():
                    sync_folder(folder)
            made.rename(target)
            sync_folder(target.parent)
    except OSError as error:
        raise disk_error(error, Path(error.filename or target)) from error
    return {
        "folder": str(target),
        "sums": digest_bytes(listing),
        "wheels": len(chosen),
        "models": rows,
        "bytes": sum(path.stat().st_size for path in files.values()),
        "wheels_left_out": left,
        "without_wheel": sorted(
            pin.name for pin in pins.values() if pin.conditional and not _wheel_of(pin, chosen)
        ),
    }


def _pins(requirements: Path) -> dict[str, _Pin]:
    try:
        text = requirements.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(
            f"the lock file cannot be read ({error})", where=str(requirements), hint="staffroom bundle --help"
        ) from error
    pins: dict[str, _Pin] = {}
    joined = re.sub(r"\\\r?\n", " ", text)
    for number, line in enumerate(joined.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found, hashes = _REQUIREMENT.match(line), frozenset(_HASH.findall(line))
        if found is None or not hashes:
            raise WrongUse(
                f"not a package with its version and hashes: {line[:60]}",
                where=f"{requirements} (line {number} of its packages)",
                hint="give a lock file with hashes, such as requirements/run.txt",
            )
        # A universal lock file has one line a system where versions differ: any of them may be the one for this system.
        name = _plain(found[1])
        before = pins.get(f"{name}=={found[2]}")
        conditional = bool(found[3]) and (before is None or before.conditional)
        pins[f"{name}=={found[2]}"] = _Pin(name, found[2], hashes, conditional)
    return pins


def _choose(folder: Path, pins: Mapping[str, _Pin]) -> tuple[list[Path], list[str]]:
    """Return the wheels that the lock file lists, with Staffroom's own, and the names of those that it does not."""
    chosen: list[Path] = []
    left: list[str] = []
    if not folder.is_dir():
        raise WrongUse("this is no folder with wheels", where=str(folder), hint="staffroom bundle --help")
    own = [path for path in sorted(folder.glob("*.whl")) if path.name.startswith("staffroom-")]
    if len(own) != 1:
        raise WrongUse(
            f"there must be one wheel of Staffroom itself, and there are {len(own)}",
            where=str(folder),
            hint=f"python3 -m pip wheel --no-deps -w {folder} . (in the source folder)",
        )
    for path in sorted(folder.glob("*.whl")):
        pin = pins.get("==".join(_parts(path)))
        if path in own:
            chosen.append(path)
        elif pin is None:
            left.append(path.name)
        elif digest_file(path).removeprefix("sha256:") not in pin.hashes:
            raise StaffroomError(
                "this wheel has none of the hashes that the lock file lists",
                where=str(path),
                hint="fetch it again",
            )
        else:
            chosen.append(path)
    missing = [
        f"{pin.name}=={pin.version}"
        for pin in pins.values()
        if not pin.conditional and not _wheel_of(pin, chosen)
    ]
    if missing:
        raise WrongUse(
            f"wheels are missing: {', '.join(missing)}",
            where=str(folder),
            hint=f"python3 -m pip download --require-hashes --only-binary :all: -r requirements/run.txt -d {folder}",
        )
    return chosen, left


def _wheel_of(pin: _Pin, wheels: Sequence[Path]) -> bool:
    return any(_parts(path) == (pin.name, pin.version) for path in wheels)


def _parts(path: Path) -> tuple[str, str]:
    name, _, rest = path.name.partition("-")
    return _plain(name), rest.partition("-")[0]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _model(home: Home, name: str) -> tuple[Path, dict[str, Any]]:
    for entry in recruit.list_models(home.path) if home.models.is_dir() else ():
        model = entry.candidate.model
        if entry.id == name and model is not None:
            path = recruit.file_of(home.path, entry.candidate)
            facts = {
                "id": name,
                "digest": model.digest,
                "bytes": model.bytes,
                "license": model.license,
                "maker": model.maker,
            }
            break
    else:
        starter = next((each for each in recruit.load_catalogue() if each.id == name), None)
        if starter is None:
            raise WrongUse(f"there is no model {name!r} here", hint="staffroom models list")
        path = model_path(starter.digest)
        facts = {
            "id": name,
            "digest": starter.digest,
            "bytes": starter.bytes,
            "license": starter.license,
            "maker": starter.maker,
        }
    if not path.is_file():
        raise WrongUse(f"the file of {name} is not on this machine", hint=f"staffroom models get {name}")
    if digest_file(path) != facts["digest"]:
        raise StaffroomError(
            f"the file of {name} was changed", where=str(path), hint="staffroom models check"
        )
    return path, facts


def _document(name: str) -> bytes:
    return resources.files("staffroom.pipeline").joinpath("bundled", name).read_bytes()


def _copy(source: Path, target: Path) -> str:
    return _written(target, _blocks(source))


def _write(target: Path, data: bytes) -> None:
    _written(target, iter([data]))


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            yield block


def _written(target: Path, blocks: Iterator[bytes]) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    sha = hashlib.sha256()
    with target.open("xb") as made:
        for block in blocks:
            sha.update(block)
            made.write(block)
        made.flush()
        os.fsync(made.fileno())
    return sha.hexdigest()
