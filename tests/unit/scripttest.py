# SPDX-License-Identifier: GPL-2.0-or-later
"""Run unittest cases and speak TAP; load scripts that have no .py ending."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPTS = TOP / 'scripts'


def load_script(name):
    """Return the module that scripts/<name> is."""
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    loader = importlib.machinery.SourceFileLoader(
        name.replace('-', '_').removesuffix('.py'), str(SCRIPTS / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class TapResult(unittest.TestResult):
    """Prints one TAP line per case."""

    number = 0

    def line(self, word, test, directive=''):
        self.number += 1
        name = test.id().removeprefix('__main__.')
        print(f'{word} {self.number} {name}{directive}', flush=True)

    def diagnose(self, test, err):
        for text in self._exc_info_to_string(err, test).splitlines():
            print(f'# {text}')

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line('ok', test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.diagnose(test, err)
        self.line('not ok', test)

    addError = addFailure

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line('ok', test, f' # SKIP {reason}')

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.diagnose(subtest, err)
            self.line('not ok', subtest)


def main():
    """Run all cases of the script that was started."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(
        sys.modules['__main__'])
    result = TapResult()
    suite.run(result)
    print(f'1..{result.number}')
    sys.exit(0 if result.wasSuccessful() else 1)
