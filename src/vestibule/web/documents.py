"""The API's description: OpenAPI 3.1 at `/openapi.json`, and a page made from it at `/docs`."""

import re
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape
from pydantic import TypeAdapter
from quart import Quart, Response, redirect
from quart.typing import ResponseReturnValue
from quart_schema import QuartSchema, hide
from quart_schema.openapi import OpenAPIProvider

from vestibule.kernel.settings import Settings
from vestibule.web import guard, identity
from vestibule.web.api.models import ProblemAnswer
from vestibule.web.api.surface import ANSWERS
from vestibule.web.pages.rendering import page

Document = dict[str, Any]  # Any: JSON

_SESSION, _TOKEN, _KEY = "session", "token", "api_key"
_KINDS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}


def attach(app: Quart, settings: Settings) -> None:
    """Describe the routes of `app`, and show the description where the settings say so."""
    schema = QuartSchema(
        app,
        openapi_path="/openapi.json" if settings.shows_docs else None,
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        info={"title": settings.service_name, "version": "1"},
        openapi_provider_class=Provider,
        security_schemes={
            _SESSION: {"type": "apiKey", "in_": "cookie", "name": identity.cookie_name(settings)},
            _TOKEN: {"type": "http", "scheme": "bearer", "bearer_format": "JWT"},
            _KEY: {"type": "apiKey", "in_": "header", "name": "X-API-Key"},
        },
    )
    if not settings.shows_docs:
        return

    if settings.in_development:

        @app.get("/")
        @hide
        async def start() -> ResponseReturnValue:
            """Lead whoever looks at the bare address to the description."""
            return redirect("docs")

    @app.get("/docs")
    @hide
    async def docs() -> Response:
        """Show the description to people, with nothing loaded from anywhere."""
        return page(
            "docs.html",
            document=schema.openapi_provider.schema(),
            cookie=identity.cookie_name(settings),
            origin=guard.own_origin(),
            codes=list(_codes()),
            kind=_kind,
            marked=_marked,
        )


class Provider(OpenAPIProvider):
    """What quart-schema 0.25 leaves out: named schemas, required parameters, and our errors."""

    def schema(self) -> Document:
        document = super().schema()
        document["paths"] = dict(sorted(document["paths"].items()))
        schemas = document["components"]["schemas"]
        described = TypeAdapter(ProblemAnswer).json_schema(mode="serialization")
        schemas["Problem"] = described | {"title": "Problem"}
        return document

    def build_querystring_parameters(self, model: type) -> tuple[list[Document], Document]:
        parameters, components = super().build_querystring_parameters(model)
        required = TypeAdapter(model).json_schema().get("required", [])
        for parameter in parameters:
            if parameter["name"] in required:
                parameter["required"] = True
        return parameters, components

    def build_request_body(self, model: type, source: Any) -> tuple[Document, Document]:
        body, components = super().build_request_body(model, source)
        body["required"] = True
        _name_schemas(body, components)
        return body, components

    def build_response_object(
        self, model: type, headers_model: type | None
    ) -> tuple[Document, Document]:
        answer, components = super().build_response_object(model, headers_model)
        _name_schemas(answer, components)
        return answer, components

    def build_paths(self, rule: Any) -> tuple[Document, Document]:
        paths, components = super().build_paths(rule)
        for name, path in paths.items():
            for operation in path.values():
                operation["description"] = operation["description"].strip()
                if "/me" in name or "/admin/" in name or name.endswith("/logout-all"):
                    operation["security"] = [{_SESSION: []}, {_TOKEN: []}]
                    if name.endswith("/me") and operation is path.get("get"):
                        operation["security"].append({_KEY: []})
                elif name.endswith("/verify"):
                    operation["security"] = [{_SESSION: []}, {_TOKEN: []}, {_KEY: []}]
                elif name.endswith("/logout"):
                    operation["security"] = [{_SESSION: []}, {_TOKEN: []}, {}]
                # As RFC 7009 has it, and proxies.
                done = 200 if name.endswith(("/tokens/revoke", "/verify")) else 204
                answers = operation["responses"] or {done: {"description": "Done."}}
                # As texts: a JSON object's keys are, and Quart sorts them.
                described = {str(status): answer for status, answer in answers.items()}
                operation["responses"] = described | {"default": _PROBLEM}
        return paths, components


def _name_schemas(part: Document, components: Document) -> None:
    for content in part["content"].values():
        schema = content["schema"]
        if schema.get("type") == "object" and schema.get("title"):
            components[schema["title"]] = schema
            content["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}


def _codes() -> Iterator[tuple[str, int, str]]:
    """Yield code, status and words of every error; where words vary, what the error means."""
    for error, (status, words) in ANSWERS.items():
        meaning = " ".join((error.__doc__ or "").partition("\n\n")[0].split())
        yield error.code, status, words if isinstance(words, str) else meaning


def _kind(field: Document) -> str:
    """Return what a field holds, in words."""
    if "anyOf" in field:
        return " or ".join(_kind(each) for each in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "const" in field:
        return f'"{field["const"]}"'
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}"
    words = _KINDS[field["type"]]
    if "maxLength" in field:
        words += f" of at most {field['maxLength']} characters"
    if "maximum" in field:
        words += f" from {field['minimum']} to {field['maximum']}"
    return words


def _marked(text: str) -> Markup:
    """Show what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


_PROBLEM: Document = {
    "description": "What went wrong; `code` stays the same for ever.",
    "content": {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
    },
}
