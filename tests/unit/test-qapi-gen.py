#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/qapi-gen: what is wrong with a schema is found and located."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import scripttest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
GEN = os.path.join(TOP, 'scripts', 'qapi-gen')

# Each: schema, what the error must say after "FILE:".  The comments that
# every definition needs are added below.
BAD = [
    # The language.
    ("{ 'enum' 'E' }", "2: expected ':', not 'E'"),
    ("{ 'enum': 'E', }", "2: expected a 'key', not }"),
    ("{ enum: 'E' }", "2: stray 'e'"),
    ('{ "enum": 1 }', '2: stray \'"\''),
    ("{ 'enum': 'En', 'data': [ 'a' ]", "2: expected '}', not the end"),
    ("[ 'a' ]", "2: expected '{', not ["),
    ("{ 'enum': 'En', 'enum': 'En' }", "2: key 'enum' given twice"),
    ("{ 'enum': 'En', 'data': [ }", '2: expected a value, not }'),
    ("{ 'include': 'none.json' }", "2: no schema file 'none.json'"),
    ("{ 'include': 'schema.json' }", "2: 'schema.json' includes itself"),
    ("{ 'include': 'a.json', 'if': 'A' }", "2: an include is only"),
    # Form of definitions.
    ("{ 'enumm': 'En' }", "2: expected one of 'enum'"),
    ("{ 'enum': 'En', 'struct': 'Ef' }", "2: expected one of 'enum'"),
    ("{ 'enum': 'en', 'data': [ 'a' ] }", "2: bad enum name 'en'"),
    ("{ 'event': 'stop' }", "2: bad event name 'stop'"),
    ("{ 'command': 'Stop' }", "2: bad command name 'Stop'"),
    ("{ 'struct': 'St', 'data': {}, 'x': 'y' }",
     "2: struct 'St': unknown key 'x'"),
    ("{ 'command': 'c' }\n{ 'command': 'd' }", "3: command 'd' has no comm"),
    ("{ 'command': 'c' }\n\n# x\n{ 'event': 'E' }\n\n# x\n{ 'event': 'E' }",
     "8: 'E' is already defined at "),
    ("{ 'struct': 'St', 'data': {}, 'if': 'a b' }", "2: bad condition 'a b'"),
    ("{ 'struct': 'St', 'data': {}, 'if': { 'all': [] } }",
     '2: bad condition'),
    ("{ 'struct': 'St', 'data': {}, 'features': 'x' }",
     "2: struct 'St': 'features' must be a list"),
    ("{ 'struct': 'St', 'data': {}, 'features': [ 'x', 'x' ] }",
     "2: struct 'St': feature 'x' given twice"),
    ("{ 'struct': 'St', 'data': {}, 'features': [ { 'if': 'X' } ] }",
     "2: struct 'St': bad feature"),
    # Enums.
    ("{ 'enum': 'En', 'data': [] }", "2: enum 'En': 'data' must be a list"),
    ("{ 'enum': 'En', 'data': [ '*a' ] }",
     "2: enum 'En': bad value {'name': '*a'}"),
    ("{ 'enum': 'En', 'data': [ 'a-b', 'a_b' ] }",
     "2: enum 'En': value 'a_b' clashes with 'a-b'"),
    # Structs.
    ("{ 'struct': 'St', 'data': [ 'a' ] }",
     "2: struct 'St': 'data' must be { members }"),
    ("{ 'struct': 'St', 'data': { 'a': 'Nope' } }",
     "2: struct 'St', member 'a': unknown type 'Nope'"),
    ("{ 'struct': 'St', 'data': { 'a': [ 'int', 'int' ] } }",
     "2: struct 'St', member 'a': a list is ['Type']"),
    ("{ 'struct': 'St', 'data': { 'a': [ 'null' ] } }",
     "2: struct 'St', member 'a': a list of 'null'"),
    ("{ 'struct': 'St', 'data': { '**a': 'int' } }",
     "2: struct 'St': bad member name"),
    ("{ 'struct': 'St', 'data': { 'a': 'int', '*a': 'int' } }",
     "2: struct 'St': member 'a' clashes with 'a'"),
    ("{ 'struct': 'St', 'data': { '*a': 'int', 'has-a': 'int' } }",
     "2: struct 'St': member 'has-a' clashes with 'a'"),
    ("{ 'struct': 'St', 'data': { 'a': { 'tpye': 'int' } } }",
     "2: struct 'St': bad member 'a'"),
    ("{ 'struct': 'St', 'base': 'int', 'data': {} }",
     "2: struct 'St': base 'int' is no struct"),
    ("{ 'struct': 'St', 'base': 'St', 'data': {} }",
     "2: struct 'St' is its own base or branch"),
    ("{ 'struct': 'Sa', 'data': { 'm': 'int' } }\n\n# x\n"
     "{ 'struct': 'Sb', 'base': 'Sa', 'data': { 'm': 'int' } }",
     "5: struct 'Sb': member 'm' clashes with 'm'"),
    # Unions.
    ("{ 'union': 'Un', 'base': { 'a': 'int' }, 'data': {} }",
     "2: union 'Un': 'discriminator' is missing"),
    ("{ 'union': 'Un', 'base': { 'a': 'int' }, 'discriminator': 'b',"
     " 'data': {} }", "2: union 'Un': discriminator 'b' is no member"),
    ("{ 'union': 'Un', 'base': { 'a': 'int' }, 'discriminator': 'a',"
     " 'data': {} }", "2: union 'Un': discriminator 'a' must be an enum"),
    ("{ 'enum': 'En', 'data': [ 'x' ] }\n\n# x\n"
     "{ 'union': 'Un', 'base': { '*a': 'En' }, 'discriminator': 'a',"
     " 'data': {} }", "5: union 'Un': discriminator 'a' must be an enum"),
    ("{ 'enum': 'En', 'data': [ 'x' ] }\n\n# x\n{ 'union': 'Un',"
     " 'base': { 'a': 'En' }, 'discriminator': 'a', 'data': { 'y': 'En' } }",
     "5: union 'Un': branch 'y' is no value of enum 'En'"),
    ("{ 'enum': 'En', 'data': [ 'x' ] }\n\n# x\n{ 'union': 'Un',"
     " 'base': { 'a': 'En' }, 'discriminator': 'a', 'data': { 'x': 'En' } }",
     "5: union 'Un': branch 'x' must be a struct"),
    ("{ 'enum': 'En', 'data': [ 'x' ] }\n\n# x\n"
     "{ 'struct': 'Sa', 'data': { 'a': 'int' } }\n\n# x\n{ 'union': 'Un',"
     " 'base': { 'a': 'En' }, 'discriminator': 'a', 'data': { 'x': 'Sa' } }",
     "8: union 'Un', branch 'x': member 'a' clashes with 'a'"),
    # Alternates.
    ("{ 'alternate': 'Al', 'data': { 'a': 'int' } }",
     "2: alternate 'Al' needs two branches"),
    ("{ 'alternate': 'Al', 'data': { 'a': 'int', 'b': 'number' } }",
     "2: alternate 'Al': branches 'a' and 'b' can't be told apart"),
    ("{ 'alternate': 'Al', 'data': { 'a': 'int', 'b': 'any' } }",
     "2: alternate 'Al': branch 'b' can't be of type 'any'"),
    ("{ 'alternate': 'Al', 'data': { 'a': 'int', '*b': 'str' } }",
     "2: alternate 'Al': 'b' can't be optional"),
    # Commands and events.
    ("{ 'command': 'c', 'data': 'int' }",
     "2: command 'c': 'data' must be a struct"),
    ("{ 'command': 'c', 'boxed': true }",
     "2: command 'c': 'boxed' without 'data'"),
    ("{ 'command': 'c', 'data': {}, 'boxed': true }",
     "2: command 'c': 'boxed' needs a named type"),
    ("{ 'command': 'c', 'boxed': 'yes' }",
     "2: command 'c': 'boxed' must be true or false"),
    ("{ 'command': 'c', 'returns': 'Nope' }",
     "2: command 'c': unknown type 'Nope'"),
    ("{ 'command': 'c', 'returns': 'null' }",
     "2: command 'c': can't return 'null'"),
    ("{ 'event': 'E', 'throttle-ms': 'x' }",
     "2: event 'E': 'throttle-ms' must be a number"),
    ("{ 'event': 'E', 'throttle-ms': 1, 'throttle-by': 'x' }",
     "2: event 'E': no member 'x' to throttle by"),
]

GOOD = """
# x
{ 'enum': 'Kind', 'data': [ 'one', { 'name': 'two', 'if': 'CONFIG_TWO' } ] }

# x
{ 'struct': 'Base', 'data': { 'kind': 'Kind', '*next': 'Tree' } }

# x
{ 'struct': 'Leaf', 'data': { '*default': 'int', 'list': [ 'Tree' ] } }

# x
{ 'union': 'Tree', 'base': 'Base', 'discriminator': 'kind',
  'data': { 'one': 'Leaf' } }

# x
{ 'alternate': 'TreeOrName', 'data': { 't': 'Tree', 's': 'str' } }

# x
{ 'command': 'get-tree', 'data': { 'from': 'TreeOrName' },
  'returns': [ 'Tree' ], 'allow-oob': true, 'features': [ 'unstable' ] }

# x
{ 'command': 'hidden', 'if': { 'not': 'CONFIG_TWO' } }

# x
{ 'event': 'GREW', 'data': { 'tree': 'Tree', '*by': 'int' },
  'throttle-ms': 100, 'throttle-by': 'by' }
"""


def run(schema, *args):
    """Runs the generator on a schema text; its status and errors."""
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, 'schema.json')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(schema)
        p = subprocess.run([sys.executable, GEN, '-o', tmp, *args, path],
                           capture_output=True, text=True, check=False)
        files = {}
        for name in os.listdir(tmp):
            with open(os.path.join(tmp, name), encoding='utf-8') as f:
                files[name] = f.read()
        return p.returncode, p.stderr, files


def schema_of(files):
    """The entries of qapi-introspect.c, by name."""
    texts = re.findall(r'^    (".*"),$', files['qapi-introspect.c'], re.M)
    entries = [json.loads(json.loads(t)) for t in texts]
    return {e['name']: e for e in entries}


class QapiGen(unittest.TestCase):
    def test_bad(self):
        for schema, want in BAD:
            with self.subTest(schema=schema):
                status, err, files = run('# x\n' + schema)
                self.assertEqual(status, 1)
                self.assertNotIn('Traceback', err)
                self.assertIn('schema.json:' + want, err)
                self.assertEqual(list(files), ['schema.json'])

    def test_missing(self):
        p = subprocess.run([sys.executable, GEN, '/nonexistent.json'],
                           capture_output=True, text=True, check=False)
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stderr,
                         '/nonexistent.json: No such file or directory\n')

    def test_good(self):
        for config in ([], ['-D', 'CONFIG_TWO']):
            status, err, files = run(GOOD, *config)
            self.assertEqual((status, err), (0, ''))
            self.assertIn('bool qmp_get_tree(QmpCtx *ctx, '
                          'const TreeOrName *from, TreeList **ret,',
                          files['qapi-commands.h'])
            self.assertEqual('KIND_TWO' in files['qapi-types-schema.h'],
                             bool(config))
            self.assertEqual('hidden' in files['qapi-commands.c'],
                             not config)
            self.assertIn('.throttle_by = "by"', files['qapi-events.c'])

    def test_introspection(self):
        _, _, files = run(GOOD, '-D', 'CONFIG_TWO')
        schema = schema_of(files)
        cmd = schema['get-tree']
        self.assertEqual(cmd['meta-type'], 'command')
        self.assertEqual(cmd['allow-oob'], True)
        self.assertEqual(cmd['features'], ['unstable'])
        ret = schema[cmd['ret-type']]
        self.assertEqual(ret['meta-type'], 'array')
        tree = schema[ret['element-type']]
        self.assertEqual(tree['tag'], 'kind')
        self.assertEqual([m['name'] for m in tree['members']],
                         ['kind', 'next'])
        self.assertIn('default', tree['members'][1])
        cases = {v['case']: schema[v['type']] for v in tree['variants']}
        self.assertEqual(set(cases), {'one', 'two'})
        self.assertEqual(cases['two']['members'], [])
        self.assertEqual([m['type'] for m in cases['one']['members']][0],
                         'int')
        arg = schema[cmd['arg-type']]['members'][0]
        self.assertEqual(schema[arg['type']]['meta-type'], 'alternate')
        kind = schema[tree['members'][0]['type']]
        self.assertEqual(kind['values'], ['one', 'two'])
        self.assertEqual(kind['members'], [{'name': 'one'}, {'name': 'two'}])
        self.assertEqual(schema['GREW']['meta-type'], 'event')
        for name in schema:
            self.assertRegex(name, r'^(get-tree|GREW|[a-z]+|\[?\d+\]?)$')

    def test_own_schema(self):
        """The real one: every reference of its introspection is there."""
        with tempfile.TemporaryDirectory() as tmp:
            subprocess.run([sys.executable, GEN, '-o', tmp,
                            os.path.join(TOP, 'qapi', 'schema.json')],
                           check=True)
            path = os.path.join(tmp, 'qapi-introspect.c')
            with open(path, encoding='utf-8') as f:
                schema = schema_of({'qapi-introspect.c': f.read()})
        for e in schema.values():
            refs = [e[k] for k in ('arg-type', 'ret-type', 'element-type')
                    if k in e]
            refs += [m['type'] for m in e.get('members', []) if 'type' in m]
            refs += [v['type'] for v in e.get('variants', [])]
            for r in refs:
                self.assertIn(r, schema)


if __name__ == '__main__':
    scripttest.main()
