# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/check-style: each rule fails what breaks it and nothing else."""

import unittest

import scripttest

style = scripttest.load_script('check-style')


def messages(check, *args):
    problems = []
    check(*args, problems)
    return [message for _line, message in sorted(problems)]


def function(nlines, body=''):
    """Return a function of nlines lines from brace to brace."""
    lines = [body] if body else []
    lines += ['    x++;'] * (nlines - 2 - len(lines))
    return 'void f(void)\n{\n' + '\n'.join(lines) + '\n}\n'


class Lines(unittest.TestCase):
    def test_lines(self):
        for line, count in [
                ('x' * 80, 0), ('x' * 81, 1),
                ('see https://' + 'x' * 90, 0),
                ('\tx', 1), ('x ', 1), ('x', 0)]:
            with self.subTest(line):
                found = messages(style.check_lines, 'a.c', line + '\n')
                self.assertEqual(len(found), count, found)

    def test_end_and_length(self):
        self.assertEqual(len(messages(style.check_lines, 'a.c', 'x')), 1)
        self.assertEqual(messages(style.check_lines, 'a.c', 'x\n' * 800), [])
        self.assertEqual(
            len(messages(style.check_lines, 'a.c', 'x\n' * 801)), 1)

    def test_tables(self):
        for line, count in [('| a | ' + 'x' * 92 + ' |', 0),
                            ('| a | ' + 'x' * 93 + ' |', 1),
                            ('x' * 200, 0)]:
            with self.subTest(line):
                found = messages(style.check_tables, line + '\n')
                self.assertEqual(len(found), count, found)

    def test_names(self):
        for name, line, count in [
                ('hw/a.c', 'static void take(int x)', 1),
                ('hw/a.c', 'static const char *name(void)', 1),
                ('hw/a.c', 'static void a_take(int x)', 0),
                ('hw/a.c', 'void take(int x)', 0),
                ('hw/a.c', 'static int take = f(1);', 0),
                ('hw/a.c', '/*\nstatic void take(int x)\n*/', 0),
                ('accel/soft/gen-flow.c', 'static void call(Gen *g)', 0),
                ('tests/unit/test-a.c', 'static void take(int x)', 0)]:
            with self.subTest(line):
                found = messages(style.check_names, name, line + '\n')
                self.assertEqual(len(found), count, found)

    def test_forbidden(self):
        host = 'cra' + 'tes.io'
        path = '/ho' + 'me/user/file'
        self.assertEqual(len(messages(style.check_forbidden, host)), 1)
        self.assertEqual(len(messages(style.check_forbidden, path)), 1)
        self.assertEqual(messages(style.check_forbidden, 'sys/work/x'), [])


class Head(unittest.TestCase):
    LICENSE = '/* SPDX-License-Identifier: GPL-2.0-or-later */\n'

    def test_head(self):
        base = '#include "util/base.h"\n'
        for name, text, count in [
                ('a.c', self.LICENSE + base, 0),
                ('a.c', base, 1),
                ('a.c', self.LICENSE + '#include <stdio.h>\n' + base, 1),
                ('a.h', self.LICENSE + '#ifndef A_H\n#define A_H\n', 0),
                ('a.h', self.LICENSE + '#pragma once\n', 0),
                ('a.h', self.LICENSE + 'int a;\n', 1),
                ('tests/guest/a.c', self.LICENSE + '#include "b.h"\n', 0)]:
            with self.subTest(text):
                found = messages(style.check_head, name, text)
                self.assertEqual(len(found), count, found)


class Functions(unittest.TestCase):
    def check(self, text, count):
        found = messages(style.check_functions, text)
        self.assertEqual(len(found), count, found)

    def test_length(self):
        self.check(function(60), 0)
        self.check(function(61), 1)
        self.check(function(100, '    switch (x) { case 1: }'), 0)
        self.check(function(101, '    switch (x) { case 1: }'), 1)
        self.check(function(61, '    /* switch */'), 1)

    def test_length_is_per_function(self):
        self.check(function(40) + '\n' + function(40), 0)

    def test_nesting(self):
        deep4 = '    if (a) { while (b) { for (;;) { do { x = (T){ 0 };' \
            ' } while (0); } } }'
        self.check(function(10, deep4), 0)
        deep5 = '    if (a) { if (a) { if (a) { if (a) { if (a) { } } } } }'
        self.check(function(10, deep5), 1)

    def test_braces(self):
        for body, count in [
                ('    if (f(a, ")")) { x(); } else if (b) { } else { }', 0),
                ('    do { x(); } while (a);', 0),
                ('    if (a) x();', 1),
                ('    if (a) { } else x();', 1),
                ('    while (a) x();', 1),
                ('    while (a);', 1),
                ('    for (;;) x();', 1),
                ('    "if (a) b";', 0)]:
            with self.subTest(body):
                self.check(function(10, body), count)

    def test_macros_are_left_alone(self):
        self.check('#define M(a) \\\n    if (a) \\\n        b();\n', 0)


if __name__ == '__main__':
    scripttest.main()
