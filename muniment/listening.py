"""Serve an application over HTTP, and know which ports are taken."""

import errno
import logging
import socket

import uvicorn

from muniment.errors import PortBusy
from muniment.settings import Settings, variable_of


def serve_application(application: object, settings: Settings, *, host: str, port: int) -> None:
    """Serve an ASGI application until SIGTERM or Ctrl-C; requests are not logged."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    if settings.log_level != "debug":
        # One line for every request to the model server: thousands at each start.
        logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(
        application,  # type: ignore[arg-type]  # an ASGI application of either framework
        host=host,
        port=port,
        access_log=False,
        log_level=settings.log_level,
        server_header=False,
        forwarded_allow_ips=settings.proxy_addresses,
        timeout_graceful_shutdown=3,
    )


def require_free(host: str, port: int, *, setting: str, what: str) -> None:
    """Stop with a sentence when something else listens on a port.

    Args:
        host: Address that will be listened on.
        port: The port.
        setting: Name of the setting that chooses it.
        what: What the port is for, in words.

    Raises:
        PortBusy: The port is taken, or this user may not listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose last connections are still dying counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken by another program" if error.errno == errno.EADDRINUSE else "fails"
            raise PortBusy(
                f"Port {port} on {host}, which {what} needs, {reason} ({error.strerror}). Stop "
                f"that program, or choose another port with {variable_of(setting)}."
            ) from error
