# SPDX-License-Identifier: GPL-2.0-or-later
"""configure: what it refuses, in one line that names it, and its help."""

import os
import subprocess
import tempfile
import unittest

import scripttest


def configure(*args, env=None):
    """Run configure in an empty folder; return its status and both outputs."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [scripttest.TOP / 'configure', *args], cwd=folder, check=False,
            env={**os.environ, **(env or {})}, capture_output=True, text=True)
        left = os.listdir(folder)
    return done.returncode, done.stdout, done.stderr, left


class Refused(unittest.TestCase):
    def test_one_line_that_names_it(self):
        for arg, name in [
                ('--enable-warp', "'warp'"),
                ('--disable-warp', "'warp'"),
                ('--enable-', "''"),
                ('--enable-kvm=yes', "'--enable-kvm=yes'"),
                ('--enable-linux_aio', "'linux_aio'"),
                ('--target-list=arm-softmmu', "'arm-softmmu'"),
                ('--target-list=x86_64-softmmu,i386-softmmu',
                 "'x86_64-softmmu,i386-softmmu'"),
                ('--bogus', "'--bogus'"),
                ('build', "'build'"),
                ('--prefix=', '--prefix'),
                ('--cc=', '--cc'),
                ('--cc=no-such-compiler', "'no-such-compiler'")]:
            with self.subTest(arg):
                status, _out, err, left = configure(arg)
                self.assertEqual(status, 1)
                self.assertEqual(err.count('\n'), 1, err)
                self.assertIn(name, err)
                self.assertEqual(left, [])

    def test_sanitizers_that_exclude_each_other(self):
        status, _out, err, _left = configure('--enable-tsan', '--enable-asan')
        self.assertEqual(status, 1)
        self.assertIn('ThreadSanitizer', err)

    def test_somebody_elses_makefile(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, 'Makefile'), 'w',
                      encoding='utf-8') as mine:
                mine.write('all:\n')
            done = subprocess.run(
                [scripttest.TOP / 'configure'], cwd=folder, check=False,
                capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn('Makefile', done.stderr)
            self.assertEqual(os.listdir(folder), ['Makefile'])


class Help(unittest.TestCase):
    def test_every_feature_is_listed(self):
        status, out, err, left = configure('--help')
        self.assertEqual((status, err, left), (0, '', []))
        options = (scripttest.TOP / 'meson_options.txt').read_text(
            encoding='utf-8')
        features = [line.split("'")[1] for line in options.splitlines()
                    if "type: 'feature'" in line]
        self.assertTrue(features)
        for feature in features:
            self.assertIn(f'  {feature.replace("_", "-")} ', out)


if __name__ == '__main__':
    scripttest.main()
