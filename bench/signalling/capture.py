"""Times INVITE in to INVITE out on one clock: the kernel's stamp on loopback."""

import ctypes
import re
import socket
import struct
import threading

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4
MARK = re.compile(rb"X-Bench: ([0-9-]+)")


def invite_filter():
    """Classic BPF: IPv4 UDP without options whose payload begins with INVI."""
    instructions = [
        (0x28, 0, 0, 12),  # ethertype
        (0x15, 0, 5, 0x0800),
        (0x30, 0, 0, 23),  # protocol
        (0x15, 0, 3, 17),
        (0x20, 0, 0, 42),  # first four octets of the payload
        (0x15, 0, 1, 0x494E5649),
        (0x06, 0, 0, 4096),
        (0x06, 0, 0, 0),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)


class Capture:
    """Collects the first stamp of each INVITE per destination port while it is open."""

    def __init__(self, ports):
        self.ports = ports
        self.stamps = {port: {} for port in ports}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        code = invite_filter()
        self.code = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HL", len(code) // 8, ctypes.addressof(self.code))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.2)
        self.stopped = False
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.thread.join()
        self.socket.close()

    def run(self):
        while not self.stopped:
            try:
                packet, ancillary, _, address = self.socket.recvmsg(2048, 64)
            except TimeoutError:
                continue
            # Loopback shows each packet twice: going out and coming in.
            if address[2] != PACKET_OUTGOING or len(packet) < 44:
                continue
            port = struct.unpack_from("!H", packet, 36)[0]
            mark = MARK.search(packet)
            if port not in self.stamps or mark is None or not ancillary:
                continue
            seconds, nanos = struct.unpack("ll", ancillary[0][2])
            self.stamps[port].setdefault(mark.group(1), seconds * 1_000_000_000 + nanos)

    def microseconds(self):
        """Sorted delays between the two ports."""
        first, second = (self.stamps[port] for port in self.ports)
        return sorted((second[m] - first[m]) / 1000 for m in first.keys() & second.keys())
