"""What went wrong with a request, as RFC 9457 has it (`application/problem+json`)."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.routing import Match, compile_path
from starlette.types import Scope

from dialplane.resources.diagnosis import diagnose_details, dotted
from dialplane.store import StoreError, StoreUnavailable

_REFERENCE: Final = "#/components/schemas/{model}"
MEDIA_TYPE: Final = "application/problem+json"

_LOG = structlog.get_logger("dialplane.api")


class FieldError(BaseModel):
    """One thing that is wrong in the request."""

    field: str
    """Where, such as `body.to`."""
    message: str
    """What, and what is wanted."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    """Always `about:blank`: the status says it."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong, and what to do."""
    errors: list[FieldError] = []
    """What is wrong with the request, field by field."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Refusal(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Mapping[str, str] | None = None,
        members: Mapping[str, str | int | None] | None = None,
        **headers: str,
    ) -> None:
        super().__init__(detail)
        found = [FieldError(field=field, message=message) for field, message in (errors or {}).items()]
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = problem(status, detail, found, shown, members)


_ALWAYS: Final = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""What any path may answer with."""


class _Answer(JSONResponse):
    """In ASCII: what was wrong may be half a character."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode("ascii")


def problem(
    status: int,
    detail: str,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
    members: Mapping[str, str | int | None] | None = None,
) -> JSONResponse:
    """The answer to a request that failed; `members` are those beyond `Problem`'s own."""
    said = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    more = {name: value for name, value in (members or {}).items() if value is not None}
    return _Answer({**said.model_dump(), **more}, status, headers)


def described(*statuses: HTTPStatus, model: type[Problem] = Problem) -> dict[int | str, dict[str, Any]]:
    """The problems that a path may answer with, for OpenAPI."""
    content = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}
    found = dict.fromkeys(statuses, content)
    plain = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}}
    return {
        int(status): {"description": status.phrase, "content": found.get(status, plain)}
        for status in (*_ALWAYS, *statuses)
    }


def schemas(models: Iterable[type[Problem]]) -> dict[str, Any]:
    """The models that `described` refers to: FastAPI knows no media type but its own."""
    described: list[type[Problem]] = [Problem, *models]
    found: dict[str, Any] = models_json_schema(
        [(model, "serialization") for model in described], ref_template=_REFERENCE
    )[1]["$defs"]
    return found


def install(app: FastAPI, bodies: Mapping[str, type[BaseModel]]) -> None:
    """Have every error of the application answered as a problem; a wrong body in the words a manifest would get.

    `bodies` are their models, by the path that they are sent to, which may have parameters.
    """
    schemas = [(compile_path(path)[0], model.model_json_schema()) for path, model in bodies.items()]

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> JSONResponse:
        return error.response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if isinstance(error.body, bytes):
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be sent as application/json")
        errors = [_field(detail) for detail in error.errors() if detail["loc"][0] != "body"]
        of_body: list[ErrorDetails] = [
            {**detail, "loc": detail["loc"][1:]}  # type: ignore[typeddict-item]
            for detail in error.errors()
            if detail["loc"][0] == "body"
        ]
        schema = next((schema for path, schema in schemas if path.fullmatch(request.url.path)), {})
        errors += [FieldError(field=p.field, message=p.message) for p in diagnose_details(of_body, schema, "body")]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", errors)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = _allowed(app, request.scope)
        if error.status_code == HTTPStatus.BAD_REQUEST:  # FastAPI's word for a body that is no UTF-8
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is no JSON in UTF-8")
        return problem(error.status_code, str(error.detail), headers=headers)

    @app.exception_handler(StoreUnavailable)
    async def unavailable(_: Request, error: StoreUnavailable) -> JSONResponse:
        _LOG.warning("the store does not answer", reason=str(error))
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "the store does not answer: try again", headers={"Retry-After": "2"}
        )

    @app.exception_handler(StoreError)
    async def broken(_: Request, error: StoreError) -> JSONResponse:
        _LOG.error("the store refused", reason=str(error))
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug of ours: the log says more")


def _allowed(app: FastAPI, scope: Scope) -> str:
    """Every method of a path: Starlette names those of the first of its routes."""
    matching = [route for route in app.routes if route.matches(scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in matching for method in getattr(route, "methods", None) or ()}))


def _field(detail: ErrorDetails) -> FieldError:
    where = [str(step) if isinstance(step, str) else step for step in detail["loc"]]
    return FieldError(field=dotted(str(where[0]) if where else "", where[1:]), message=detail["msg"])
