"""A Flask service that takes the access tokens of a Vestibule elsewhere."""

import os

from flask import Flask

from vestibule.verify import Verifier
from vestibule.verify.flask import Guard

app = Flask(__name__)
guard = Guard(Verifier(os.environ.get("ISSUER", "http://localhost:8000")))


@app.get("/orders")
@guard.signed_in
def list_orders() -> dict[str, str]:
    return {"orders_of": str(guard.caller.account_id)}


@app.post("/reviews")
@guard.requires(verified=True)
def write_review() -> dict[str, bool]:
    return {"written": True}


@app.get("/reports")
@guard.requires(any_of=("editor", "admin"))
def read_reports() -> dict[str, list[str]]:
    return {"roles": sorted(guard.caller.roles)}


@app.delete("/orders")
@guard.requires("admin")
def remove_orders() -> dict[str, bool]:
    return {"removed": True}
