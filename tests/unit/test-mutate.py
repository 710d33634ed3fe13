# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/mutate: which changes it finds, and that it tells the noticed from
the others."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import scripttest

mutations = scripttest.load_script('mutations.py')
mutate = scripttest.load_script('mutate')


def found(body):
    """Changes of a function with this body, as source and new source."""
    text = f'int f(int a, int b)\n{{\n{body}\n}}\n'
    return text, mutations.find('f.c', text)


def results(body, kind):
    """What the body may become, by changes of one kind."""
    text, all_of_them = found(body)
    head = text.index(body)
    tail = len(text) - head - len(body)
    out = []
    for m in all_of_them:
        new = m.apply(text)
        assert new.count('\n') == text.count('\n')
        if m.kind == kind:
            out.append(new[head:len(new) - tail])
    return out


class Finding(unittest.TestCase):
    def test_drop(self):
        self.assertEqual(results('    g(a);\n    b++;', 'drop'),
                         ['    ;\n    b++;', '    g(a);\n    ;'])
        self.assertEqual(results('if (a) {\n return 1;\n}\nreturn 2;', 'drop'),
                         ['if (a) {\n ;\n}\nreturn 2;'])
        self.assertEqual(results('g(a,\n  b);', 'drop'), [';\n'])

    def test_what_is_not_dropped(self):
        for body in ('int c = a;', 'Foo *p = g();', 'g_autofree char *s = h;',
                     'struct S s;', 'for (;;) {\n}', 'assert(a);',
                     'LOCK_GUARD(&l);', 'foo_free(a);', 'return 1;',
                     'static const T t = g;'):
            with self.subTest(body):
                self.assertEqual(results(body, 'drop'), [])

    def test_labels(self):
        body = 'switch (a) {\ncase X:\n    g();\n    break;\n}'
        self.assertEqual(len(results(body, 'drop')), 2)

    def test_negate(self):
        self.assertEqual(results('if (a && b) {\n}', 'negate'),
                         ['if (!(a && b)) {\n}'])
        self.assertEqual(results('while (a(b)) {\n}', 'negate'),
                         ['while (!(a(b))) {\n}'])

    def test_swap(self):
        self.assertEqual(results('  a = 1;\n  g(b);', 'swap'),
                         ['  g(b);\n  a = 1;'])
        self.assertEqual(results('a++;\na++;', 'swap'), [])
        self.assertEqual(results('a++;\nif (a) {\n}\nb++;', 'swap'), [])
        self.assertEqual(results('a++;\nbreak;', 'swap'), [])

    def test_operators(self):
        for old, new in [('a < b', 'a <= b'), ('a >= b', 'a > b'),
                         ('a == b', 'a != b'), ('a && b', 'a || b'),
                         ('a + b', 'a - b'), ('g() - b', 'g() + b'),
                         ('a & b', 'a | b'), ('a << b', 'a >> b')]:
            with self.subTest(old):
                self.assertEqual(results(f'return {old};', 'operator'),
                                 [f'return {new};'])

    def test_no_operators(self):
        for text in ('g(&a)', '-a', 'g((uint8_t)-a)', 'p->q', 'g(*a)',
                     '(Foo *)&a'):
            with self.subTest(text):
                self.assertEqual(results(f'return {text};', 'operator'), [])

    def test_constants(self):
        for old, new in [('0', ['1']), ('7', ['6', '8']),
                         ('0x10', ['0x11', '0xf']), ('1U', ['0U', '2U']),
                         ('020', ['017', '021']), ('true', ['false']),
                         ('1.5', []), ('1e6', []), ('"1 < 2"', []),
                         ("'1'", [])]:
            with self.subTest(old):
                self.assertEqual(results(f'return {old};', 'constant'),
                                 [f'return {n};' for n in new])

    def test_what_makes_no_difference(self):
        self.assertEqual(results('char b[4];', 'constant'), [])
        self.assertEqual(results('char b[4 + 1], *c;', 'constant'), [])
        self.assertEqual(len(results('b[4] = c;', 'constant')), 2)
        self.assertEqual(results('b = g_new0(struct B, 1);', 'constant'), [])
        for body in ('a->b = 1;\na->c = d;', 'a = b;\nc[1] = &d;',
                     'a = MIN(b, 1);\nc = lduw_be_p(d);',
                     'a->b++;\na->c = 0;', 'a->b--;\nc++;',
                     'a = g_strdup(b);\nc = g_new0(T, 2);',
                     'a = 1;\nmemset(&b->c, 0, sizeof(b->c));'):
            self.assertEqual(results(body, 'swap'), [])
        for body in ('a = 1;\na = 2;', 'a->b = 1;\nc = a->b;',
                     'a = b();\nc = 1;', 'a = 1;\nb += 1;',
                     'a++;\nb = a;', 'a++;\na = 0;', 'a = b();\nc++;',
                     'a->b = 1;\nmemset(a, 0, 4);', 'a->b++;\na = c;',
                     'memset(a, f(), 4);\nb = 1;',
                     'memset(&a.b, 0, 4);\na.b.c = 1;',
                     'b = a;\na = 1;'):
            self.assertEqual(len(results(body, 'swap')), 1, body)
        for text in ('clock_monotonic_ns() >= a', 'a < now', 'now <= a'):
            self.assertEqual(results(f'return {text};', 'operator'), [])
        self.assertEqual(len(results('return now == a;', 'operator')), 1)

    def test_only_functions(self):
        text = ('#define A 1 + 2\nenum { B = 3 };\nint x = 1;\n'
                'static int t[] = { 1, 2 };\n/* if (a) { b(); } */\n'
                'int f(void); // 1 + 2\n')
        self.assertEqual(mutations.find('f.c', text), [])

    def test_lines(self):
        text = '/* 1\n2 */\nint f(void)\n{\n#if 1 + 1\n    return 5;\n#endif\n}'
        self.assertEqual({m.line for m in mutations.find('f.c', text)}, {6})

    def test_names(self):
        """A change is known by its function and what is unlike in it."""
        text = ('static int\nf(int (*g)(int), int a)\n{\n'
                '    return a + 1 + 1;\n}\nint h(void)\n{\n    if (x) {\n'
                '    }\n    if (x) {\n    }\n}\n')
        names = [(m.function, m.what) for m in mutations.find('f.c', text)]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual({n for n, _ in names}, {'f', 'h'})
        self.assertIn(('h', "negate '(x)' (#2)"), names)

    def test_choice(self):
        _, all_of_them = found('if (a < 1 && b < 2) {\n    g(1);\n    h(2);\n}')
        for n in (0, 1, 5, 1000):
            one = mutations.choose(all_of_them, n, 7)
            self.assertEqual(one, mutations.choose(all_of_them[::-1], n, 7))
            self.assertEqual(len(set(one)), min(n, len(all_of_them)))
        few = mutations.choose(all_of_them, 5, 1)
        self.assertEqual(len({m.kind for m in few}), 5)


MESON = '''project('p', 'c')
lib = static_library('p', 'p.c', 'loop.c', 'other.c')
test('good', executable('good', 'good.c', link_with: lib), suite: 'unit')
test('other', executable('other', 'o.c', link_with: lib), suite: 'unit')
test('bad', executable('bad', 'bad.c', link_with: lib), suite: 'unit')
test('slow', executable('slow', 'good.c', link_with: lib), suite: 'functional')
'''
FILES = {
    'meson.build': MESON,
    'p.h': 'int larger(int a, int b);\nint limited(int n);\n'
           'int count(int n);\nint other(void);\n',
    'p.c': '#include "p.h"\nint larger(int a, int b)\n{\n'
           '    if (a > b) {\n        return a;\n    }\n    return b;\n}\n'
           'int limited(int n)\n{\n    return n < 10 ? n : 7;\n}\n',
    'loop.c': '#include "p.h"\nint count(int n)\n{\n    int i = 0;\n'
              '    while (i != n) {\n        i += 1;\n    }\n'
              '    return i;\n}\n',
    'other.c': '#include "p.h"\nint other(void)\n{\n    return 1;\n}\n',
    'good.c': '#include "p.h"\nint main(void)\n{\n'
              '    return larger(1, 2) != 2 || larger(2, 1) != 2 ||\n'
              '           limited(3) != 3 || count(3) != 3;\n}\n',
    'o.c': '#include "p.h"\nint main(void)\n{\n    return other() != 1;\n}\n',
    'bad.c': '#include "p.h"\nint main(void)\n{\n'
             '    return other() + larger(1, 2);\n}\n',
}


class Running(unittest.TestCase):
    """On a project of a few lines whose tests are known."""

    @classmethod
    def setUpClass(cls):
        # One for all: what takes long is to set a build folder up.
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.top = pathlib.Path(folder.name)
        cls.source = cls.top / 'source'
        cls.source.mkdir()

    def setUp(self):
        for name, text in FILES.items():
            (self.source / name).write_text(text, encoding='utf-8')
        for args in (['init', '-q'], ['add', '.']):
            subprocess.run(['git', *args], cwd=self.source, check=True,
                           stdin=subprocess.DEVNULL)

    def run_it(self, *args):
        """Exit status, standard output and error, results."""
        out = self.top / 'out.json'
        out.unlink(missing_ok=True)
        done = subprocess.run(
            [scripttest.SCRIPTS / 'mutate', '--source', self.source,
             '--scratch', self.top / 'scratch', '--json', out, *args],
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
            env={**os.environ, 'CCACHE_DISABLE': '1'})
        results_ = json.loads(out.read_text()) if out.exists() else []
        return done.returncode, done.stdout.decode(), done.stderr.decode(), {
            (r['file'], r['change']): r['result'] for r in results_}

    def test_results(self):
        # A loop that never ends costs this limit.
        code, out, err, got = self.run_it('--timeout', '2', 'p.c', 'l*.c')
        self.assertEqual(code, 0, err)
        self.assertIn("'bad' fails on the unchanged tree", err)
        expected = {
            ('p.c', "negate '(a > b)'"): 'killed',
            ('p.c', "'<' -> '<=' in 'return n < 10 ? n : 7;'"): 'survived',
            ('p.c', "drop 'return a;'"): 'killed',
            ('loop.c', "drop 'i += 1;'"): 'timed out',
            ('loop.c', "negate '(i != n)'"): 'killed',
        }
        for key, result in expected.items():
            self.assertEqual(got[key], result, key)
        self.assertIn('Survivors:\np.c:11: ', out)
        noticed = sum(r in ('killed', 'timed out') for r in got.values())
        survived = sum(r == 'survived' for r in got.values())
        self.assertIn('score: %.1f %%' % (100 * noticed /
                                          (noticed + survived)), out)
        # The copy is as before.
        for name in ('p.c', 'loop.c'):
            copy = self.top / 'scratch' / '0' / 'src' / name
            self.assertEqual(copy.read_text(), FILES[name])

    def test_choice_of_tests(self):
        """A file that only another program links."""
        code, out, err, got = self.run_it('--tests', 'oth*', 'other.c', 'p.c')
        self.assertEqual(code, 0, err)
        for (name, _), result in got.items():
            self.assertIn(result, ('killed',) if name == 'other.c' else
                          ('survived', 'same code'))
        self.assertNotIn('left out', err)

    def test_map_of_tests(self):
        """Only the tests that the map names, though more link the file."""
        path = self.source / 'scripts' / 'mutate.tests'
        path.parent.mkdir(exist_ok=True)
        self.addCleanup(path.unlink)
        path.write_text('# why\n\np.c: other  # none of its own\n'
                        'o*.c: other good\n*.c: good\n')
        code, out, err, got = self.run_it('--each', '3', 'p.c', 'other.c')
        self.assertEqual(code, 0, err)
        self.assertEqual(
            {n: sum(f == n for f, _ in got) for n in ('p.c', 'other.c')},
            {'p.c': 3, 'other.c': 2})
        for (name, change), result in got.items():
            self.assertIn(result, ('killed',) if name == 'other.c' else
                          ('survived', 'same code'), change)
        self.assertRegex(out, r'other\.c +2 of +2 +100\.0 %')
        self.assertRegex(out, r'\np\.c +0 of ')
        for bad in ('p.c good\n', 'p.c:\n'):
            path.write_text(bad)
            code, _, err, _ = self.run_it('p.c')
            self.assertEqual(code, 2)
            self.assertIn("mutate.tests:1: not 'FILE: TEST...'", err)

    def test_again(self):
        """What survived, and nothing else; lines may have moved."""
        kept = self.top / 'kept.json'
        _, _, err, got = self.run_it('--kinds', 'operator', 'p.c', 'other.c')
        kept.write_text((self.top / 'out.json').read_text())
        survived = {k for k, v in got.items() if v == 'survived'}
        self.assertTrue(0 < len(survived) < len(got), got)
        path = self.source / 'p.c'
        path.write_text('\n\n' + FILES['p.c'])
        _, _, err, got = self.run_it('--again', str(kept))
        self.assertEqual(set(got), survived, err)
        self.assertEqual(set(got.values()), {'survived'})
        kept.write_text('{"a": 1}')
        code, _, err, _ = self.run_it('--again', str(kept))
        self.assertEqual(code, 2)
        self.assertIn("isn't a result of --json", err)

    def test_equal(self):
        """What is listed isn't tried, and each needs a reason."""
        path = self.source / 'scripts' / 'mutate.equal'
        path.parent.mkdir(exist_ok=True)
        self.addCleanup(path.unlink)
        change = "'<' -> '<=' in 'return n < 10 ? n : 7;'"
        listed = (f'# which\n\np.c limited: {change}\n  why\n\n'
                  f'p.c larger: {change}\n  another function\n'
                  f'other.c limited: {change}\n  of no interest\n')
        path.write_text(listed)
        code, out, err, got = self.run_it(
            '--kinds', 'operator', '--kinds', 'negate', 'p.c')
        self.assertEqual(code, 0, err)
        self.assertEqual(got.pop(('p.c', change)), 'equivalent')
        self.assertEqual(set(got.values()), {'killed', 'same code'})
        self.assertIn('1 killed, 0 timed out, 0 survived, 0 not compiled, '
                      '1 same code, 1 equivalent', out)
        self.assertIn('score: 100.0 %', out)
        self.assertIn(f'no such change: p.c larger: {change}', err)
        self.assertEqual(err.count('no such change'), 1)
        for bad, text in [
                ('p.c: x\n why\n', ":1: not 'FILE FUNCTION: CHANGE'"),
                ('p.c f:\n why\n', ":1: not 'FILE FUNCTION: CHANGE'"),
                ('\np.c f: x\np.c f: y\n why\n', ':2: nothing says why')]:
            path.write_text(bad)
            code, _, err, _ = self.run_it('p.c')
            self.assertEqual(code, 2)
            self.assertIn('mutate.equal' + text, err)

    def test_not_compiled_and_same_code(self):
        path = self.source / 'p.c'
        path.write_text('#include "p.h"\nint larger(int a, int b)\n{\n'
                        '    int c[1];\n    c[0] = 0;\n'
                        '    return a > b ? a : b;\n}\n'
                        'int limited(int n)\n{\n    return n;\n}\n')
        _, _, err, got = self.run_it('p.c')
        self.assertEqual(got[('p.c', "drop 'c[0] = 0;'")], 'same code', err)
        path.write_text('int larger(int a, int b)\n{\n    goto out;\n'
                        'out:\n    return a > b ? a : b;\n}\n'
                        'int limited(int n)\n{\n    switch (n) {\n'
                        '    case 1:\n    case 2:\n        return n;\n    }\n'
                        '    return n;\n}\n')
        _, out, err, got = self.run_it('p.c')
        self.assertIn('not compiled', got.values(), out + err)

    def test_sanitize(self):
        """An access behind an object that no test can see."""
        path = self.source / 'p.c'
        path.write_text('#include "p.h"\n#include <stdlib.h>\n'
                        'int larger(int a, int b)\n{\n'
                        '    return a > b ? a : b;\n}\n'
                        'int limited(int n)\n{\n'
                        '    volatile char *p = calloc(1, 8);\n'
                        '    char c = p[7];\n    free((void *)p);\n'
                        '    return n + c;\n}\n')
        for args, expected in [([], 'survived'), (['--sanitize'], 'killed')]:
            _, out, err, got = self.run_it('--kinds', 'constant', *args, 'p.c')
            change = "'7' -> '8' in 'char c = p[7];'"
            self.assertEqual(got[('p.c', change)], expected, out + err)
            change = "'7' -> '6' in 'char c = p[7];'"
            self.assertEqual(got[('p.c', change)], 'survived', out + err)

    def test_errors(self):
        for args, text in [(('nothing.c',), "no C file 'nothing.c'"),
                           (('--functional', 'no', 'p.c'), "no test 'no'")]:
            code, _, err, _ = self.run_it(*args)
            self.assertEqual(code, 2)
            self.assertIn(text, err)
        (self.source / 'p.c').write_text('int 1;\n')
        code, _, err, _ = self.run_it('p.c')
        self.assertEqual(code, 2)
        self.assertIn('does not build', err)


if __name__ == '__main__':
    scripttest.main()
