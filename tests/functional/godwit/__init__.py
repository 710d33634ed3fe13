# SPDX-License-Identifier: GPL-2.0-or-later
"""Start whole machines, talk to them, migrate them: for tests and benchmarks.

Everything that arrives (monitor replies and events, serial lines, standard
error, the end of a process) comes through one Reactor, so a test waits for
what it needs and never sleeps.
"""
