# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the MAINTAINERS file and match paths with its patterns."""

import re
import sys

import sourcetree

PERSON = re.compile(r'^[^<>]+ <[^<>@\s]+@[^<>@\s]+>$')
STATES = ('Supported', 'Maintained', 'Odd Fixes', 'Orphan', 'Obsolete')


class Section:
    """One entry: who looks after which paths."""

    def __init__(self, title, line):
        self.title = title
        self.line = line
        self.people = []        # (letter, 'Name <mail>')
        self.state = None
        self.files = []         # (pattern, line)
        self.excluded = []

    def covers(self, name):
        return any(matches(p, name) for p, _ in self.files) and \
            not any(matches(p, name) for p, _ in self.excluded)


def matches(pattern, name):
    """Tell whether a pattern covers a path.

    A pattern that ends with a slash covers all below that folder; a star
    stands for any characters but a slash.
    """
    regex = re.escape(pattern).replace(r'\*', '[^/]*').replace(r'\?', '[^/]')
    if pattern.endswith('/'):
        return re.match(regex, name) is not None
    return re.fullmatch(regex, name) is not None


def parse(text):
    """Return the sections of a MAINTAINERS text, and (line, complaint)s.

    Entries begin after a line of dashes; a line 'X: value' belongs to the
    title above it.
    """
    sections = []
    problems = []
    started = False
    for number, line in enumerate(text.split('\n'), 1):
        if not started:
            started = re.fullmatch(r'-{3,}', line) is not None
            continue
        if not line.strip():
            continue
        field = re.match(r'^([A-Z]):\s*(.*?)\s*$', line)
        if not field:
            sections.append(Section(line.strip(), number))
            continue
        if not sections:
            problems.append((number, f"'{line}' before any title"))
            continue
        problem = add_field(sections[-1], number, *field.groups())
        if problem:
            problems.append((number, problem))
    for section in sections:
        has_maintainer = any(letter == 'M' for letter, _ in section.people)
        if not has_maintainer and section.state != 'Orphan':
            problems.append((section.line, f"'{section.title}' has no M:"))
        if section.state is None:
            problems.append((section.line, f"'{section.title}' has no S:"))
        if not section.files:
            problems.append((section.line, f"'{section.title}' has no F:"))
    return sections, problems


def add_field(section, number, letter, value):
    """Put one field into its section; return what is wrong with it."""
    if letter in 'MR':
        if not PERSON.match(value):
            return f"'{value}' is not 'Name <mail>'"
        section.people.append((letter, value))
    elif letter == 'S':
        if value not in STATES:
            return f"state '{value}' is none of {', '.join(STATES)}"
        section.state = value
    elif letter == 'F':
        section.files.append((value, number))
    elif letter == 'X':
        section.excluded.append((value, number))
    else:
        return f"unknown field '{letter}:'"
    return None


def load():
    """Return parse() of the tree's own MAINTAINERS."""
    try:
        return parse(sourcetree.read_text('MAINTAINERS'))
    except OSError as err:
        sys.exit(f'MAINTAINERS: {err.strerror}')
