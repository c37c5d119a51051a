"""What a stranger does to a DNS server, in a network of its own: it prints a JSON text when it has done it.

hold SERVER PORT COUNT ADDRESS...: opens COUNT connections from each address, asks a question on each every half
  second, and prints a line when all that can be are open; it goes on until it is killed.
flood SERVER PORT COUNT ADDRESS [COOKIE]: sends COUNT queries over UDP at 8,000 a second, with an EDNS cookie option
  where one is given (in hexadecimal), and counts what comes back, by RCODE, and its octets.
"""

import json
import socket
import struct
import sys
import time

QUESTION = b"\3www\7example\0\0\1\0\1"


def query(number, cookie=None):
    option = b"" if cookie is None else struct.pack(">HH", 10, len(cookie)) + cookie
    opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, len(option)) + option
    return struct.pack(">HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 1) + QUESTION + opt


def hold(server, count, addresses):
    held = []
    for address in addresses:
        for _ in range(count):
            try:
                conn = socket.create_connection(server, 5, (address, 0))
            except OSError:
                continue
            held.append(conn)
    first = True
    while True:
        for conn in list(held):
            try:
                message = query(7)
                conn.sendall(struct.pack(">H", len(message)) + message)
                if conn.recv(4096) == b"":
                    raise OSError("hung up on")
            except OSError:
                held.remove(conn)
        if first:
            print(json.dumps({"held": len(held)}), flush=True)
            first = False
        time.sleep(0.5)


def flood(server, count, address, cookie=None):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.setblocking(False)
    sent_octets = octets = truncated = 0
    rcodes = {}

    def take():
        nonlocal octets, truncated
        while True:
            try:
                response = sock.recv(4096)
            except BlockingIOError:
                return
            octets += len(response)
            truncated += response[2] >> 1 & 1
            rcode = response[3] & 15
            rcodes[rcode] = rcodes.get(rcode, 0) + 1

    began = time.monotonic()
    for number in range(count):
        while number > (time.monotonic() - began) * 8000:
            take()
            time.sleep(0.001)
        message = query(number, cookie)
        try:
            sent_octets += sock.sendto(message, server)
        except BlockingIOError:
            pass
    took = time.monotonic() - began
    time.sleep(0.5)
    take()
    print(json.dumps({
        "seconds": took, "sentOctets": sent_octets, "octets": octets,
        "responses": sum(rcodes.values()), "truncated": truncated, "rcodes": rcodes,
    }), flush=True)


what, host, port, count, *rest = sys.argv[1:]
if what == "hold":
    hold((host, int(port)), int(count), rest)
else:
    cookie = bytes.fromhex(rest[1]) if len(rest) > 1 else None
    flood((host, int(port)), int(count), rest[0], cookie)
