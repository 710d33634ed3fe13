# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/promises.md: every test that it names exists, no promise is missing."""

import pathlib
import re
import unittest

import scripttest

TOP = pathlib.Path(scripttest.TOP)
PAGE = (TOP / 'docs' / 'promises.md').read_text(encoding='utf-8')
REFERENCE = re.compile(r'`(tests/[\w./-]+\.(?:py|c))(?::([\w/-]+))?`')


def rows():
    """Each promise, and the text behind it."""
    for item in re.split(r'(?m)^\* ', PAGE)[1:]:
        promise, tests = re.match(r'(?s)\*\*(.*?)\*\*(.*)', item).groups()
        yield promise, tests


def problems(tests):
    """What is wrong with the tests that are named."""
    found = REFERENCE.findall(tests)
    if not found:
        return ['no test is named']
    wrong = []
    for path, name in found:
        file = TOP / path
        if not file.is_file():
            wrong.append(path + ' is not there')
            continue
        text = file.read_text(encoding='utf-8')
        pattern = (r'(?m)^def %s\(' if path.endswith('.py') else
                   r'"[^"]*%s"') % re.escape(name)
        if name and not re.search(pattern, text):
            wrong.append('%s has no test %s' % (path, name))
    return wrong


class Promises(unittest.TestCase):
    def test_tests_exist(self):
        self.assertGreater(len(list(rows())), 10)
        for promise, tests in rows():
            with self.subTest(promise):
                self.assertEqual(problems(tests), [])

    def test_wrong_names_are_found(self):
        for tests in ('`tests/functional/nosuch.py:over_tcp`',
                      '`tests/functional/migrate.py:nosuch`',
                      '`tests/unit/test-chardev-tty.c:nosuch`', 'by hand'):
            with self.subTest(tests):
                self.assertEqual(len(problems(tests)), 1)

    def test_what_works_is_tested(self):
        """What README.md prints in bold in its list has a row here."""
        text = (TOP / 'README.md').read_text(encoding='utf-8')
        part = text.split('\n### Works\n')[1].split('\n### ')[0]
        names = re.findall(r'\*\*(.*?)\*\*', part)
        self.assertGreater(len(names), 5)
        promises = [promise for promise, _ in rows()]
        for name in names:
            with self.subTest(name):
                self.assertIn(name, promises)

    def test_none_is_missing(self):
        """Each item of migration.md's list is here."""
        text = (TOP / 'docs' / 'migration.md').read_text(encoding='utf-8')
        part = text.split('## What is promised')[1].split('\n## ')[0]
        items = [' '.join(item.split()) for item in
                 re.split(r'(?m)^\* ', part)[1:]]
        self.assertTrue(items)
        promises = [promise for promise, _ in rows()]
        for item in items:
            with self.subTest(item[:40]):
                # "(…)" explains and isn't part of the promise.
                plain = re.sub(r' \([^)]*\)', '', item)
                self.assertTrue(any(plain.startswith(p) for p in promises))


if __name__ == '__main__':
    scripttest.main()
