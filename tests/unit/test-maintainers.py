# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/maintainers.py: patterns and the form of MAINTAINERS."""

import unittest

import scripttest

maintainers = scripttest.load_script('maintainers.py')

GOOD = '''How to read this: prose that is not looked at
F: nothing
----
Channels
M: Ann Author <ann@host.example>
R: Bob <bob@host.example>
S: Maintained
F: io/
F: tests/unit/test-io-*
X: io/tls*
'''


class Patterns(unittest.TestCase):
    def test_matches(self):
        for pattern, name, good in [
                ('io/', 'io/channel.c', True),
                ('io/', 'io/sub/x.c', True),
                ('io/', 'aio/x.c', False),
                ('io/*', 'io/x.c', True),
                ('io/*', 'io/sub/x.c', False),
                ('Makefile', 'Makefile', True),
                ('Makefile', 'docs/Makefile', False),
                ('hw/*/pc.c', 'hw/i386/pc.c', True),
                ('a.c', 'abc', False)]:
            with self.subTest(f'{pattern} {name}'):
                self.assertEqual(maintainers.matches(pattern, name), good)


class Parse(unittest.TestCase):
    def test_good(self):
        sections, problems = maintainers.parse(GOOD)
        self.assertEqual(problems, [])
        self.assertEqual([s.title for s in sections], ['Channels'])
        self.assertTrue(sections[0].covers('io/channel.c'))
        self.assertTrue(sections[0].covers('tests/unit/test-io-uri.c'))
        self.assertFalse(sections[0].covers('io/tls.c'))
        self.assertEqual(len(sections[0].people), 2)

    def test_bad(self):
        for old, new in [
                ('M: Ann Author <ann@host.example>\nR', 'R'),
                ('<ann@host.example>', 'ann@host.example'),
                ('S: Maintained\n', ''),
                ('S: Maintained', 'S: Loved'),
                ('X: io', 'Z: io'),
                ('Channels\n', '')]:
            with self.subTest(new):
                self.assertIn(old, GOOD)
                _sections, problems = maintainers.parse(
                    GOOD.replace(old, new))
                self.assertTrue(problems)


if __name__ == '__main__':
    scripttest.main()
