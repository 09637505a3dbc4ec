"""CORS: which pages of other origins may read our answers.

Those of `VESTIBULE_ALLOWED_ORIGINS`, which may send requests with cookies anyway, and nobody else.
A surface's own hook, so that a host's other routes, and its own CORS, are left alone.
"""

from quart import Response, request

from vestibule.extension import current_vestibule

_READ = {
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "Retry-After, X-Request-Id",
}
_ASKED_FIRST = {
    "Access-Control-Allow-Methods": "DELETE, GET, PATCH, POST, PUT",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",  # seconds
}


async def open_to_listed_origins(response: Response) -> Response:
    """Let a page of a listed origin read the answer; say nothing to others."""
    listed = current_vestibule().settings.allowed_origins
    if not listed:
        return response
    response.vary.add("Origin")
    said = request.headers.getlist("Origin")
    if len(said) != 1 or said[0] not in listed:
        return response
    response.headers["Access-Control-Allow-Origin"] = said[0]
    response.headers.update(_READ)
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers.update(_ASKED_FIRST)
    return response
