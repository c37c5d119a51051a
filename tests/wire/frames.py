"""
frames.py listen INTERFACE: prints every frame that comes in, in hexadecimal, a line each, after a first line.
frames.py send INTERFACE FRAME...: sends frames that are given in hexadecimal.
"""
import socket
import sys

ETH_P_ALL = 3
what, interface, *frames = sys.argv[1:]
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
packets.bind((interface, ETH_P_ALL))
if what == "send":
    for frame in frames:
        packets.send(bytes.fromhex(frame))
else:
    print("listening", flush=True)
    while True:
        frame, (_, _, kind, _, _) = packets.recvfrom(65536)
        if kind != socket.PACKET_OUTGOING:
            print(frame.hex(), flush=True)
