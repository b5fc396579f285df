"""Tell by its first bytes what a file offered as a model is; nothing is unpacked, parsed further or loaded.

Pickles are refused, not scanned: public scanners miss most of the known ways to hide code in them.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from staffroom.gguf import BadModelFile

__all__ = ["FileFormat", "require_gguf", "sniff"]

_HEAD_BYTES: Final = 512
_SAFETENSORS_HEADER: Final = 100_000_000
_PICKLE: Final = re.compile(rb"\x80[\x01-\x05]|[(\]}cl]\S{0,60}[\n.]|\((?:dp|lp)\d*\n")
_PREFIXES: Final = (
    (b"GGUF", "gguf", "GGUF"),
    (b"PK\x03\x04", "zip", "a ZIP archive, in which PyTorch keeps pickles, and a pickle can run any code"),
    (b"\x1f\x8b", "gzip", "a gzip archive, not a model file"),
    (b"\x28\xb5\x2f\xfd", "zstd", "a Zstandard archive, not a model file"),
    (b"\x93NUMPY", "numpy", "a NumPy array, not a model file"),
    (b"\x89HDF\r\n", "hdf5", "an HDF5 file (Keras); only GGUF is served"),
    (b"version https://git-lfs", "git-lfs", "a Git LFS pointer: the model itself was not fetched"),
    *(
        (magic, "ggml", "a GGML file from before GGUF; convert it")
        for magic in (b"lmgg", b"fmgg", b"tjgg", b"algg")
    ),
)


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What a file is: a short `name` for machines and a `text` that goes on from "this file is"."""

    name: str
    text: str

    @property
    def is_gguf(self) -> bool:
        """Whether it is worth reading the header."""
        return self.name == "gguf"


def sniff(path: Path) -> FileFormat:
    """Return what the file is by its first 512 bytes; a file that cannot be read is a `BadModelFile`."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise BadModelFile(f"cannot be read: {error.strerror or error}", offset=0, name=path.name) from error
    for magic, name, text in _PREFIXES:
        if head.startswith(magic):
            return FileFormat(name, text)
    if head[257:262] == b"ustar":
        return FileFormat("tar", "a TAR archive, in which early PyTorch kept pickles")
    if int.from_bytes(head[:8], "little") <= _SAFETENSORS_HEADER and head[8:9] == b"{":
        return FileFormat("safetensors", "safetensors; convert it to GGUF, which is what the engine serves")
    if re.match(rb"\s*(<!doctype|<html|<\?xml)", head, re.IGNORECASE):
        return FileFormat("html", "a web page: the address gave a page instead of the model")
    if _PICKLE.match(head):
        return FileFormat("pickle", "a Python pickle, which can run any code when it is loaded")
    return FileFormat("unknown", "empty" if not head else f"no known model format (begins with {head[:8]!r})")


def require_gguf(path: Path) -> None:
    """Refuse a file that is something else, naming what it is."""
    found = sniff(path)
    if not found.is_gguf:
        raise BadModelFile(
            f"this file is {found.text}",
            offset=0,
            name=path.name,
            hint="take a GGUF file of the model, or a starter: staffroom models get NAME",
        )
