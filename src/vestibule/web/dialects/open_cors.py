"""CORS as flask-cors does it: the origin is echoed, if it is one of ours or is listed."""

from quart import Response, request

from vestibule.web.place import place

_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
_ASKED = "Access-Control-Request-Headers"


async def open_to_everybody_who_is_listed(response: Response) -> Response:
    """Let a page of a listed origin read the answer; without an origin, say `*`."""
    origins = request.headers.getlist("Origin")
    response.vary.add("Origin")
    if not origins:
        response.headers["Access-Control-Allow-Origin"] = "*"
    elif len(origins) == 1 and origins[0] in place().origins:
        response.headers["Access-Control-Allow-Origin"] = origins[0]
    else:
        return response
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = _METHODS
        if asked := request.headers.get(_ASKED):
            response.headers["Access-Control-Allow-Headers"] = asked
    return response
