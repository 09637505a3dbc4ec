"""A Starlette service that takes the access tokens of a Vestibule elsewhere."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from vestibule.verify import Verifier
from vestibule.verify.starlette import Guard

guard = Guard(Verifier(os.environ.get("ISSUER", "http://localhost:8000")))


async def list_orders(request: Request) -> JSONResponse:
    return JSONResponse({"orders_of": str(request.state.caller.account_id)})


async def write_review(_request: Request) -> JSONResponse:
    return JSONResponse({"written": True})


async def read_reports(request: Request) -> JSONResponse:
    return JSONResponse({"roles": sorted(request.state.caller.roles)})


async def remove_orders(_request: Request) -> JSONResponse:
    return JSONResponse({"removed": True})


signed_in = [guard.middleware()]
proved = [guard.middleware(verified=True)]
editors = [guard.middleware(any_of=("editor", "admin"))]
admins = [guard.middleware("admin")]

app = Starlette(
    routes=[
        Route("/orders", list_orders, methods=["GET"], middleware=signed_in),
        Route("/reviews", write_review, methods=["POST"], middleware=proved),
        Route("/reports", read_reports, methods=["GET"], middleware=editors),
        Route("/orders", remove_orders, methods=["DELETE"], middleware=admins),
    ]
)
