"""Every error of the API has one shape."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from taskboard import logs

_logger = logging.getLogger(__name__)

Part = Literal["database", "cache"]
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class ErrorDetail(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


class ErrorInfo(BaseModel):
    """An error.

    Attributes
    ----------
    code
        What programs distinguish errors by.
    part
        The part of the service that failed, if it was one.
    """

    code: str
    message: str
    request_id: str | None
    part: Part | None = None
    details: list[ErrorDetail] = []


class ErrorEnvelope(BaseModel):
    """The body of every response with a status from 400 up."""

    error: ErrorInfo


class ApiError(HTTPException):
    """An answer other than the one that was asked for."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        part: Part | None = None,
        details: Sequence[ErrorDetail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.info = ErrorInfo(
            code=code, message=message, request_id=logs.request_id.get(), part=part, details=list(details)
        )


class UnavailableError(ApiError):
    """A part that the request needs does not answer.

    Parameters
    ----------
    part
        Its name.
    reason
        Why, for the log; never shown to a client.
    shed
        Whether the request is refused on purpose because too many wait already. The log says so, and a
        deployment is not rolled back for it.
    """

    def __init__(self, part: Part, reason: str, *, shed: bool = False) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{part}_unavailable",
            f"the {part} does not answer; try again in a moment",
            part=part,
            headers={"retry-after": "2"},
        )
        self.part: Part = part
        self.reason = reason
        self.shed = shed


class OverloadedError(ApiError):
    """The request is refused on purpose because too many are being answered; marked as such in the log."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "overloaded",
            "too many requests at once; try again in a moment",
            headers={"retry-after": "1"},
        )


class NotFoundError(ApiError):
    """There is no such thing, or it belongs to someone else, which no one should be able to distinguish."""

    def __init__(self, thing: str) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, "not_found", f"there is no such {thing}")


class InvalidFieldError(ApiError):
    """A field of the request is not acceptable."""

    def __init__(self, *details: ErrorDetail) -> None:
        message = "; ".join(f"{detail.field}: {detail.message}" for detail in details)
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", message, details=details)


def described(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return what the API's description says of errors."""
    return {status: {"model": ErrorEnvelope, "description": status.phrase} for status in statuses}


def error_response(error: ApiError) -> JSONResponse:
    """Return the error as a response."""
    body = ErrorEnvelope(error=error.info).model_dump(mode="json")
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def install(app: FastAPI) -> None:
    """Give the framework's own errors the one shape, too."""
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, UnavailableError):
        extra = {"shed": True} if error.shed else {}
        _logger.warning("the %s does not answer: %s", error.part, error.reason, extra=extra)
    if isinstance(error, OverloadedError):
        request.state.context.log["shed"] = True
    if isinstance(error, ApiError):
        return error_response(error)
    assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is registered for
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED and (methods := _allowed(request)):
        headers["Allow"] = ", ".join(methods)
    return error_response(ApiError(status, status.name.lower(), str(error.detail), headers=headers))


def _allowed(request: Request) -> list[str]:
    # RFC 9110, 10.2.1: the methods of the resource. The framework names those of its first route alone.
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what the handler is registered for
    # The given values stay out of it: one may be a password.
    details = [
        ErrorDetail(field=".".join(str(part) for part in each["loc"][1:]) or "body", message=each["msg"])
        for each in error.errors()
    ]
    return error_response(InvalidFieldError(*details))
