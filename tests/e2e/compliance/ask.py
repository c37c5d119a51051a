"""Sends packets, given as hexadecimal words, to a DNS server, and prints what dnspython makes of each response.

ask.py ADDRESS PORT udp|tcp COUNT PACKET...

Over TCP all packets go out at once on one connection. A line of JSON for each response, in the order they come; fewer
than COUNT when no more come within the time.
"""

import json
import socket
import sys

import dns.flags
import dns.message
import dns.opcode
import dns.rcode

SECONDS = 10


def describe(wire):
    message = dns.message.from_wire(wire)
    section = lambda name: [
        line for rrset in getattr(message, name) for line in rrset.to_text().split("\n")
    ]
    return {
        "id": message.id,
        "octets": len(wire),
        "opcode": dns.opcode.to_text(message.opcode()),
        "rcode": dns.rcode.to_text(message.rcode()),
        "flags": dns.flags.to_text(message.flags).lower().split(),
        "reserved": bool(message.flags & 0x0040),
        "edns": message.edns,
        "payload": message.payload,
        "options": [int(option.otype) for option in message.options],
        "question": section("question"),
        "answer": section("answer"),
        "authority": section("authority"),
    }


def messages_of(sock, over):
    if over == "udp":
        while True:
            yield sock.recv(65535)
    stream = sock.makefile("rb")
    while prefix := stream.read(2):
        yield stream.read(int.from_bytes(prefix, "big"))


address, port, over, count, *packets = sys.argv[1:]
kind = socket.SOCK_STREAM if over == "tcp" else socket.SOCK_DGRAM
with socket.socket(socket.AF_INET, kind) as sock:
    sock.settimeout(SECONDS)
    sock.connect((address, int(port)))
    wires = [bytes.fromhex(packet) for packet in packets]
    if over == "tcp":
        sock.sendall(b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires))
    else:
        for wire in wires:
            sock.send(wire)
    responses = messages_of(sock, over)
    for _ in range(int(count)):
        try:
            print(json.dumps(describe(next(responses))), flush=True)
        except (TimeoutError, StopIteration):
            break
