"""One HTTP request to the API server and its answer, and how to find the server.

`kubernetes.aio` carries the connection (kubeconfig, service account, token refresh, TLS); its generated methods are
left aside, because they build a model for every answer. Measured: 0.2 ms of CPU per patch.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.config.incluster_config import SERVICE_TOKEN_FILENAME

from dialplane.kube.errors import ConnectionUnknownError, UnavailableError, api_error

JSON = Any
MERGE_PATCH = "application/merge-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
"""For a watch."""
BAD = 400
POOL = 40
"""Connections at once: 24 patches, a watch per kind, and room for the lease, which must never queue behind them."""
CONNECT_TIMEOUT = 30.0
"""Seconds until a watch must have begun: a server that starts loads its cache first."""
KEEPALIVE = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""A watch may be silent for long: the kernel finds out within 50 s that nobody is there any more."""
READ_AHEAD = 2**21
"""Bytes of an answer that may wait to be read: a LIST's page, a burst of events."""
SILENCE = 100.0
"""Seconds without a bookmark after which a watch that had one counts as lost; servers send one a minute."""
HEALTHY_AFTER = 30.0
"""Seconds after which a watch that breaks is a new trouble, not more of the last one."""
BOOKMARK = "BOOKMARK"


class Api(Protocol):
    """The API server, as all of this package sees it."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JSON = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 10.0,
    ) -> JSON:
        """Send one request and return the decoded answer; `timeout` (seconds) covers all of it.

        Raises:
            ApiError: the subclass for the status; `UnavailableError` where no answer came.
        """


class WatchApi(Protocol):
    """The API server, as who watches it sees it."""

    def watch(
        self, path: str, *, query: Mapping[str, str], seconds: float, silence: float, accept: str = "application/json"
    ) -> AsyncGenerator[tuple[str, JSON], None]:
        """The events of one watch (type, object), bookmarks too, until the server ends it.

        Args:
            path: of a collection.
            query: selectors and the resourceVersion to go on from.
            seconds: after which the server shall end it, so that rights and tokens are asked for anew.
            silence: seconds without a word after which a server that sends bookmarks (one a minute) counts as lost.
            accept: `METADATA` for objects without their contents.

        Raises:
            ApiError: the subclass for the status that the server answers or sends as an event;
                `UnavailableError` where the connection broke or was silent for too long.
        """


@dataclass(frozen=True, slots=True)
class Connection:
    """Which cluster: a kubeconfig file and a context in it, or (both empty) what the environment offers."""

    kubeconfig: str = ""
    context: str = ""

    async def configuration(self) -> client.Configuration:
        """Read it anew: service account tokens and exec plug-ins rotate.

        Raises:
            ConnectionUnknownError: there is none, or it cannot be read.
        """
        configuration = client.Configuration()
        try:
            if not self.kubeconfig and not self.context and _in_pod():
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=self.kubeconfig or None,
                    context=self.context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except Exception as error:  # the loader raises whatever its parts do at a file that is no kubeconfig
            known = isinstance(error, config.ConfigException | OSError)
            cause = str(error) if known else f"not a kubeconfig ({type(error).__name__})"  # YAML's errors show the file
            where = self.kubeconfig or "neither a service account nor a kubeconfig"
            raise ConnectionUnknownError(
                f"no Kubernetes cluster to connect to ({where}: {cause}); set KUBECONFIG, "
                "or run in a pod with a service account"
            ) from error
        configuration.connection_pool_maxsize = POOL
        # Else aiohttp asks .netrc and the environment in a thread, for every request: four times the CPU of a patch.
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.proxy = configuration.proxy or _proxy_for(configuration.host)
        return configuration


class KubeApi:
    """The real API server. An async context manager: leaving it closes the connections."""

    def __init__(self, configuration: client.Configuration) -> None:
        self._client = client.ApiClient(configuration)
        self._client.user_agent = "dialplane"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JSON = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 10.0,
    ) -> JSON:
        """See `Api.request`."""
        header = {"Accept": accept, "Content-Type": content_type}
        try:
            answer = await self._send(method, path, query or {}, header, body, aiohttp.ClientTimeout(total=timeout))
            text = await answer.read()
        except TimeoutError as error:
            raise UnavailableError(0, f"no answer to {method} {path} within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(0, f"{method} {path}: {error}") from error
        if answer.status >= BAD:
            raise api_error(answer.status, message_of(text) or answer.reason or "")
        return json.loads(text)

    async def watch(
        self, path: str, *, query: Mapping[str, str], seconds: float, silence: float, accept: str = "application/json"
    ) -> AsyncGenerator[tuple[str, JSON], None]:
        """See `WatchApi.watch`."""
        asked = {**query, "watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": f"{seconds:.0f}"}
        unlimited = aiohttp.ClientTimeout(total=None)
        answer: aiohttp.ClientResponse | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                answer = await self._send("GET", path, asked, {"Accept": accept}, None, unlimited)
                if answer.status >= BAD:
                    raise api_error(answer.status, message_of(await answer.read()) or answer.reason or "")
            keep_alive(answer)
            limit, begun = seconds + CONNECT_TIMEOUT, b""
            while chunk := await read_available(answer.content, limit):
                *whole, begun = (begun + chunk).split(b"\n")
                for event in map(json.loads, whole):
                    if event["type"] == "ERROR":
                        raise api_error(event["object"].get("code", 0), str(event["object"].get("message", ""))[:500])
                    if event["type"] == BOOKMARK:
                        limit = silence
                    yield event["type"], event["object"]
        except TimeoutError as error:
            raise UnavailableError(0, f"the watch of {path} is silent") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a line that is no JSON
            raise UnavailableError(0, f"the watch of {path}: {error}") from error
        finally:
            if answer is not None:
                answer.close()

    def session(self, middleware: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Open another HTTP session to the same server; the caller closes it.

        It sends no token by itself: see `authorization`.
        """
        configuration = self._client.configuration
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._client.rest_client.ssl_context),
            headers={"User-Agent": self._client.user_agent},
            proxy=configuration.proxy,
            trust_env=False,
            read_bufsize=READ_AHEAD,
            middlewares=(middleware,),
        )

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._client.configuration.host)

    async def authorization(self, method: str, path: str) -> Mapping[str, str]:
        """Return the headers that say who asks; the token in them is fresh.

        Raises:
            UnavailableError: the token cannot be read just now, or nobody issues one.
        """
        headers: dict[str, str] = {}
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        except (aiohttp.ClientError, OSError, config.ConfigException) as error:
            raise UnavailableError(0, f"no token for {method} {path}: {error}") from error
        return headers

    @property
    def tls_server_name(self) -> str | None:
        """The name that the server's certificate has, where a kubeconfig says that it is not the host's."""
        name: str | None = self._client.configuration.tls_server_name
        return name or None

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        header: dict[str, str],
        body: JSON,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        _, url, headers, _, _ = await self._client.param_serialize(
            method, path, query_params=list(query.items()), header_params=header, auth_settings=["BearerToken"]
        )
        answer = await self._client.call_api(method, url, headers, body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


async def read_available(content: aiohttp.StreamReader, limit: float) -> bytes:
    """Wait for some bytes, for `limit` seconds, and return all that are there; none at the end of the stream.

    Not by `wait_for`: it swallows a cancellation that meets the end of the connection.

    Raises:
        TimeoutError, aiohttp.ClientError, OSError: none came.
    """
    async with asyncio.timeout(limit):
        return await content.readany()


def keep_alive(answer: aiohttp.ClientResponse) -> None:
    """Have the kernel probe the connection of an answer that goes on for long."""
    transport = answer.connection.transport if answer.connection is not None else None
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            with contextlib.suppress(OSError):  # a system that has no such option
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _proxy_for(url: str) -> str | None:
    """What HTTPS_PROXY and NO_PROXY say of the API server."""
    server = urlsplit(url)
    return None if proxy_bypass(server.hostname or "") else getproxies().get(server.scheme)


def _in_pod() -> bool:
    return Path(SERVICE_TOKEN_FILENAME).is_file()


def message_of(text: bytes) -> str:
    """What the server says of a failure, from a Status object or plain text; shortened, for it ends in a log."""
    try:
        said = json.loads(text)
    except ValueError:
        said = {"message": text.decode("utf-8", "replace").strip()}
    return str(said.get("message", ""))[:500] if isinstance(said, dict) else ""
