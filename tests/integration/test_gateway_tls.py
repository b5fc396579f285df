"""The gateway speaks HTTPS with the files it was given, and refuses files that would be no use or a danger."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from staffroom.records.errors import WrongUse
from staffroom.serve import DocumentLinks, DutyLog, Gateway, GatewayServer, Permits, TlsFiles
from staffroom.store import ApiKeys, Database, Home


def made_files(folder: Path, password: bytes = b"") -> TlsFiles:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    files = TlsFiles(folder / "cert.pem", folder / "key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    )
    return files


def test_https_and_nothing_else(tmp_path: Path) -> None:
    files = made_files(tmp_path)

    async def main() -> None:
        home = Home(tmp_path / "home").ensure()
        with Database(home.database) as database, DutyLog(home.private / "duty") as duty:
            keys = ApiKeys(database)
            _, token = keys.create("test")
            gateway = Gateway(
                permits=Permits(home.permits),
                keys=keys,
                duty=duty,
                documents=lambda _: None,
                links=DocumentLinks.of(home.keys),
            )
            server = GatewayServer(gateway, port=0, tls=files)
            ready = asyncio.Event()
            running = asyncio.create_task(server.run(on_ready=lambda _: ready.set()))
            await ready.wait()
            try:
                assert server.address.url.startswith("https://127.0.0.1:")
                await _ask(server.address.url, files.certificate, token)
            finally:
                server.stop()
                await running

    asyncio.run(main())


async def _ask(url: str, certificate: Path, token: str) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    old = ssl.create_default_context(cafile=str(certificate))
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    headers = {"authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as client:
        async with client.get(f"{url}/v1/models", ssl=trusted) as answer:
            assert answer.status == 200
            assert (await answer.json())["object"] == "list"
        for wrong in (f"{url}/v1/models", url.replace("https", "http") + "/v1/models"):
            with pytest.raises(aiohttp.ClientError):  # a stranger's certificate; no TLS at all
                async with client.get(wrong):
                    pass
        with pytest.raises((aiohttp.ClientError, ssl.SSLError, ValueError)):
            async with client.get(f"{url}/v1/models", ssl=old):
                pass


def test_files_that_are_no_use_are_refused(tmp_path: Path) -> None:
    files = made_files(tmp_path)
    files.key.chmod(0o644)
    with pytest.raises(WrongUse, match="everybody on this machine may read") as caught:
        files.context()
    assert caught.value.hint == f"chmod o-r {files.key}"
    files.key.chmod(0o600)
    files.context()
    with pytest.raises(WrongUse, match="cannot be used"):
        TlsFiles(files.key, files.key).context()
    with pytest.raises(WrongUse, match="cannot be read"):
        TlsFiles(tmp_path / "gone.pem", files.key).context()
    (tmp_path / "other").mkdir()
    other = made_files(tmp_path / "other")
    with pytest.raises(WrongUse, match="cannot be used"):
        TlsFiles(files.certificate, other.key).context()
    locked = made_files(tmp_path / "other", b"secret")
    with pytest.raises(WrongUse, match=r"password|cannot be (read|used)"):
        locked.context()
