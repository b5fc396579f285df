"""Salted commitments: a log names persons and documents without holding anything of them.

Whoever keeps value and salt can show what was committed to; once both are erased, nothing can be guessed from the log, however
few values are possible. It does not protect a value whose salt was published or used twice.
"""

import hashlib
import hmac
import secrets

__all__ = ["SALT_SIZE", "commit", "new_salt", "opens"]

SALT_SIZE = 32
_DOMAIN = b"staffroom commitment v1\x00"


def new_salt() -> bytes:
    """Draw 32 random bytes; one salt serves one commitment."""
    return secrets.token_bytes(SALT_SIZE)


def commit(value: bytes, salt: bytes) -> str:
    """Commit to `value` (any bytes) under a salt of 32 bytes; gives `sha256:<hex>`.

    The hash covers a fixed label, the salt, the value's length as 8 bytes, and the value, so no other use of SHA-256 here
    has the same input. Raises ValueError on a salt of another length.
    """
    if len(salt) != SALT_SIZE:
        raise ValueError(f"a salt has {SALT_SIZE} bytes, this one {len(salt)}")
    framed = _DOMAIN + salt + len(value).to_bytes(8, "big") + value
    return f"sha256:{hashlib.sha256(framed).hexdigest()}"


def opens(commitment: str, value: bytes, salt: bytes) -> bool:
    """Tell whether a commitment was made to this value under this salt."""
    return hmac.compare_digest(commitment.encode(), commit(value, salt).encode())
