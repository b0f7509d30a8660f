"""The addresses of this machine. Standard library only."""

from __future__ import annotations

import socket
import struct
import sys

ELSEWHERE = ("192.0.2.1", 9)
"""An address of no machine (RFC 5737)."""
_SIOCGIFADDR = 0x8915  # netdevice(7)


def own_address() -> str:
    """Return the IPv4 address of this machine in the network of its default route; its host name
    if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)  # sends nothing
        except OSError:
            return socket.gethostname()
        return probe.getsockname()[0]


def interface_of(address: str) -> str | None:
    """Return the name of the network interface that has this IPv4 address, None if there is none
    or the system does not tell."""
    if sys.platform != "linux":
        return None
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
            except OSError:  # it has no IPv4 address
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None
