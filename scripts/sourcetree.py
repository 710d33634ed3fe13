# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checking scripts share: the list of files and a C scanner."""

import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent

TOKEN = re.compile(r'''
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
''', re.VERBOSE | re.DOTALL)


def tracked_files():
    """Return the paths of all files git knows, relative to the top, sorted.

    A file that git knows but that is gone from the checkout is left out.
    """
    out = subprocess.run(['git', 'ls-files', '-z'], cwd=TOP, check=True,
                         capture_output=True).stdout
    names = (n for n in out.decode('utf-8', 'replace').split('\0') if n)
    return sorted(n for n in names if (TOP / n).is_file())


def relative(path):
    """Return a path from the command line relative to the top, or None."""
    full = pathlib.Path(path).resolve()
    try:
        return full.relative_to(TOP).as_posix()
    except ValueError:
        return None


def read_text(name):
    """Return the text of a file of the tree."""
    return (TOP / name).read_text(encoding='utf-8', errors='replace')


def blank(text):
    """Return text with every character but the line ends made a space."""
    return re.sub(r'[^\n]', ' ', text)


def strip_c(text, keep_strings=False):
    """Return C source with comments, and strings, made blank.

    Lines and columns stay where they are.
    """
    def replace(match):
        if match.lastgroup == 'comment':
            return blank(match.group())
        if keep_strings:
            return match.group()
        inner = match.group()
        return inner[0] + blank(inner[1:-1]) + inner[-1]

    return TOKEN.sub(replace, text)


def strip_directives(code):
    """Return stripped C source with preprocessor lines made blank too."""
    return re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', lambda m: blank(m.group()),
                  code, flags=re.MULTILINE)


def line_of(text, offset):
    """Return the number of the line that holds an offset."""
    return text.count('\n', 0, offset) + 1
