"""A FastAPI service that takes the access tokens of a Vestibule elsewhere."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI

from vestibule.verify import Caller, Verifier
from vestibule.verify.starlette import Guard

app = FastAPI()
guard = Guard(Verifier(os.environ.get("ISSUER", "http://localhost:8000")))


@app.get("/orders")
async def list_orders(caller: Annotated[Caller, Depends(guard.signed_in)]) -> dict[str, str]:
    return {"orders_of": str(caller.account_id)}


@app.post("/reviews", dependencies=[Depends(guard.requires(verified=True))])
async def write_review() -> dict[str, bool]:
    return {"written": True}


@app.get("/reports")
async def read_reports(
    caller: Annotated[Caller, Depends(guard.requires(any_of=("editor", "admin")))],
) -> dict[str, list[str]]:
    return {"roles": sorted(caller.roles)}


@app.delete("/orders", dependencies=[Depends(guard.requires("admin"))])
async def remove_orders() -> dict[str, bool]:
    return {"removed": True}
