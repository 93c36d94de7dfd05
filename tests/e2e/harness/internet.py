"""The part of the internet that a GitOps engine reaches, on loopback: known hosts over real TLS, and nothing else.

Engines fetch the fleet repo, and what the add-ons name, by `https://` addresses. Here they go through a proxy that ends
TLS with a self-signed certificate and passes each host's requests on to a plain server on loopback. So the
addresses in the files under test are the ones that users have.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.certificates import write_server

_CHUNK = 1 << 16


class Internet:
    """A proxy, and behind it the `hosts`: the port on loopback that answers for each name. Keeps a file in `directory`.

    `refused` lists the hosts that were asked for and are not there.
    """

    def __init__(self, hosts: Mapping[str, int], directory: Path) -> None:
        self.refused: list[str] = []
        self._hosts = dict(hosts)
        self._certificate = directory / "internet.pem"
        write_server(self._certificate, valid_until=datetime.now(UTC) + timedelta(days=1), hosts=sorted(hosts))
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(self._certificate)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self._server = started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which Go programs and git come here, and trust what they find. Loopback stays direct."""
        assert self._server is not None, "enter it first"
        proxy = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return {
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(self._certificate),
            "GIT_SSL_CAINFO": str(self._certificate),
        }

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            try:
                await self._tunnel(reader, writer)
            finally:
                writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer `CONNECT host:443` with a tunnel to the host, and everything else with a refusal."""
        method, target, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ", 2)
        host, _, port = target.rpartition(":")
        if method != "CONNECT" or port != "443" or host not in self._hosts:
            self.refused.append(target)
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(self._tls)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._hosts[host])
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            inner_writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes until it ends, and then end the other side too."""
    try:
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
    finally:
        target.close()
