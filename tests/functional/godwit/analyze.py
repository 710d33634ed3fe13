# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/analyze-migration.py as a module."""

import importlib.util
import os
import sys
import types

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      '..', '..', '..', 'scripts', 'analyze-migration.py')
OPTIONS = types.SimpleNamespace(memory=False, extract=None, dump='state',
                                dump_headers=False)


def load_script():
    spec = importlib.util.spec_from_file_location('analyze', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(SCRIPT))
    # Nothing of the test's may stay behind in the source folder.
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


analyze = load_script()
migcompare = analyze.migcompare


def analyze_file(path):
    """The stream in a file, read through."""
    found = analyze.Analyzer(analyze.open_stream(path), OPTIONS)
    found.run()
    return found
