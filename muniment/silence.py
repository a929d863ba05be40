"""Nothing leaves the building: switches set on import, and sockets that reach only named hosts.

Import this module before any other in every process. Importing it changes the environment of
the process and mutes libraries (the one module here whose import acts), because third-party
libraries read their switches while they are imported. ``enforce`` then installs the refusal in
the interpreter.

The refusal is a Python audit hook: it sees every look-up and connection made through the
``socket`` module, whoever makes it, in every thread. It does not see native code that opens
sockets by itself, nor child processes; those are kept quiet by ``environment()``, and proved
quiet by the tripwire in ``tests/attacks``. A site adds a network that has no way out.
"""

import errno
import ipaddress
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

_log = logging.getLogger("muniment.silence")

SWITCHES: Final[Mapping[str, str]] = {
    # Model hub: files come from folders given in the settings, never from a name.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    # The common opt-outs. vLLM compares the first with "1", unstructured the second with "true".
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
    "ANONYMIZED_TELEMETRY": "False",
    "OTEL_SDK_DISABLED": "true",
    # vLLM: usage statistics, and a route look-up that names a public address.
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "QDRANT__TELEMETRY_DISABLED": "true",
    # Streamlit: statistics sent by the browser, the e-mail prompt, links to search engines.
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "STREAMLIT_SERVER_SHOW_EMAIL_PROMPT": "false",
    "STREAMLIT_SERVER_HEADLESS": "true",
    "STREAMLIT_CLIENT_SHOW_ERROR_LINKS": "false",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",  # and nothing else
    # Not telemetry: forking after tokenizer threads have started prints a warning and may hang.
    "TOKENIZERS_PARALLELISM": "false",
}
"""Every switch that keeps a component quiet. A cache folder (``TIKTOKEN_CACHE_DIR``,
``NLTK_DATA``) is deliberately not among them: it would hide the copy bundled in a package and
send the library to the network for another."""

MUTED_MODULES: Final = ("openvino_telemetry",)
"""Made impossible to import: OpenVINO then uses its own silent stand-in. It has no switch that
holds without a file in every home folder, and reports each model conversion until told not to."""

PROXY_VARIABLES: Final = frozenset(
    {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "ws_proxy", "wss_proxy"}
)
"""Removed in either case: a proxy is a way out that looks like the inside."""

NAME_SERVICE_PORTS: Final = frozenset({53, 853, 5353, 5355})
"""Refused on loopback too: a local resolver carries a question, and what it spells, outside."""

LOOK_AGAIN_SECONDS: Final = 5.0
"""How often at most a configured name is looked up again when an unknown address is met."""

_LOCAL_NAMES: Final = frozenset({"", "localhost", "ip6-localhost", "localhost.localdomain"})
_LOCAL_FAMILIES: Final = frozenset({socket.AF_UNIX, getattr(socket, "AF_NETLINK", socket.AF_UNIX)})
_PACKET_FAMILY: Final = getattr(socket, "AF_PACKET", None)
_KIND_BITS: Final = 0xF

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class EgressRefused(PermissionError):
    """A socket was about to reach a host that is not configured.

    Attributes:
        host: The name or address that was wanted.
        port: The port, or None for a look-up of a name.
    """

    def __init__(self, host: str, port: int | None) -> None:
        self.host = host
        self.port = port
        place = host if port is None else f"{host} port {port}"
        super().__init__(
            errno.EACCES,
            f"refused to contact {place}: only this machine and the configured hosts may be "
            "reached. If it belongs to this installation, add it to MUNIMENT_ALLOWED_HOSTS",
        )


class _AllowedHosts:
    """The hosts that may be reached besides this machine.

    Args:
        hosts: Names, addresses, or networks ("10.1.0.0/16").
    """

    def __init__(self, hosts: Collection[str]) -> None:
        self._names: set[str] = set()
        self._networks: list[Network] = []
        self._resolved: frozenset[Address] = frozenset()
        self._looked_at = -LOOK_AGAIN_SECONDS
        self._lock = threading.Lock()
        for host in hosts:
            self._add(host.strip().strip("[]"))

    def _add(self, host: str) -> None:
        try:
            self._networks.append(ipaddress.ip_network(host, strict=False))
        except ValueError:
            self._names.add(_plain_name(host))

    def has_name(self, name: str) -> bool:
        """Say whether a name may be looked up."""
        return _plain_name(name) in self._names

    def has_address(self, address: Address) -> bool:
        """Say whether an address may be reached; looks names up again if it is unknown."""
        if any(address in network for network in self._networks):
            return True
        return address in self._resolved or address in self._look_up()

    def _look_up(self) -> frozenset[Address]:
        with self._lock:
            if self._names and time.monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS:
                self._looked_at = time.monotonic()
                self._resolved = frozenset(_addresses_of(self._names))
            return self._resolved


_allowed = _AllowedHosts(())
_installed = False


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a silent environment for a child process.

    Args:
        base: What to start from; the environment of this process if left out.

    Returns:
        A new dictionary with every switch set and no proxy variable.
    """
    start = os.environ if base is None else base
    kept = {name: value for name, value in start.items() if not _is_proxy(name)}
    return kept | dict(SWITCHES)


def enforce(allowed_hosts: Collection[str] = ()) -> None:
    """Let sockets reach this machine and the given hosts only, from now on.

    Calling it again replaces the hosts; the refusal itself cannot be taken off.

    Args:
        allowed_hosts: Names, addresses or networks. A name that cannot be found now is looked
            up again when it is used.
    """
    global _allowed, _installed  # noqa: PLW0603 - an audit hook is one per interpreter
    _allowed = _AllowedHosts([host for host in allowed_hosts if host.strip()])
    if not _installed:
        sys.addaudithook(_audit)
        _installed = True


def _silence_this_process() -> None:
    for name in [name for name in os.environ if _is_proxy(name)]:
        del os.environ[name]
    os.environ.update(SWITCHES)
    for module in MUTED_MODULES:
        sys.modules[module] = None  # type: ignore[assignment]  # an import of it then fails


def _is_proxy(name: str) -> bool:
    return name.lower() in PROXY_VARIABLES


def _plain_name(name: str) -> str:
    return name.rstrip(".").lower()


def _addresses_of(names: Iterable[str]) -> set[Address]:
    found: set[Address | None] = set()
    for name in names:
        try:
            answers = socket.getaddrinfo(name, None)
        except OSError:
            continue
        found.update(_address(str(answer[4][0])) for answer in answers)
    return {address for address in found if address is not None}


def _is_this_machine(address: Address) -> bool:
    """Say whether packets to an address stay here; Linux takes the unspecified one as loopback."""
    return address.is_loopback or address.is_unspecified


def _address(host: str) -> Address | None:
    """Return the address a text spells, IPv4 inside IPv6 unwrapped, or None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def _text(host: object) -> str:
    if isinstance(host, bytes | bytearray):
        return host.decode("ascii", "replace")
    return "" if host is None else str(host)


def _refuse(host: str, port: int | None) -> None:
    _log.warning("egress.refused host=%s port=%s", host, port)
    raise EgressRefused(host, port)


def _check_name(host: object) -> None:
    """Refuse to look a name up unless it is local or configured; a spelt address asks nobody."""
    name = _text(host)
    if _plain_name(name) in _LOCAL_NAMES or _address(name) is not None or _allowed.has_name(name):
        return
    _refuse(name, None)


def _check_destination(place: object) -> None:
    if not isinstance(place, tuple) or len(place) < 2:
        _refuse(repr(place), None)
        return
    host, port = _text(place[0]), place[1]
    if port in NAME_SERVICE_PORTS:
        _refuse(host, port)
    address = _address(host)
    if address is None:
        if _plain_name(host) not in _LOCAL_NAMES and not _allowed.has_name(host):
            _refuse(host, port)
    elif not _is_this_machine(address) and not _allowed.has_address(address):
        _refuse(host, port)


def _on_transfer(arguments: tuple[object, ...]) -> None:
    """Handle connect, sendto and sendmsg: the socket, and where it is to go."""
    connection, place = arguments[0], arguments[1]
    if place is None or getattr(connection, "family", None) in _LOCAL_FAMILIES:
        return
    _check_destination(place)


def _on_look_up(arguments: tuple[object, ...]) -> None:
    _check_name(arguments[0])


def _on_reverse_look_up(arguments: tuple[object, ...]) -> None:
    """Allow asking for the name of a local address only: others are a question to a server."""
    place = arguments[0]
    host = _text(place[0] if isinstance(place, tuple) else place)
    address = _address(host)
    local = _is_this_machine(address) if address else _plain_name(host) in _LOCAL_NAMES
    if not local:
        _refuse(host, None)


def _on_new_socket(arguments: tuple[object, ...]) -> None:
    """Refuse sockets that write packets themselves, past every other check."""
    family, kind = arguments[1], arguments[2]
    is_raw = isinstance(kind, int) and kind & _KIND_BITS == socket.SOCK_RAW
    if family == _PACKET_FAMILY or (is_raw and family not in _LOCAL_FAMILIES):
        _refuse("the network with a raw socket", None)


_CHECKS: Final[Mapping[str, Callable[[tuple[object, ...]], None]]] = {
    "socket.__new__": _on_new_socket,
    "socket.connect": _on_transfer,
    "socket.sendto": _on_transfer,
    "socket.sendmsg": _on_transfer,
    "socket.getaddrinfo": _on_look_up,
    "socket.gethostbyname": _on_look_up,
    "socket.gethostbyaddr": _on_reverse_look_up,
    "socket.getnameinfo": _on_reverse_look_up,
}


def _audit(
    event: str,
    arguments: tuple[object, ...],
    check_of: Callable[[str], Callable[[tuple[object, ...]], None] | None] = _CHECKS.get,
) -> None:
    """Check socket events. Called for every audit event of the interpreter: keep it short."""
    check = check_of(event)
    if check is not None:
        check(arguments)


_silence_this_process()
