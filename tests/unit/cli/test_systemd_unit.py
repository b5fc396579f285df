"""The systemd unit: what it may hold, how it is quoted, and that systemd takes it where there is one."""

import configparser
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import CommandLine

from staffroom.cli.systemd_unit import Unit, unit_text
from staffroom.records.errors import WrongUse


def parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_the_unit_has_this_installation_and_the_options(staffroom: CommandLine, tmp_path: Path) -> None:
    said = staffroom(
        "serve",
        "--print-unit",
        "--port",
        "9000",
        "--public-url",
        "https://ai.example.org",
        "--tls-cert",
        "c.pem",
    )
    assert said.status == 0, said.err
    service = parsed(said.out)["Service"]
    assert service["ExecStart"].endswith(
        f"-m staffroom serve --host 127.0.0.1 --port 9000 --seal-minutes 60 --tls-cert {Path('c.pem').absolute()} "
        "--public-url https://ai.example.org"
    )
    assert f"STAFFROOM_HOME={staffroom.home}" in said.out
    assert service["User"] not in ("root", "")
    assert service["NoNewPrivileges"] == "yes" and service["CapabilityBoundingSet"] == ""
    assert staffroom("serve", "--print-unit", "--json").json["unit"].startswith("# /etc/systemd")


def test_systemd_finds_no_fault_with_it(tmp_path: Path) -> None:
    folder = tmp_path / 'a "home" 100% $HOME'
    folder.mkdir()
    unit = Unit(
        pwd.getpwuid(os.getuid()).pw_name,
        (shutil.which("true") or "/bin/true", "it's", "50%", "$x"),
        folder,
        folder / "cache",
    )
    text = unit_text(unit)
    assert r'ReadWritePaths="' in text and "100%%" in text and "50%% $$x" in text
    if systemd := shutil.which("systemd-analyze"):
        place = tmp_path / "staffroom.service"
        place.write_text(text)
        done = subprocess.run(
            [systemd, "verify", str(place)], capture_output=True, text=True, check=False, env=os.environ
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_what_a_unit_cannot_hold(staffroom: CommandLine) -> None:
    with pytest.raises(WrongUse, match="control characters"):
        unit_text(Unit("nobody", ("/bin/true",), Path("/a\nUser=root"), Path("/b")))
    for wrong in ("ai.example.org", "ftp://x", "https://x/?a=1"):
        assert staffroom("serve", "--print-unit", "--public-url", wrong).status == 2


def test_a_certificate_needs_its_key(staffroom: CommandLine, tmp_path: Path) -> None:
    said = staffroom("serve", "--tls-cert", tmp_path / "cert.pem")
    assert said.status == 2
    assert "a certificate needs its key" in said.err
    said = staffroom("serve", "--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")
    assert said.status == 2
    assert "--tls-cert FILE --tls-key FILE" in said.err
