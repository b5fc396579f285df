"""A systemd unit for the gateway, with the paths of this installation and no more rights than it needs.

It does not protect from who runs as the same user, and leaves memory that is written and executed alone: the libraries that call
back from C need it.
"""

import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from staffroom.records.errors import WrongUse

__all__ = ["Unit", "unit_text"]

_SERVICE_USER = "staffroom"


@dataclass(frozen=True, slots=True)
class Unit:
    """What differs from one installation to another; all paths are absolute."""

    user: str
    command: tuple[str, ...]
    home: Path
    cache: Path

    @classmethod
    def of(cls, home: Path, environment: Mapping[str, str], options: Sequence[str]) -> "Unit":
        """Return the unit of the program that runs now, as the owner of the home; never as root."""
        place = home if home.exists() else home.parent
        owner = place.stat().st_uid if place.exists() else os.getuid()
        try:
            entry = pwd.getpwuid(owner)
            user, own = (_SERVICE_USER, home.parent) if owner == 0 else (entry.pw_name, Path(entry.pw_dir))
        except KeyError:
            user, own = _SERVICE_USER, home.parent
        base = environment.get("XDG_CACHE_HOME") or ""
        cache = Path(base) if Path(base).is_absolute() else own / ".cache"
        command = (sys.executable, "-m", "staffroom", "serve", *options)
        return cls(user, command, home, cache)


def unit_text(unit: Unit) -> str:
    """Return the unit file's text; raises WrongUse for a path that a unit cannot hold."""
    command = " ".join(_word(word, command=True) for word in unit.command)
    return f"""\
# /etc/systemd/system/staffroom.service
# sudo systemctl daemon-reload && sudo systemctl enable --now staffroom
[Unit]
Description=Staffroom gateway
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User={_word(unit.user)}
Environment={_word(f"STAFFROOM_HOME={unit.home}")}
Environment={_word(f"XDG_CACHE_HOME={unit.cache}")}
Environment=STAFFROOM_OFFLINE=1
ExecStart={command}
Restart=on-failure
RestartSec=2

# SIGTERM to the gateway alone: answers under way come to their end (30 s), with the engines that write them.
KillMode=mixed
TimeoutStopSec=45

# It writes to its home and to the folder of model files, and to nothing else.
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={_word(str(unit.home))}
ReadWritePaths={_word("-" + str(unit.cache / "staffroom"))}
UMask=0077
PrivateTmp=yes
PrivateDevices=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
LockPersonality=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
LimitNOFILE=16384

[Install]
WantedBy=multi-user.target
"""


def _word(text: str, *, command: bool = False) -> str:
    """Return a word as a unit file takes it: quoted where it must be, `%` and, in commands, `$` doubled."""
    if any(character < " " or character == "\x7f" for character in text):
        raise WrongUse(
            f"a path in a unit file cannot hold control characters: {text!r}", hint="move the folder"
        )
    text = text.replace("%", "%%")
    text = text.replace("$", "$$") if command else text
    if not text or any(character in " \"'\\;#" for character in text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
