"""One HTTP request to the API server and its answer, and how to find the server.

`kubernetes.aio` carries the connection (kubeconfig, service account, token refresh, TLS); its generated methods are
left aside, because they build a model for every answer. Measured: 0.8 ms of CPU per patch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import aiohttp
import kopf
from kubernetes.aio import client, config
from kubernetes.aio.config.incluster_config import SERVICE_TOKEN_FILENAME

from dialplane.kube.errors import ConnectionUnknownError, UnavailableError, api_error

JSON = Any
MERGE_PATCH = "application/merge-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
BAD = 400
POOL = 40
"""Connections at once: 24 patches and room for the lease, which must never queue behind them."""


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
        except (config.ConfigException, OSError) as error:
            where = self.kubeconfig or "neither a service account nor a kubeconfig"
            raise ConnectionUnknownError(
                f"no Kubernetes cluster to connect to ({where}: {error}); set KUBECONFIG or --kubeconfig, "
                "or run in a pod with a service account"
            ) from error
        configuration.connection_pool_maxsize = POOL
        return configuration

    async def for_kopf(self) -> kopf.ConnectionInfo:
        """The same connection in kopf's words."""
        configuration = await self.configuration()
        scheme, _, token = (await configuration.get_api_key_with_prefix("BearerToken") or "").rpartition(" ")
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            username=configuration.username or None,
            password=configuration.password or None,
            scheme=scheme or None,
            token=token or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )


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
        serialized = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        _, url, headers, _, _ = serialized
        try:
            answer = await self._client.call_api(
                method, url, headers, body, _request_timeout=aiohttp.ClientTimeout(total=timeout)
            )
            text = await answer.read()  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            raise UnavailableError(0, f"no answer to {method} {path} within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(0, f"{method} {path}: {error}") from error
        if answer.status >= BAD:
            raise api_error(answer.status, _message(text) or answer.reason)
        return json.loads(text)


def _in_pod() -> bool:
    return Path(SERVICE_TOKEN_FILENAME).is_file()


def _message(text: bytes) -> str:
    """What the server says, from a Status object or plain text; shortened, for it ends in a log."""
    try:
        said = json.loads(text)
    except ValueError:
        said = {"message": text.decode("utf-8", "replace").strip()}
    return str(said.get("message", ""))[:500] if isinstance(said, dict) else ""
