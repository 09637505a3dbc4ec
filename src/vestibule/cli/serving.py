"""`vestibule serve`."""

import asyncio
import os
import sys
from importlib.metadata import version

import click

from vestibule import server
from vestibule.app import create_app
from vestibule.cli import logs
from vestibule.kernel.settings import Settings, unknown_variables


@click.command()
@click.option("--host", help="Listen here instead of on HOST.")
@click.option("--port", type=int, help="Listen here instead of on PORT; 0 takes any free one.")
def serve(host: str | None, port: int | None) -> None:
    """Serve until told to stop.

    Example: PORT=8080 vestibule serve
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = Settings.load(**given)
    for warning in unknown_variables(os.environ):
        click.echo(f"Warning: {warning}", err=True)
    with server.listen(settings.host, settings.port) as listener:
        bound = listener.getsockname()[1]
        settings = Settings.load(**given | {"port": bound})
        app = create_app(settings)
        with logs.written(settings):
            asyncio.run(server.run(app, listener, ready=lambda: _say_where(settings)))


def _say_where(settings: Settings) -> None:
    name = f"Vestibule {version('vestibule')}, {settings.mode} mode"
    if settings.in_development:
        click.echo(f"{name}: {settings.base_url}   (Ctrl-C stops it)")
        click.echo(f"  its data   {settings.data_dir.resolve()}")
        click.echo(f"  letters    {settings.base_url}/dev/mailbox")
    else:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        click.echo(f"{name}: listening on {host}:{settings.port} for {settings.base_url}")
    if settings.shows_docs:
        click.echo(f"  API docs   {settings.base_url}/docs")
    sys.stdout.flush()
