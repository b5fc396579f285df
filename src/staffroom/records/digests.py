"""Canonical JSON (RFC 8785) and SHA-256 digests: how every value that crosses a stage is named."""

import hashlib
from pathlib import Path
from typing import Any

import rfc8785

__all__ = ["canonical_json", "digest_bytes", "digest_file", "digest_value"]

_BLOCK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value (dict, list, tuple, str, int, float, bool, None)."""
    return rfc8785.dumps(value)


def digest_bytes(data: bytes) -> str:
    """Return `sha256:<64 hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_value(value: Any) -> str:
    """Return the digest of a JSON value's canonical form."""
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """Return the digest of a file's content, read in blocks of 1 MiB."""
    sha = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            sha.update(block)
    return "sha256:" + sha.hexdigest()
