# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of docs/: each is in its index, links lead somewhere, tables are
narrow enough for a terminal."""

import pathlib
import re
import unittest

import scripttest

TOP = pathlib.Path(scripttest.TOP)
DOCS = TOP / 'docs'
PAGES = sorted([*DOCS.glob('*.md'), *(DOCS / 'devel').glob('*.md')])
TABLE_MAX = 100  # columns


def links(page):
    """Files that the page has links to."""
    for target in re.findall(r'\]\(([^)#\s]+)', page.read_text('utf-8')):
        if '://' not in target and not target.startswith('mailto:'):
            yield target


class Docs(unittest.TestCase):
    def test_indexes(self):
        self.assertGreater(len(PAGES), 20)
        for page in PAGES:
            index = page.parent / 'README.md'
            if page != index:
                with self.subTest(str(page.relative_to(TOP))):
                    self.assertIn(page.name, list(links(index)))

    def test_links(self):
        for page in [*PAGES, TOP / 'README.md', TOP / 'CONTRIBUTING.md']:
            for target in links(page):
                with self.subTest('%s: %s' % (page.name, target)):
                    self.assertTrue((page.parent / target).exists())

    def test_tables(self):
        for page in [*PAGES, TOP / 'README.md']:
            for line in page.read_text('utf-8').splitlines():
                if line.startswith('|'):
                    with self.subTest('%s: %s' % (page.name, line)):
                        self.assertLessEqual(len(line), TABLE_MAX)


if __name__ == '__main__':
    scripttest.main()
