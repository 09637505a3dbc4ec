"""`vestibule serve`."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import click

from vestibule import server, supervisor
from vestibule.app import create_app
from vestibule.cli import logs
from vestibule.connections import Connections
from vestibule.embedding import Vestibule
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.settings import Settings, unknown_variables
from vestibule.web.dialects import mounting
from vestibule.web.pages import first


@click.command()
@click.option("--host", help="Listen here instead of on HOST.")
@click.option("--port", type=int, help="Listen here instead of on PORT; 0 takes any free one.")
@click.option("--workers", type=int, help="Processes, instead of VESTIBULE_WORKERS.")
@click.option(
    "--dialect",
    "dialects",
    metavar="NAME",
    multiple=True,
    help="Serve this dialect, before those that VESTIBULE_DIALECTS names; may come several times.",
)
@click.option(
    "--static", metavar="DIR", help="Serve a built front end, instead of VESTIBULE_STATIC."
)
@click.option(
    "--server",
    "by",
    type=click.Choice(["hypercorn", "granian"]),
    default="hypercorn",
    help="Who reads and writes connections; granian is an extra, faster and with fewer limits.",
)
@click.option("--listener", type=int, hidden=True)  # these two are for the supervisor
@click.option("--line", type=int, hidden=True)
def serve(
    *,
    host: str | None,
    port: int | None,
    workers: int | None,
    dialects: tuple[str, ...],
    static: str | None,
    by: str,
    listener: int | None,
    line: int | None,
) -> None:
    """Serve until told to stop.

    Example: PORT=8080 vestibule serve --workers 2
    """
    options = {"host": host, "port": port, "workers": workers, "static": static}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if dialects:
        given["dialects"] = _with_further(dialects)
    opening = _opening(by)
    if listener is not None and line is not None:
        _work(socket.socket(fileno=listener), socket.socket(fileno=line), given, opening)
        return
    settings = Settings.load(**given)
    for warning in unknown_variables(os.environ):
        click.echo(f"Warning: {warning}", err=True)
    with server.listen(settings.host, settings.port) as listening:
        settings = Settings.load(**given | {"port": listening.getsockname()[1]})
        if settings.processes > 1:
            _supervise(listening, settings, by, dialects)
        else:
            _serve(listening, settings, _say_where_and_who, opening)


def _opening(by: str) -> server.Opening:
    if by == "hypercorn":
        return Connections
    try:
        from vestibule import granian  # noqa: PLC0415 - an extra brings it
    except ImportError:
        raise CannotStart(
            "--server granian: the extra is not installed, run: pip install '.[granian]'"
        ) from None
    return granian.Connections


def _serve(
    listener: socket.socket,
    settings: Settings,
    ready: Callable[[Vestibule], None],
    opening: server.Opening,
) -> None:
    vestibule = Vestibule(settings)
    app = create_app(vestibule)
    idle = settings.idle_timeout.total_seconds()
    most = settings.connections
    with logs.written(settings):
        asyncio.run(
            server.run(
                app,
                listener,
                ready=lambda: ready(vestibule),
                idle=idle,
                most=most,
                opening=opening,
            )
        )
    if opening is not Connections:
        # Threads of granian's outlive its end, and abort a Python that ends around them.
        sys.stdout.flush()
        os._exit(0)


def _with_further(dialects: tuple[str, ...]) -> str:
    """Return what the command line names, and after it what the settings name besides."""
    named = {each.partition("@")[0].strip() for each in ",".join(dialects).split(",")}
    settings, _ = Settings.read()  # what is wrong with them is told when all is known
    others = [each for each in settings.dialects if each.name not in named]
    return ",".join((*dialects, *(str(each) for each in others)))


def _supervise(
    listener: socket.socket, settings: Settings, by: str, dialects: tuple[str, ...]
) -> None:
    # What is decided by now; the rest each worker reads for itself. -P: what lies in the current
    # directory is not ours to run.
    decided: dict[str, object] = {
        "host": settings.host,
        "port": settings.port,
        "workers": settings.processes,
    }
    decided["server"] = by
    if settings.static is not None:
        decided["static"] = settings.static
    command = [sys.executable, "-P", "-m", "vestibule", "serve"]
    command += [f"--{name}={value}" for name, value in decided.items()]
    command += [f"--dialect={each}" for each in dialects]
    supervised = supervisor.Supervisor(listener, command, count=settings.processes)
    with logs.written(settings):
        asyncio.run(supervised.run(ready=lambda: _say_where(settings)))


def _work(
    listener: socket.socket, line: socket.socket, given: dict[str, Any], opening: server.Opening
) -> None:
    # Any: whatever the settings take
    with listener, line:
        _serve(listener, Settings.load(**given), lambda _: supervisor.report(line), opening)


def _say_where_and_who(vestibule: Vestibule) -> None:
    _say_where(vestibule.settings)
    if vestibule.settings.in_development and vestibule.has_no_administrator:
        click.echo(f"  first administrator   {first.link(vestibule.means)}")
        sys.stdout.flush()


def _say_where(settings: Settings) -> None:
    name = f"Vestibule {version('vestibule')}, {settings.mode} mode"
    if settings.processes > 1:
        name += f", {settings.processes} workers"
    if settings.in_development:
        click.echo(f"{name}: {settings.base_url}   (Ctrl-C stops it)")
        click.echo(f"  its data   {settings.data_dir.resolve()}")
        click.echo(f"  letters    {settings.base_url}/dev/mailbox")
    else:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        click.echo(f"{name}: listening on {host}:{settings.port} for {settings.base_url}")
    for each in settings.dialects:
        where = f"on {each.host}" if each.host else f"at {settings.base_url}"
        click.echo(f"  front end  {each.name} {where}")
        if each.name in mounting.GIVES_AWAY:
            click.echo(f"             {mounting.GIVES_AWAY[each.name]}")
    if settings.static is not None:
        where = settings.front_end_host or settings.base_url
        click.echo(f"  its files  {settings.static.resolve()}, on {where}")
    if settings.shows_docs:
        click.echo(f"  API docs   {settings.base_url}/docs")
    sys.stdout.flush()
