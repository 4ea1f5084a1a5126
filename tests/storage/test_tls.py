"""A bucket behind a certificate of one's own authority."""

import asyncio
from pathlib import Path

import pytest

from dialplane.storage.errors import StorageUnavailable
from dialplane.storage.object_storage import ObjectStorage
from testbed.certificates import Authority

ANSWER = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    writer.close()


async def test_its_authority_is_named_by_ssl_cert_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority.create("Example Authority")
    (tmp_path / "ca.pem").write_text(authority.certificate)
    shown = authority.vouch("DNS:localhost")
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=shown.context())
    async with server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{server.sockets[0].getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        with pytest.raises(StorageUnavailable, match=r"InvalidCertificate, UnknownIssuer$"):
            await ObjectStorage.open("s3://lifts").put("town-hall-1/picture.jpg", b"", "image/jpeg")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        await ObjectStorage.open("s3://lifts").put("town-hall-1/picture.jpg", b"", "image/jpeg")
