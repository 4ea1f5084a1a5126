"""Every error of the Kubernetes door.

The tree::

    KubeError
    ├── ApiError                    the API server refused or did not answer one request
    │   ├── UnauthorizedError  401
    │   ├── ForbiddenError     403
    │   ├── NotFoundError      404
    │   ├── ConflictError      409
    │   ├── GoneError          410
    │   ├── InvalidError       400, 422
    │   └── UnavailableError   429, 5xx, no connection, no answer in time
    └── FatalError                  the process cannot do its work and ends with this message
        ├── ConnectionUnknownError
        ├── HandlersEndedError
        ├── KindNotServedError
        ├── NamespaceEndsError
        ├── RightMissingError
        └── HistoryRewrittenError
"""

from http import HTTPStatus


class KubeError(Exception):
    """The root: catch a narrower one."""


class ApiError(KubeError):
    """One request failed. Whoever sent it decides whether that matters."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status
        self.message = message


class UnauthorizedError(ApiError):
    """401: the token is not (or no longer) valid; the next request takes a fresh one."""


class ForbiddenError(ApiError):
    """403: a right is missing; `access.Rights` says which."""


class NotFoundError(ApiError):
    """404: the object, or its whole kind, is not there."""


class ConflictError(ApiError):
    """409: somebody changed or created it first; read again before deciding anew."""


class GoneError(ApiError):
    """410: the server has forgotten the version that a page or a watch goes on from; list anew."""


class InvalidError(ApiError):
    """400 or 422: the server will never take this; sending it again is useless."""


class UnavailableError(ApiError):
    """The server cannot answer now; the same request may succeed later."""


class FatalError(KubeError):
    """The process ends with this message, which names the cure."""


class ConnectionUnknownError(FatalError):
    """No cluster to speak to: neither a service account nor a kubeconfig; the user names one."""


class HandlersEndedError(FatalError):
    """A handler failed, or kopf ended or stalled: what changes would go unseen; the next start reads everything."""


class KindNotServedError(FatalError):
    """A CRD is missing or being deleted; the user installs it."""


class NamespaceEndsError(FatalError):
    """The namespace is being deleted; whoever did that meant the operator too."""


class RightMissingError(FatalError):
    """RBAC refuses something the operator needs; the user grants it."""


class HistoryRewrittenError(FatalError):
    """The API server's history went backwards (etcd restored from a backup): only a cold start sees the truth."""


_BY_STATUS: dict[int, type[ApiError]] = {
    HTTPStatus.BAD_REQUEST: InvalidError,
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: GoneError,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidError,
}


def api_error(status: int, message: str) -> ApiError:
    """The error for an HTTP status of 400 or more, or for 0: no answer at all."""
    return _BY_STATUS.get(status, UnavailableError)(status, message)
