"""The API's description: OpenAPI 3.1 at `/openapi.json`, and a page made from it at `/docs`."""

from typing import Any

from pydantic import TypeAdapter
from quart import Quart, Response, redirect
from quart.typing import ResponseReturnValue
from quart_schema import QuartSchema, hide
from quart_schema.openapi import OpenAPIProvider

from vestibule.kernel.settings import Settings
from vestibule.web.api.models import ProblemAnswer
from vestibule.web.pages.rendering import page

Document = dict[str, Any]  # Any: JSON


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
        return page("docs.html", document=schema.openapi_provider.schema())


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
        for path in paths.values():
            for operation in path.values():
                answers = operation["responses"] or {204: {"description": "Done."}}
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


_PROBLEM: Document = {
    "description": "What went wrong; `code` stays the same for ever.",
    "content": {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
    },
}
