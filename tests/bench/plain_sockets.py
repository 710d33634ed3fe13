#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long plain TCP sockets on the loopback take for memory that is there on
both sides: as many connections as asked for, a thread at each end of each.
What a migration over as many channels is held against.

Prints one line of JSON: total_ms, cpu_s (of both processes)."""

import argparse
import json
import mmap
import os
import socket
import struct
import threading
import time

STEP = 1 << 20  # bytes in one system call
READY = b'r'


def parts(memory, count):
    """`count` pieces of about the same size."""
    view = memoryview(memory)
    step = len(view) // count
    return [view[i * step:(i + 1) * step if i < count - 1 else len(view)]
            for i in range(count)]


def in_threads(function, pairs):
    threads = [threading.Thread(target=function, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def send(sock, view):
    for at in range(0, len(view), STEP):
        sock.sendall(view[at:at + STEP])


def receive(sock, view):
    at = 0
    while at < len(view):
        got = sock.recv_into(view[at:at + STEP])
        if got == 0:
            raise EOFError('%d of %d bytes' % (at, len(view)))
        at += got


def populated(size):
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS |
                     mmap.MAP_POPULATE)


def receiver(listener, size, count, pipe):
    """The other process: accepts all, says so, and says when all is there."""
    memory = populated(size)
    socks = [listener.accept()[0] for _ in range(count)]
    os.write(pipe, READY)
    before = time.process_time()
    in_threads(receive, list(zip(socks, parts(memory, count))))
    os.write(pipe, struct.pack('d', time.process_time() - before))


def carry(size, count):
    """Figures of one run."""
    listener = socket.create_server(('127.0.0.1', 0), backlog=count)
    back, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(back)
            receiver(listener, size, count, pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(pipe)
    memory = populated(size)
    socks = []
    for _ in range(count):
        socks.append(socket.create_connection(listener.getsockname()))
        socks[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ready = os.read(back, 1)
    before, start = time.process_time(), time.monotonic()
    in_threads(send, list(zip(socks, parts(memory, count))))
    done = os.read(back, struct.calcsize('d'))
    total, cpu = time.monotonic() - start, time.process_time() - before
    if ready != READY or os.waitpid(child, 0)[1] != 0:
        raise SystemExit('plain_sockets: the receiver failed')
    return {'total_ms': total * 1e3,
            'cpu_s': cpu + struct.unpack('d', done)[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=2048, help='MiB')
    parser.add_argument('--connections', type=int, default=1)
    args = parser.parse_args()
    print(json.dumps(carry(args.size << 20, args.connections)))


if __name__ == '__main__':
    main()
