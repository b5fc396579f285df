"""The routes that are not hot: health, counters, a look at the workers, and the document page."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from staffroom.serve.asgi import from_loopback
from staffroom.serve.control import Controlled, StopControl, control_routes
from staffroom.serve.documents import (
    DocumentLinks,
    DocumentSource,
    document_headers,
    document_page,
    missing_page,
    page_language,
)
from staffroom.serve.openapi import openapi
from staffroom.serve.plain.bodies import BodyReader
from staffroom.serve.wire import WireError, error_body
from staffroom.store import ApiKey

__all__ = ["Observed", "rest_app"]

_Handler = Callable[[Request], Awaitable[Response]]


class Observed(Controlled, Protocol):
    """What these routes ask of the gateway."""

    @property
    def draining(self) -> bool:
        """Whether the gateway takes no new request."""
        ...

    def spending(self, key: ApiKey | None) -> list[dict[str, object]]:
        """Return the budgets that the holder of a key may see."""
        ...

    def metrics(self, key: ApiKey | None) -> str:
        """Return the counters that the holder of a key may see."""
        ...


def rest_app(
    observed: Observed,
    documents: DocumentSource,
    links: DocumentLinks,
    bodies: BodyReader,
    control: StopControl | None = None,
) -> Starlette:
    """Return the application for everything outside `/v1`; control: without it no worker is stopped or started here."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        if observed.draining:
            return PlainTextResponse("draining\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def metrics(request: Request) -> Response:
        key = None
        # On this machine none is asked for; a key that is sent counts all the same.
        if not from_loopback(request.scope) or "authorization" in request.headers:
            key = observed.authorise(request.scope)
            _require_sight(key)
        return PlainTextResponse(observed.metrics(key), media_type="text/plain; version=0.0.4")

    async def workers(request: Request) -> Response:
        key = observed.authorise(request.scope)
        return JSONResponse({"workers": observed.states(key)})

    async def budgets(request: Request) -> Response:
        key = observed.authorise(request.scope)
        _require_sight(key)
        return JSONResponse({"budgets": observed.spending(key)})

    async def description(_: Request) -> Response:
        return JSONResponse(openapi(bodies))

    return Starlette(
        routes=[
            Route("/healthz", health),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/api/workers", workers),
            Route("/api/budgets", budgets),
            Route("/openapi.json", description),
            Route("/documents/{digest}", _document_route(documents, links)),
            *([] if control is None else control_routes(observed, control)),
        ],
        exception_handlers={WireError: _refuse, HTTPException: _no_route},
    )


def _require_sight(key: ApiKey | None) -> None:
    if key is not None and not (key.role.sees or key.loopback):
        raise WireError(403, f"a key of role {key.role.value} may not see this", code="role_not_allowed")


def _document_route(documents: DocumentSource, links: DocumentLinks) -> _Handler:
    async def document(request: Request) -> Response:
        language = page_language(request.headers.get("accept-language", ""))
        headers = document_headers(language)
        digest = request.path_params["digest"]
        found = None
        # One answer for a bad link and for a document that is not there: a stranger learns neither.
        if links.opens(digest, request.query_params.get("sig", "")):
            found = await asyncio.to_thread(documents, digest)
        if found is None:
            return HTMLResponse(missing_page(language), status_code=404, headers=headers)
        start, end = _offset(request, "start"), _offset(request, "end")
        return HTMLResponse(document_page(found, start, end, language), headers=headers)

    return document


def _offset(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer as the hot routes do where there is no such route, or another method is needed."""
    if not isinstance(error, HTTPException):
        raise error
    code = "method_not_allowed" if error.status_code == 405 else "unknown_url"
    message = f"there is no {request.method} {request.url.path[:200]} here"
    return Response(
        error_body(WireError(error.status_code, message, code=code), ""),
        error.status_code,
        error.headers,
        "application/json",
    )


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, WireError):
        raise error
    headers = {name.decode(): value.decode() for name, value in error.headers}
    return Response(error_body(error, ""), error.status, headers, "application/json")
