# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes qapi-commands.[ch]: handlers' prototypes, marshalling, the table."""
from .types import HEAD, declare, fields_table, includes, table


def const(c_type):
    """How an argument of that type is passed."""
    return 'const ' + c_type if c_type.endswith('*') else c_type


def parameters(c):
    """C parameters and the matching expressions on the struct 'a'."""
    if not c.gen:
        return ['const JsonValue *args'], ['args']
    if c.boxed:
        return [f'const {c.args.name} *arg'], ['a']
    params, exprs = [], []
    for m in c.args.members if c.args else []:
        if m.has_flag():
            params.append(f'bool has_{m.c_name}')
            exprs.append(f'a->has_{m.c_name}')
        params.append(declare(const(m.type.c_type()), m.c_name))
        exprs.append(f'a->{m.c_name}')
    return params, exprs


def return_type(c):
    """C type of the value that a handler returns, or None."""
    if not c.gen:
        return 'JsonValue *'
    return c.returns.c_type() if c.returns else None


def prototype(c):
    params = ['QmpCtx *ctx'] + parameters(c)[0]
    ret = return_type(c)
    if ret:
        params.append(declare(ret, '*ret') if ret.endswith('*')
                      else f'{ret} *ret')
    params.append('GError **errp')
    out, line = [], f'bool qmp_{c.c_name}('
    indent = ' ' * len(line)
    for i, p in enumerate(params):
        end = ');' if i == len(params) - 1 else ','
        if len(line) + len(p) + len(end) + 1 > 80 and line.strip() and \
                not line.endswith('('):
            out.append(line.rstrip())
            line = indent
        line += p + end + ' '
    return out + [line.rstrip()]


def args_table(c):
    """The table of the arguments; an implicit struct is made here."""
    if c.args and not c.implicit:
        return [], c.args.name, c.args.table()
    name = f'Args_{c.c_name}'
    members = c.args.members if c.args else []
    out = [f'typedef struct {name} {{']
    for m in members:
        if m.has_flag():
            out.append(f'    bool has_{m.c_name};')
        out.append(f'    {declare(m.type.c_type(), m.c_name)};')
    if not members:
        out.append('    char nothing;')
    out += [f'}} {name};', '']
    rows = ['.name = "arguments"', '.kind = QAPI_STRUCT',
            f'.size = sizeof({name})']
    if members:
        out += fields_table(f'args_{c.c_name}_fields', name, members)
        rows += [f'.fields = args_{c.c_name}_fields', f'.n = {len(members)}']
    out += ['static ' + line if line.startswith('const QapiType') else line
            for line in table(f'args_{c.c_name}', rows)]
    return out, name, f'args_{c.c_name}'


def marshal(c):
    head = [f'static bool marshal_{c.c_name}(QmpCtx *ctx, '
            'const JsonValue *args,', f'    JsonValue **ret, GError **errp)',
            '{']
    if not c.gen:
        return head + [f'    return qmp_{c.c_name}(ctx, args, ret, errp);',
                       '}', '']
    out, c_struct, args = args_table(c)
    out += head
    exprs = ['ctx'] + parameters(c)[1]
    ret = return_type(c)
    out.append(f'    {c_struct} *a;')
    if ret:
        zero = 'NULL' if ret.endswith('*') else '0'
        out.append(f'    {declare(ret, "r")} = {zero};')
        exprs.append('&r')
    exprs.append('errp')
    out += ['    bool ok;', '',
            f'    a = qapi_from_json(&{args}, args, QAPI_IN_JSON, errp);',
            '    if (!a) {', '        return false;', '    }',
            f'    ok = qmp_{c.c_name}(' + ', '.join(exprs) + ');',
            f'    qapi_free(&{args}, a);']
    if ret:
        t = c.returns.table()
        out += ['    if (ok) {',
                f'        *ret = qapi_value_to_json(&{t}, &r);',
                f'        qapi_value_clear(&{t}, &r);', '    }']
    return out + ['    return ok;', '}', '']


def header(schema):
    out = [HEAD.format(what='Commands of the QMP schema.'),
           '#ifndef QAPI_COMMANDS_H', '#define QAPI_COMMANDS_H', '']
    out += includes(schema)
    out += ['', 'typedef struct QmpCtx QmpCtx;', '',
            'typedef enum QmpCommandFlags {',
            '    QMP_ALLOW_OOB = 1 << 0,',
            '    QMP_ALLOW_PRECONFIG = 1 << 1,',
            '} QmpCommandFlags;', '',
            'typedef struct QmpCommand {', '    const char *name;',
            '    unsigned flags; /* QmpCommandFlags */',
            '    /* args: an object; *ret stays NULL for no result. */',
            '    bool (*fn)(QmpCtx *ctx, const JsonValue *args, '
            'JsonValue **ret,', '               GError **errp);',
            '} QmpCommand;', '',
            '/* Sorted by name. */',
            'extern const QmpCommand qmp_commands[];',
            'extern const size_t qmp_ncommands;', '',
            '/*',
            ' * The handlers, written by hand. Arguments are valid during the',
            ' * call; *ret is set on success only, and its ownership passes to',
            ' * the caller.', ' */']
    for c in schema.commands:
        out += prototype(c)
    return '\n'.join(out + ['', '#endif', ''])


def source(schema):
    out = [HEAD.format(what='Commands of the QMP schema: marshalling.'),
           '#include "util/base.h"', '', '#include "qapi/qapi-commands.h"', '']
    for c in schema.commands:
        out += marshal(c)
    out.append('const QmpCommand qmp_commands[] = {')
    for c in sorted(schema.commands, key=lambda c: c.name):
        flags = ['QMP_ALLOW_OOB'] * c.oob + ['QMP_ALLOW_PRECONFIG'] * \
            c.preconfig
        out.append(f'    {{ "{c.name}", {" | ".join(flags) or "0"}, '
                   f'marshal_{c.c_name} }},')
    out += ['};', '',
            f'const size_t qmp_ncommands = {len(schema.commands)};', '']
    return '\n'.join(out)


def generate(schema):
    return {'qapi-commands.h': header(schema),
            'qapi-commands.c': source(schema)}
