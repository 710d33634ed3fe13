# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes qapi-introspect.[ch]: the answer to query-qmp-schema.

Its form is the protocol's: commands and events first, then the types that
they use.  Only builtin types keep their names, so that nobody relies on ours.
"""
import json

from .schema import BUILTINS
from .types import HEAD


class Introspection:
    """Numbers the types as they come up."""

    def __init__(self, schema):
        self.schema = schema
        self.numbers = {}
        self.queue = []
        self.done = set()
        self.entries = []
        # "0" is the object without members, for whoever takes no arguments.
        self.empty = self.number('empty')
        for c in schema.commands:
            self.command(c)
        for c in schema.events:
            self.add({'name': c.name, 'meta-type': 'event',
                      'arg-type': self.args(c)}, c.features)
        self.add({'name': self.empty, 'meta-type': 'object', 'members': []})
        while self.queue:
            self.describe(*self.queue.pop(0))

    def add(self, entry, features=()):
        if features:
            entry['features'] = list(features)
        self.entries.append(entry)

    def number(self, key):
        return self.numbers.setdefault(key, str(len(self.numbers)))

    def ref(self, t):
        """The type's name in the answer."""
        if t.kind == 'builtin':
            name = BUILTINS[t.name][2]
            name = {'boolean': 'bool', 'string': 'str',
                    'value': 'any'}.get(name, name)
        elif t.kind == 'list':
            name = f'[{self.ref(t.elem)}]'
        elif t.kind in ('struct', 'union') and not t.members:
            return self.empty
        else:
            name = self.number(id(t))
        if name not in self.done:
            self.done.add(name)
            self.queue.append((name, t))
        return name

    def args(self, c):
        return self.ref(c.args) if c.args else self.empty

    def command(self, c):
        entry = {'name': c.name, 'meta-type': 'command',
                 'arg-type': self.args(c),
                 'ret-type': self.ref(c.returns) if c.returns else self.empty}
        if c.oob:
            entry['allow-oob'] = True
        self.add(entry, c.features)

    def member(self, m):
        out = {'name': m.name, 'type': self.ref(m.type)}
        if m.optional:
            out['default'] = None
        if m.features:
            out['features'] = m.features
        return out

    def describe(self, name, t):
        if t.kind == 'builtin':
            self.add({'name': name, 'meta-type': 'builtin',
                      'json-type': BUILTINS[t.name][2]})
        elif t.kind == 'list':
            self.add({'name': name, 'meta-type': 'array',
                      'element-type': self.ref(t.elem)})
        elif t.kind == 'enum':
            members = [dict({'name': v}, **({'features': f} if f else {}))
                       for v, f in t.values]
            self.add({'name': name, 'meta-type': 'enum', 'members': members,
                      'values': [v for v, _ in t.values]}, t.features)
        elif t.kind == 'alternate':
            self.add({'name': name, 'meta-type': 'alternate',
                      'members': [{'type': self.ref(m.type)}
                                  for m in t.members]}, t.features)
        else:
            entry = {'name': name, 'meta-type': 'object',
                     'members': [self.member(m) for m in t.members]}
            if t.kind == 'union':
                entry['tag'] = t.tag.name
                entry['variants'] = [
                    {'case': v, 'type': self.ref(t.branches[v])
                     if v in t.branches else self.empty}
                    for v, _ in t.tag.type.values]
            self.add(entry, t.features)


def generate(schema):
    entries = Introspection(schema).entries
    head = HEAD.format(what='The QMP schema, for query-qmp-schema.')
    header = [head, '#ifndef QAPI_INTROSPECT_H', '#define QAPI_INTROSPECT_H',
              '', '/* One JSON text per SchemaInfo; NULL ends the list. */',
              'extern const char *const qapi_schema_json[];', '', '#endif', '']
    out = [head, '#include "util/base.h"', '',
           '#include "qapi/qapi-introspect.h"', '',
           'const char *const qapi_schema_json[] = {']
    for e in entries:
        text = json.dumps(e)
        out.append('    ' + json.dumps(text) + ',')
    return {'qapi-introspect.h': '\n'.join(header),
            'qapi-introspect.c': '\n'.join(out + ['    NULL,', '};', ''])}
