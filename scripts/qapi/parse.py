# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads schema files: a sequence of { ... } with 'strings' and # comments."""
import os
import re

TOKEN = re.compile(r"""
    (?P<space>[ \t]+)
  | (?P<newline>\n)
  | (?P<comment>\#[^\n]*)
  | (?P<string>'[^'\n\\]*')
  | (?P<word>true\b|false\b)
  | (?P<number>\d+)
  | (?P<punct>[{}\[\]:,])
""", re.VERBOSE)


class SchemaError(Exception):
    """What is wrong with the schema, and where."""

    def __init__(self, where, what):
        super().__init__(f'{where}: {what}')


class Where:
    """A place in a schema file."""

    def __init__(self, path, line):
        self.path = path
        self.line = line

    def __str__(self):
        return f'{self.path}:{self.line}'


class Expr:
    """One top-level { ... } with its place, file and comment."""

    def __init__(self, value, where, module, doc):
        self.value = value
        self.where = where
        self.module = module
        self.doc = doc


class Module:
    """One schema file."""

    def __init__(self, name, path):
        self.name = name
        self.path = path
        self.includes = []  # Module, directly included


class Reader:
    """Recursive descent over one file."""

    def __init__(self, path, shown):
        with open(path, encoding='utf-8') as f:
            self.text = f.read()
        self.shown = shown
        self.pos = 0
        self.line = 1
        self.kind = self.tok = None
        self.advance()

    def where(self):
        return Where(self.shown, self.line)

    def advance(self):
        while self.pos < len(self.text):
            m = TOKEN.match(self.text, self.pos)
            if not m:
                raise SchemaError(self.where(),
                                  f'stray {self.text[self.pos]!r}')
            self.pos = m.end()
            if m.lastgroup == 'newline':
                self.line += 1
            elif m.lastgroup not in ('comment', 'space'):
                self.kind, self.tok = m.lastgroup, m.group()
                return
        self.kind = self.tok = None

    def expect(self, punct):
        if self.tok != punct or self.kind != 'punct':
            found = self.tok or 'the end of the file'
            raise SchemaError(self.where(), f"expected '{punct}', not {found}")
        self.advance()

    def items(self, close, one):
        """Comma-separated items up to the closing bracket."""
        self.advance()
        if self.tok == close:
            self.advance()
            return
        while True:
            one()
            if self.tok != ',':
                break
            self.advance()
        self.expect(close)

    def value(self):
        if self.kind == 'string':
            v = self.tok[1:-1]
            self.advance()
            return v
        if self.kind == 'word':
            v = self.tok == 'true'
            self.advance()
            return v
        if self.kind == 'number':
            v = int(self.tok)
            self.advance()
            return v
        if self.tok == '[':
            out = []
            self.items(']', lambda: out.append(self.value()))
            return out
        if self.tok == '{':
            return self.dict()
        found = self.tok or 'the end of the file'
        raise SchemaError(self.where(), f'expected a value, not {found}')

    def dict(self):
        out = {}

        def member():
            if self.kind != 'string':
                raise SchemaError(self.where(),
                                  f"expected a 'key', not {self.tok}")
            key = self.tok[1:-1]
            if key in out:
                raise SchemaError(self.where(), f"key '{key}' given twice")
            self.advance()
            self.expect(':')
            out[key] = self.value()
        self.items('}', member)
        return out

    def exprs(self):
        while self.kind:
            where, doc = self.where(), self.comment()
            if self.tok != '{':
                raise SchemaError(where, f"expected '{{', not {self.tok}")
            yield self.dict(), where, doc

    def comment(self):
        """The comment lines right before the current token."""
        lines = self.text[:self.pos].split('\n')[:-1]
        out = []
        while lines and lines[-1].startswith('#'):
            out.insert(0, lines.pop()[1:].strip())
        return out


def load(path):
    """All expressions of a schema file and of what it includes, in order."""
    modules = {}
    exprs = []
    base = os.path.dirname(path)

    def read(name, where, stack):
        full = os.path.join(base, name)
        if name in stack:
            raise SchemaError(where, f"'{name}' includes itself")
        if name in modules:
            return modules[name]
        if where and not os.path.exists(full):
            raise SchemaError(where, f"no schema file '{name}'")
        module = Module(os.path.splitext(os.path.basename(name))[0], full)
        modules[name] = module
        for value, at, doc in Reader(full, full).exprs():
            if 'include' not in value:
                exprs.append(Expr(value, at, module, doc))
                continue
            if len(value) != 1 or not isinstance(value['include'], str):
                raise SchemaError(at, "an include is only 'include': 'FILE'")
            module.includes.append(
                read(value['include'], at, stack + [name]))
        return module

    root = read(os.path.basename(path), None, [])
    return exprs, list(modules.values()), root
