"""A Quart service that takes the access tokens of a Vestibule elsewhere."""

import os

from quart import Quart

from vestibule.verify import Verifier
from vestibule.verify.quart import Guard

app = Quart(__name__)
guard = Guard(Verifier(os.environ.get("ISSUER", "http://localhost:8000")))


@app.get("/orders")
@guard.signed_in
async def list_orders() -> dict[str, str]:
    return {"orders_of": str(guard.caller.account_id)}


@app.post("/reviews")
@guard.requires(verified=True)
async def write_review() -> dict[str, bool]:
    return {"written": True}


@app.get("/reports")
@guard.requires(any_of=("editor", "admin"))
async def read_reports() -> dict[str, list[str]]:
    return {"roles": sorted(guard.caller.roles)}


@app.delete("/orders")
@guard.requires("admin")
async def remove_orders() -> dict[str, bool]:
    return {"removed": True}
