"""The description of `/v1`, and of stopping and starting, for programs: made from the types that check the bodies, so that the two cannot differ."""

from collections.abc import Mapping
from typing import Any

from staffroom import __version__
from staffroom.serve.plain.bodies import BodyReader, Endpoint

__all__ = ["openapi"]

_ROUTES = (
    ("/v1/chat/completions", Endpoint.CHAT, "Ask a worker or a plain model."),
    ("/v1/completions", Endpoint.COMPLETIONS, "Let a plain model go on with a text."),
    ("/v1/embeddings", Endpoint.EMBEDDINGS, "Turn texts into vectors."),
    ("/v1/responses", Endpoint.RESPONSES, "Ask a plain model; nothing of it is kept (stateless)."),
)
_CONTROL = (
    ("/api/workers/{alias}/suspend", "suspendWorker", "Stop a worker at once (operator).", "suspended"),
    ("/api/workers/{alias}/resume", "resumeWorker", "Let a worker answer again (operator).", "resumed"),
    ("/api/suspend", "suspendAll", "Stop all workers that the key opens, at once (operator).", "suspended"),
    ("/api/resume", "resumeAll", "Let all workers that the key opens answer again (operator).", "resumed"),
)
_REFUSALS: Mapping[str, str] = {
    "400": "The request cannot be taken; `param` names the field.",
    "401": "No key, or one that is not accepted.",
    "403": "The key is not for this worker, or may not ask.",
    "404": "There is no such worker, or it has no such route.",
    "405": "Another method.",
    "408": "The body came too slowly.",
    "409": "The request with this Idempotency-Key is under way.",
    "410": "The worker is retired.",
    "413": "The body is too large.",
    "422": "The engine refused the request.",
    "429": "The queue is full or a budget used up; `retry-after` says how long to wait.",
    "500": "The worker failed.",
    "502": "The engine was lost.",
    "503": "The worker is suspended, the engine away, or the gateway ending.",
    "504": "The answer took too long.",
}
_ERROR: Mapping[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
                "request_id": {"type": "string"},
            },
        }
    },
}
_MODEL: Mapping[str, Any] = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
    },
}


def openapi(bodies: BodyReader) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    schemas: dict[str, Any] = {"Error": _ERROR, "Model": _MODEL}
    paths: dict[str, Any] = {}
    for path, endpoint, summary in _ROUTES:
        name = f"{endpoint.value.capitalize()}Request"
        schemas[name] = _moved(bodies.schema(endpoint), name, schemas)
        paths[path] = {
            "post": {
                "operationId": endpoint.value,
                "summary": summary,
                "security": [{"key": []}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
                },
                "responses": {"200": _answer(endpoint), **_refusals(_REFUSALS)},
            }
        }
    listing = {"type": "object", "required": ["object", "data"], "properties": {"data": {"type": "array"}}}
    paths["/v1/models"] = {
        "get": _look("models", "The workers that your key opens.", listing, ("401", "405"))
    }
    paths["/v1/models/{model}"] = {
        "get": {
            **_look(
                "model",
                "One of them.",
                {"$ref": "#/components/schemas/Model"},
                ("401", "403", "404", "405"),
            ),
            "parameters": [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}],
        }
    }
    paths |= {path: {"post": _control(path, name, text, field)} for path, name, text, field in _CONTROL}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Staffroom", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _control(path: str, name: str, text: str, field: str) -> dict[str, Any]:
    rows = {"type": "object", "required": [field], "properties": {field: {"type": "array"}}}
    described = _look(name, text, rows, ("401", "403", "404", "405", "410", "500", "503"))
    if "{alias}" in path:
        place = {"name": "alias", "in": "path", "required": True, "schema": {"type": "string"}}
        described["parameters"] = [place]
    return described


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if endpoint is not Endpoint.EMBEDDINGS:
        content["text/event-stream"] = {"schema": {}}
    return {"description": "The answer.", "content": content}


def _look(name: str, summary: str, schema: dict[str, Any], codes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"key": []}],
        "responses": {
            "200": {"description": summary, "content": {"application/json": {"schema": schema}}},
            **_refusals({code: _REFUSALS[code] for code in codes}),
        },
    }


def _refusals(codes: Mapping[str, str]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {code: {"description": text, "content": error} for code, text in codes.items()}


def _moved(schema: dict[str, Any], name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Move a schema's own definitions to the document's, under names of their own."""
    for inner, definition in schema.pop("$defs", {}).items():
        schemas[f"{name}{inner}"] = _renamed(definition, name)
    return dict(_renamed(schema, name))


def _renamed(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {
            key: _moved_reference(each, name)
            if key in ("$ref",)
            else {tag: _moved_reference(ref, name) for tag, ref in each.items()}
            if key == "mapping"
            else _renamed(each, name)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_renamed(each, name) for each in value]
    return value


def _moved_reference(reference: str, name: str) -> str:
    return reference.replace("#/$defs/", f"#/components/schemas/{name}")
