# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait for many file descriptors at once, and for a condition."""

import selectors
import time

DEFAULT_TIMEOUT = 60.0


class WaitTimeout(Exception):
    """A condition did not come true in time."""


class Reactor:
    """Calls a function when its file descriptor can be read."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()

    def add(self, fileobj, callback):
        self._selector.register(fileobj, selectors.EVENT_READ, callback)

    def remove(self, fileobj):
        try:
            self._selector.unregister(fileobj)
        except (KeyError, ValueError):
            pass

    def turn(self, timeout):
        """Handle what is there, or wait for the first of it."""
        if not self._selector.get_map():
            time.sleep(min(timeout, 0.01))
            return
        for key, _ in self._selector.select(timeout):
            # One that was called before may have removed it.
            if self._selector.get_map().get(key.fd) == key:
                key.data()

    def wait(self, condition, what, timeout=DEFAULT_TIMEOUT):
        """Turn until condition() is true; returns its value."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout('no %s within %g s' % (what, timeout))
            self.turn(min(left, 1.0))

    def poll(self, condition, what, timeout=DEFAULT_TIMEOUT, every=0.01):
        """Like wait(), for what only asking again can tell."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise WaitTimeout('no %s within %g s' % (what, timeout))
            self.turn(every)
