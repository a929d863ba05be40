"""Run a command where the way out looks open, and report everything that tries to leave.

    python tests/attacks/tripwire.py [--seconds N] -- COMMAND...

The command gets a network namespace whose only uplink is one end of a virtual cable. Routes, a
gateway and a resolver are in place for IPv4 and IPv6, so nothing fails early: a program that
wants to phone home really sends its packet, which is then seen at both ends of the cable. (In a
namespace without a way out, ``connect`` fails before a packet exists, and an empty capture would
prove nothing.) Questions to a name server are counted on loopback too, because a local resolver
would carry them outside.

The verdict is one line of JSON on standard output; what the command prints goes to standard error.
Exit codes: 0 nothing left; 1 nothing left but the command failed; 2 no namespace can be made;
3 something left; 4 packets were missed, so nothing is proved.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

UPLINK = "up0"
FAR_END = "far0"
RESOLVER_V4 = "203.0.113.53"
NAME_PORTS = frozenset({53, 853, 5353, 5355})
SETTLE_SECONDS = 1.0
"""How long to go on listening when the command has ended: the last packets may be on their way."""

CABLE = f"""
link set lo up
link add {UPLINK} type veth peer name {FAR_END}
link set {UPLINK} addrgenmode none
link set {FAR_END} addrgenmode none
addr add 198.51.100.2/24 dev {UPLINK}
addr add 2001:db8:51::2/64 dev {UPLINK} nodad
link set {UPLINK} up
link set {FAR_END} up
neigh add 198.51.100.1 lladdr 02:00:00:00:00:01 dev {UPLINK}
neigh add 2001:db8:51::1 lladdr 02:00:00:00:00:01 dev {UPLINK}
route add default via 198.51.100.1 dev {UPLINK}
-6 route add default via 2001:db8:51::1 dev {UPLINK}
"""
"""Addresses come from the blocks kept for documentation (RFC 5737, RFC 3849)."""

LOCAL_NAME_SERVICES = (Path("/run/nscd"), Path("/run/systemd/resolve"))
"""Sockets in the file system that answer look-ups from outside the namespace: hidden."""

ETHERNET_PROTOCOLS = {0x0800: "IPv4", 0x86DD: "IPv6", 0x0806: "ARP"}
TRANSPORTS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
KERNEL_HOUSEKEEPING = frozenset({130, 131, 132, 133, 134, 135, 136, 143})
"""ICMPv6 types by which a kernel finds its neighbours and joins groups; no program sends them."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What is told of a packet: where it went, never what was in it but for names asked for."""

    protocol: str
    destination: str
    port: int
    name_asked: str = ""


@dataclass(slots=True)
class Verdict:
    """What was seen while the command ran."""

    command_exit: int = 0
    left: list[dict[str, object]] = field(default_factory=list)
    names_asked: list[str] = field(default_factory=list)
    missed: int = 0

    def exit_code(self) -> int:
        """Return the exit code that tells the verdict."""
        if self.left:
            return 3
        if self.missed:
            return 4
        return 1 if self.command_exit else 0


def name_in(query: bytes) -> str:
    """Return the name a DNS query asks for, as far as it can be read."""
    labels, place = [], 12
    while place < len(query) and 0 < query[place] < 64:
        labels.append(query[place + 1 : place + 1 + query[place]].decode("latin-1"))
        place += query[place] + 1
    return ".".join(labels)


def transported(number: int, destination: str, payload: bytes) -> Packet:
    """Describe what an IP packet carries."""
    transport = TRANSPORTS.get(number, f"protocol {number}")
    if number not in (6, 17) or len(payload) < 4:
        return Packet(transport, destination, 0)
    port = struct.unpack("!H", payload[2:4])[0]
    name = name_in(payload[8:]) if number == 17 and port in NAME_PORTS else ""
    return Packet(transport, destination, port, name)


def packet_in(frame: bytes) -> Packet | None:
    """Describe an Ethernet frame; None for what the kernel sends of its own accord."""
    protocol, packet = struct.unpack("!H", frame[12:14])[0], frame[14:]
    if protocol == 0x0800 and len(packet) >= 20:
        header = (packet[0] & 15) * 4
        return transported(packet[9], socket.inet_ntoa(packet[16:20]), packet[header:])
    if protocol == 0x86DD and len(packet) >= 40:
        number, payload = packet[6], packet[40:]
        if number == 0 and len(payload) >= 8:
            number, payload = payload[0], payload[8 * (payload[1] + 1) :]
        if number == 58 and payload and payload[0] in KERNEL_HOUSEKEEPING:
            return None
        return transported(number, socket.inet_ntop(socket.AF_INET6, packet[24:40]), payload)
    if protocol == 0x0806 and len(packet) >= 28:
        return Packet("arp", socket.inet_ntoa(packet[24:28]), 0)
    return Packet(ETHERNET_PROTOCOLS.get(protocol, f"ethernet {protocol:#06x}"), "", 0)


class Sniffer:
    """Counts the packets of one interface from the moment it is made."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.seen: Counter[Packet] = Counter()
        every_protocol = socket.htons(3)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, every_protocol)
        for option in (socket.SO_RCVBUF, getattr(socket, "SO_RCVBUFFORCE", 33)):
            with contextlib.suppress(PermissionError):
                self._socket.setsockopt(socket.SOL_SOCKET, option, 32 << 20)
        self._socket.bind((interface, 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        # The far end sees arrivals, the others departures; each would else be counted twice.
        departing = self.interface != FAR_END
        while True:
            frame, address = self._socket.recvfrom(2048)
            if (address[2] == socket.PACKET_OUTGOING) is not departing or len(frame) < 14:
                continue
            packet = packet_in(frame)
            if packet is not None:
                self.seen[packet] += 1

    def leaving(self) -> dict[Packet, int]:
        """Return what left; on loopback only questions to a name server count."""
        return {
            packet: count
            for packet, count in list(self.seen.items())
            if self.interface != "lo" or packet.port in NAME_PORTS
        }

    def missed(self) -> int:
        """Return how many packets came too fast to be seen, since the last call."""
        packet_level, packet_statistics = 263, 6
        statistics = self._socket.getsockopt(packet_level, packet_statistics, 8)
        dropped: int = struct.unpack("II", statistics)[1]
        return dropped


def lay_cable() -> None:
    """Give the namespace its uplink, its routes and its resolver."""
    for line in CABLE.strip().splitlines():
        subprocess.run(["ip", *line.split()], check=True)
    with tempfile.NamedTemporaryFile("w", prefix="resolver-") as resolver:
        resolver.write(f"nameserver {RESOLVER_V4}\noptions timeout:1 attempts:1\n")
        resolver.flush()
        subprocess.run(["mount", "--bind", resolver.name, "/etc/resolv.conf"], check=True)
    for folder in LOCAL_NAME_SERVICES:
        if folder.is_dir():
            subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], check=True)


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a group of its own, and end what is left of the group afterwards."""
    process = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def watch(command: Sequence[str], *, seconds: float) -> Verdict:
    """Run the command and report what left. Must be called inside the namespace."""
    lay_cable()
    sniffers = [Sniffer(interface) for interface in ("lo", UPLINK, FAR_END)]
    verdict = Verdict()
    with running(command) as process:
        try:
            verdict.command_exit = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            verdict.command_exit = 124
        time.sleep(SETTLE_SECONDS)
    for sniffer in sniffers:
        verdict.missed += sniffer.missed()
        for packet, count in sniffer.leaving().items():
            verdict.left.append({"at": sniffer.interface, **asdict(packet), "packets": count})
            if packet.name_asked and packet.name_asked not in verdict.names_asked:
                verdict.names_asked.append(packet.name_asked)
    return verdict


def namespace_command() -> list[str]:
    """Return the command prefix that makes a namespace here; empty if none can be made."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return []
    for flags in ("-Urnm", "-nm"):
        probe = "ip link add probe0 type veth peer name probe1 && mount -t tmpfs none /mnt"
        tried = subprocess.run(
            ["unshare", flags, "sh", "-c", probe], capture_output=True, check=False
        )
        if tried.returncode == 0:
            return ["unshare", flags]
    return []


def main() -> int:
    """Enter a namespace, or do the watching when already inside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="end the command after this")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--available", action="store_true", help="only say whether it can work")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if arguments.inside:
        verdict = watch(command, seconds=arguments.seconds)
        print(json.dumps(asdict(verdict)))
        return verdict.exit_code()
    prefix = namespace_command()
    if not prefix:
        print("this machine lets nobody make a network namespace with a veth cable")
        return 2
    if arguments.available:
        return 0
    seconds = str(arguments.seconds)
    itself = [sys.executable, __file__, "--inside", "--seconds", seconds, "--", *command]
    return subprocess.run([*prefix, *itself], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
