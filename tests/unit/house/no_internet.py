"""A process that cannot open an internet socket, not even from C: the kernel kills it with SIGSYS when it tries.

    python no_internet.py CODE

Built on seccomp (Linux, no privilege needed), because libraries with an uploader of their own do not go through Python's sockets.
"""

import ctypes
import platform
import socket
import struct
import sys
from contextlib import suppress

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SYS_SOCKET = {"x86_64": 41, "aarch64": 198}
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER_MODE = 38, 22, 2
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


def forbid_internet() -> None:
    """Kill this process at socket(AF_INET) and socket(AF_INET6) from now on, in every thread."""
    machine = platform.machine()
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 6, AUDIT_ARCH[machine]),
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 4, SYS_SOCKET[machine]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUAL, 1, 0, socket.AF_INET),
        (EQUAL, 0, 1, socket.AF_INET6),
        (ANSWER, 0, 0, KILL_PROCESS),
        (ANSWER, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, FILTER_MODE, program, 0, 0):
        sys.exit(f"seccomp is not to be had here: errno {ctypes.get_errno()}")


if __name__ == "__main__":
    with suppress(ImportError):
        # At import it binds ::1 once, to learn whether the machine has IPv6; that reaches nobody.
        import urllib3.util.connection  # noqa: F401
    forbid_internet()
    exec(sys.argv[1])  # noqa: S102
