# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/checkpatch: good messages pass, each fault is told."""

import unittest

import scripttest

patch = scripttest.load_script('checkpatch')

AUTHOR = 'Ann Author <ann@host.example>'
GOOD = f'''io/channel: stop reading twice

The second read lost what came after the first.

    an indented quotation may be as long as it has to be, just as this one does

Fixes: 1f2e3d4c5b6a ("io/channel: read")
Signed-off-by: {AUTHOR}
'''


class Message(unittest.TestCase):
    def check(self, message, count):
        found = patch.check_message(message, AUTHOR)
        self.assertEqual(len(found), count, found)

    def test_good(self):
        self.check(GOOD, 0)

    def test_subject(self):
        for subject, count in [
                ('hw/i386, accel/kvm: add the clock', 0),
                ('tests/unit: cover io/uri: its ports', 0),
                ('Revert "io: add tls"', 0),
                ('io: ' + 'x' * 67, 0),
                ('io: ' + 'x' * 68, 1),
                ('io: added tls', 1),
                ('io: adding tls', 1),
                ('io: adds tls', 1),
                ('io: address the case of no name', 0),
                ('io: pass the name on', 0),
                ('io: need a name', 0),
                ('io: add tls.', 1),
                ('add tls', 1)]:
            with self.subTest(subject):
                self.check(subject + GOOD[GOOD.index('\n'):], count)

    def test_body(self):
        self.check(f'io: add tls\n\nSigned-off-by: {AUTHOR}\n', 1)
        self.check(GOOD.replace('The second', 'x' * 76), 1)
        self.check(GOOD.replace('\n\n', '\n', 1), 1)

    def test_trailers(self):
        self.check(GOOD.replace('ann@', 'bob@'), 1)
        self.check(GOOD.replace('Fixes:', 'Change-Id:'), 1)
        self.check(GOOD.replace('Signed-off-by', 'Signed-by'), 2)


class Format(unittest.TestCase):
    def test_split(self):
        body, trailers = patch.split_body('s\n\nbody\n\nFixes: a\nLink: b\n')
        self.assertEqual(body, ['', 'body'])
        self.assertEqual(trailers, ['Fixes: a', 'Link: b'])


if __name__ == '__main__':
    scripttest.main()
