"""A switch that treats frames badly, in the network namespace it is started in.

    python3 switch.py PORT...

forwards Ethernet frames between the named links until standard input ends. Each line there says how
from now on, and is answered by the number of frames that were lost by order so far:

    rough LOSS DELAY_MS REORDER DUPLICATE   shares in percent of the frames that are lost, held back
                                            until later ones have passed, and delivered twice
    mute PORT... / deaf PORT...             nothing comes from / goes to these
    apart PORT...                           nothing passes between these and the others
    well                                    all is well
    record FILE                             writes all frames that come from now on to a file: each
                                            behind its length, four bytes, big-endian

The kernel's own tool for this, netem, is missing from many kernels; raw sockets are not. Frames come
with the header that says what was left to a network card to do (checksums, cutting into segments),
and leave with it.
"""

import heapq
import random
import select
import socket
import sys
import time

PACKET_OUTGOING = 4
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
ALL_PROTOCOLS = 3
HEADER_BYTES = 10
FRAME_BYTES_MAX = 70_000
# How much later a frame comes that others overtake, in multiples of the delay.
HELD_BACK = 3


class Switch:
    def __init__(self, names):
        self.ports = {name: open_port(name) for name in names}
        self.learned = {}
        self.waiting = []
        self.number = 0
        self.lost = 0
        self.record = None
        self.well()

    def well(self):
        self.loss = self.reorder = self.duplicate = 0
        self.delay = 0.0
        self.mute = self.deaf = self.apart = frozenset()

    def order(self, line):
        match line.split():
            case ["rough", *shares]:
                loss, delay, reorder, duplicate = map(float, shares)
                self.loss, self.reorder, self.duplicate = loss, reorder, duplicate
                self.delay = delay / 1000
            case [("mute" | "deaf" | "apart") as word, *names]:
                setattr(self, word, frozenset(names))
            case ["well"]:
                self.well()
            case ["record", path]:
                # Without a buffer: what was answered is in the file.
                self.record = open(path, "wb", buffering=0)
            case _:
                raise ValueError(line)

    def take(self, name):
        frame, address = self.ports[name].recvfrom(FRAME_BYTES_MAX)
        if address[2] == PACKET_OUTGOING:
            return
        if self.record:
            bare = frame[HEADER_BYTES:]
            self.record.write(len(bare).to_bytes(4, "big") + bare)
        target, source = frame[HEADER_BYTES:][:6], frame[HEADER_BYTES:][6:12]
        self.learned[source] = name
        known = self.learned.get(target)
        # To one, if it is known, and if not or if it is for many, to all.
        for other in [known] if known else list(self.ports):
            if other != name:
                self.pass_on(name, other, frame)

    def pass_on(self, source, target, frame):
        cut = (source in self.apart) != (target in self.apart)
        if cut or source in self.mute or target in self.deaf or chance(self.loss):
            self.lost += 1
            return
        for _ in range(2 if chance(self.duplicate) else 1):
            held = HELD_BACK if chance(self.reorder) else 1
            due = time.monotonic() + self.delay * held
            # The number keeps the order of those that are due at once.
            self.number += 1
            heapq.heappush(self.waiting, (due, self.number, target, frame))

    def send_due(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, target, frame = heapq.heappop(self.waiting)
            try:
                self.ports[target].send(frame)
            except OSError:
                # A full queue or a link that is down: lost, as on any network.
                pass

    def run(self):
        names = {port.fileno(): name for name, port in self.ports.items()}
        poll = select.poll()
        for number in [sys.stdin.fileno(), *names]:
            poll.register(number, select.POLLIN)
        while True:
            timeout = None
            if self.waiting:
                timeout = max(0.0, self.waiting[0][0] - time.monotonic()) * 1000
            for number, _ in poll.poll(timeout):
                if number in names:
                    self.take(names[number])
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                self.order(line)
                print(self.lost, flush=True)
            self.send_due()


def open_port(name):
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    port.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    port.bind((name, ALL_PROTOCOLS))
    return port


def chance(percent):
    return random.random() * 100 < percent


if __name__ == "__main__":
    switch = Switch(sys.argv[1:])
    print(switch.lost, flush=True)
    switch.run()
