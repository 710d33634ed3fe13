# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes qapi-types-MODULE.[ch]: C types and their tables."""
from .schema import c_name, snake

HEAD = '''/*
 * {what}
 *
 * Written by scripts/qapi-gen; do not edit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
'''


def declare(c_type, name):
    """'char *' and 'x' become 'char *x'."""
    return c_type + name if c_type.endswith('*') else f'{c_type} {name}'


def used_lists(schema, module):
    return [t for t in schema.lists.values()
            if t.module is module and t.elem.kind != 'builtin']


def enum_decl(t):
    p = t.c_prefix()
    out = [f'typedef enum {t.name} {{']
    out += [f'    {t.constant(v)},' for v, _ in t.values]
    out += [f'}} {t.name};', '',
            '/* One more than the last; not in the enum, for switches. */',
            f'enum {{ {t.prefix}__MAX = {len(t.values)} }};', '',
            f'extern const QapiType {t.table()};', '',
            f'static inline const char *{p}_str({t.name} v)', '{',
            f'    return qapi_enum_str(&{t.table()}, (int)v);', '}', '',
            f'static inline bool {p}_parse(const char *s, {t.name} *ret_v)',
            '{', '    int v;', '',
            f'    if (!qapi_enum_parse(&{t.table()}, s, &v)) {{',
            '        return false;', '    }',
            f'    *ret_v = ({t.name})v;', '    return true;', '}', '']
    return out


def member_lines(members):
    out = []
    for m in members:
        if m.has_flag():
            out.append(f'    bool has_{m.c_name};')
        note = ' /* or NULL */' if m.optional and m.is_pointer() else ''
        out.append(f'    {declare(m.type.c_type(), m.c_name)};{note}')
    return out


def struct_decl(t):
    out = [f'struct {t.name} {{']
    if t.kind == 'alternate':
        out.append(f'    {t.name}Branch type;')
        out.append('    union {')
        out += ['    ' + line for line in member_lines(
            [m for m in t.members if m.type.name != 'null'])]
        out += ['    } u;', '};', '']
        consts = [f'    {alternate_const(t, m)},' for m in t.members]
        return [f'typedef enum {t.name}Branch {{'] + consts + \
            [f'}} {t.name}Branch;', ''] + out
    out += member_lines(t.members)
    if t.kind == 'union':
        out.append(f'    union {{ /* by {t.tag.name} */')
        for value, branch in t.branches.items():
            out.append(f'        {branch.name} *{c_name(value)};')
        out.append('        void *any;')
        out.append('    } u;')
    elif not t.members:
        out.append('    char nothing;')
    return out + ['};', '']


def alternate_const(t, m):
    return f'{snake(t.name).upper()}_{m.c_name.upper()}'


def functions(c_struct, table, p):
    return [f'extern const QapiType {table};', '',
            f'static inline {c_struct} *{p}_new(void)', '{',
            f'    return g_new0({c_struct}, 1);', '}', '',
            '/* And all it holds; NULL does nothing. */',
            f'static inline void {p}_free({c_struct} *p)', '{',
            f'    qapi_free(&{table}, p);', '}',
            f'G_DEFINE_AUTOPTR_CLEANUP_FUNC({c_struct}, {p}_free)', '',
            f'static inline {c_struct} *{p}_clone(const {c_struct} *p)', '{',
            f'    return qapi_clone(&{table}, p);', '}', '',
            f'static inline {c_struct} *{p}_from_json(const JsonValue *v,'
            ' GError **errp)', '{',
            f'    return qapi_from_json(&{table}, v, QAPI_IN_JSON, errp);',
            '}', '',
            f'static inline JsonValue *{p}_to_json(const {c_struct} *p)',
            '{', f'    return qapi_to_json(&{table}, p);', '}', '']


def list_decl(t):
    p, name = t.c_prefix(), t.c_struct()
    item = declare(t.elem.c_type(), 'item')
    elem = t.elem.c_type()
    ptr = elem + ('*' if elem.endswith('*') else ' *')
    return [f'typedef struct {name} {{', '    size_t n;',
            f'    {ptr}items;', f'}} {name};', ''] + \
        functions(name, t.table(), p) + \
        ['/* Takes over what item points to. */',
         f'static inline void {p}_append({name} *l, {item})', '{',
         f'    *({ptr})qapi_list_grow(&{t.table()}, l) = item;', '}', '']


def foreign_modules(schema, module):
    """Modules whose types this one's members refer to."""
    seen = []
    for t in schema.defined:
        if t.module is not module:
            continue
        refs = [m.type for m in t.members] + list(t.branches.values())
        for r in refs:
            r = r.elem if r.kind == 'list' else r
            if r.module and r.module is not module and r.module not in seen:
                seen.append(r.module)
    return seen


def header(schema, module):
    mine = [t for t in schema.defined if t.module is module]
    structs = [t for t in mine if t.kind != 'enum']
    guard = 'QAPI_TYPES_' + module.name.upper().replace('-', '_') + '_H'
    out = [HEAD.format(what=f'Types of the QMP schema: {module.name}.'),
           f'#ifndef {guard}', f'#define {guard}', '',
           '#include "qapi/visit.h"']
    out += [f'#include "qapi/qapi-types-{m.name}.h"'
            for m in foreign_modules(schema, module)]
    out.append('')
    for t in mine:
        if t.kind == 'enum':
            out += enum_decl(t)
    out += [f'typedef struct {t.name} {t.name};' for t in structs] + ['']
    for t in used_lists(schema, module):
        out += list_decl(t)
    for t in structs:
        out += struct_decl(t) + functions(t.name, t.table(), t.c_prefix())
    return '\n'.join(out + [f'#endif /* {guard} */', ''])


def field_rows(c_type, members, union=''):
    out = []
    for m in members:
        row = [f'.name = "{m.name}"', f'.type = &{m.type.table()}']
        if m.type.name != 'null':
            row.append(f'.offset = offsetof({c_type}, {union}{m.c_name})')
        if m.has_flag():
            row.append(f'.has_offset = offsetof({c_type}, has_{m.c_name})')
        if m.optional:
            row.append('.optional = true')
        out.append('    { ' + ',\n      '.join(row) + ' },')
    return out


def fields_table(name, c_type, members, union=''):
    return [f'static const QapiField {name}[] = {{'] + \
        field_rows(c_type, members, union) + ['};', '']


def struct_table(t):
    p = t.c_prefix()
    out = []
    rows = [f'.name = "{t.name}"', f'.kind = QAPI_{t.kind.upper()}',
            f'.size = sizeof({t.name})']
    if t.members:
        out += fields_table(f'{p}_fields', t.name, t.members,
                            'u.' if t.kind == 'alternate' else '')
        rows += [f'.fields = {p}_fields', f'.n = {len(t.members)}']
    if t.kind == 'union':
        out.append(f'static const QapiType *const {p}_branches[] = {{')
        for v, _ in t.tag.type.values:
            to = f'&{t.branches[v].table()}' if v in t.branches else 'NULL'
            out.append(f'    [{t.tag.type.constant(v)}] = {to},')
        out += ['};', '']
        rows += [f'.tag = {t.members.index(t.tag)}',
                 f'.branches = {p}_branches',
                 f'.union_offset = offsetof({t.name}, u)']
    return out + table(t.table(), rows)


def table(name, rows):
    return [f'const QapiType {name} = {{'] + \
        [f'    {r},' for r in rows] + ['};', '']


def enum_table(t):
    p = t.c_prefix()
    out = [f'static const char *const {p}_names[] = {{']
    out += [f'    [{t.constant(v)}] = "{v}",' for v, _ in t.values]
    return out + ['};', ''] + table(t.table(), [
        f'.name = "{t.name}"', '.kind = QAPI_ENUM', f'.size = sizeof({t.name})',
        f'.names = {p}_names', f'.n = {len(t.values)}'])


def source(schema, module):
    out = [HEAD.format(what=f'Types of the QMP schema: {module.name}.'),
           '#include "util/base.h"', '',
           f'#include "qapi/qapi-types-{module.name}.h"', '']
    for t in schema.defined:
        if t.module is module:
            out += enum_table(t) if t.kind == 'enum' else struct_table(t)
    for t in used_lists(schema, module):
        out += table(t.table(), [
            f'.name = "list of {t.elem.name}"', '.kind = QAPI_LIST',
            '.size = sizeof(QapiList)', f'.elem = &{t.elem.table()}'])
    return '\n'.join(out)


def generate(schema):
    files = {}
    for module in schema.modules:
        if module is schema.root and module.includes:
            continue
        files[f'qapi-types-{module.name}.h'] = header(schema, module)
        files[f'qapi-types-{module.name}.c'] = source(schema, module)
    return files


def includes(schema):
    """Every module's types."""
    return [f'#include "qapi/qapi-types-{m.name}.h"' for m in schema.modules
            if not (m is schema.root and m.includes)]
