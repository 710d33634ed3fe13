# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/test-summary: no failure may be lost, no success made up."""

import json
import pathlib
import tempfile
import unittest

import scripttest

summary = scripttest.load_script('test-summary')


def count(stdout, result='OK', code=0):
    got = summary.count_test({'name': 't', 'stdout': stdout,
                              'result': result, 'returncode': code})
    return got.passed, got.failed, got.skipped


class Tap(unittest.TestCase):
    def test_results(self):
        for tap, expected in [
                ('1..2\nok 1 /a\nok 2 /b # SKIP no kvm\n', (1, 0, 1)),
                ('ok 1 - a\nnot ok 2 - b\n1..2\n', (1, 1, 0)),
                ('1..3\nok 1\nok 2\n', (2, 1, 0)),
                ('1..1\nnot ok 1 - a # TODO later\n', (0, 0, 1)),
                ('1..0 # skip no peer\n', (0, 0, 1)),
                ('1..2\nok 1\nBail out! no memory\n', (1, 1, 0)),
                ('# ok 1\n  ok 2 nested\n1..1\nok 1\nokay\n', (1, 0, 0))]:
            with self.subTest(tap):
                self.assertEqual(count(tap), expected)

    def test_death_after_good_results(self):
        self.assertEqual(count('1..1\nok 1\n', 'ERROR', -11), (1, 1, 0))
        self.assertEqual(count('1..2\nok 1\n', 'TIMEOUT', -15), (1, 1, 0))

    def test_without_tap(self):
        self.assertEqual(count('hello', 'OK'), (1, 0, 0))
        self.assertEqual(count('hello', 'FAIL', 1), (0, 1, 0))
        self.assertEqual(count('hello', 'TIMEOUT', -9), (0, 1, 0))
        self.assertEqual(count('', 'SKIP', 77), (0, 0, 1))
        self.assertEqual(count('', 'ERROR', 99), (0, 1, 0))


class Reasons(unittest.TestCase):
    def test_told(self):
        tap = ('1..4\nok 1 a\n# 0.1 s\nnot ok 2 b\n# why\n# more\n'
               'ok 3 c # SKIP no kvm\nok 4 d\n# not of b\n')
        got = summary.count_test({'name': 't', 'stdout': tap, 'result': 'FAIL',
                                  'returncode': 1})
        self.assertEqual(got.failures, [('t: b', ['why', 'more'])])
        self.assertEqual(got.skips, ['t: c # SKIP no kvm'])

    def test_skipped_whole(self):
        got = summary.count_test({'name': 't', 'stdout': '1..0 # SKIP no vm\n',
                                  'result': 'SKIP', 'returncode': 0})
        self.assertEqual((got.skipped, len(got.skips)), (1, 1))


class Log(unittest.TestCase):
    def test_missing(self):
        got = summary.count_log(pathlib.Path('/nonexistent/testlog.json'))
        self.assertEqual((got.passed, got.failed), (0, 1))

    def test_broken_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'testlog.json'
            good = json.dumps({'name': 'a', 'result': 'OK', 'stdout': ''})
            path.write_text(good + '\n{"name": "b"\n{"name": "c"}\n',
                            encoding='utf-8')
            got = summary.count_log(path)
        self.assertEqual((got.passed, got.failed), (1, 2))
        self.assertEqual(str(got), '1 passed, 2 failed, 0 skipped')


if __name__ == '__main__':
    scripttest.main()
