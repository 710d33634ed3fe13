# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes qapi-events.[ch]: one function per event."""
from .commands import const
from .types import HEAD, declare, fields_table, includes, table


def parameters(c):
    if c.boxed:
        return [f'const {c.args.name} *arg']
    params = []
    for m in c.args.members if c.args else []:
        if m.has_flag():
            params.append(f'bool has_{m.c_name}')
        params.append(declare(const(m.type.c_type()), m.c_name))
    return params


def prototype(c):
    out, line = [], f'void qapi_event_{c.c_name}('
    indent = ' ' * len(line)
    params = ['EventSink *sink'] + parameters(c)
    for i, p in enumerate(params):
        end = ')' if i == len(params) - 1 else ','
        if len(line) + len(p) + len(end) + 2 > 80 and not line.endswith('('):
            out.append(line.rstrip())
            line = indent
        line += p + end + ' '
    return out + [line.rstrip()]


def data_table(c):
    """The struct that holds an implicit event's arguments, and its table."""
    name = f'Data_{c.c_name}'
    out = [f'typedef struct {name} {{']
    for m in c.args.members:
        if m.has_flag():
            out.append(f'    bool has_{m.c_name};')
        out.append(f'    {declare(const(m.type.c_type()), m.c_name)};')
    out += [f'}} {name};', '']
    out += fields_table(f'data_{c.c_name}_fields', name, c.args.members)
    rows = ['.name = "data"', '.kind = QAPI_STRUCT', f'.size = sizeof({name})',
            f'.fields = data_{c.c_name}_fields', f'.n = {len(c.args.members)}']
    out += ['static ' + line if line.startswith('const QapiType') else line
            for line in table(f'data_{c.c_name}', rows)]
    return out, name


def const_name(c):
    return 'QAPI_EVENT_' + c.c_name.upper()


def function(c):
    out, body = [], []
    value = 'NULL'
    if c.boxed:
        value = f'qapi_to_json(&{c.args.table()}, arg)'
    elif c.args and c.args.members:
        out, name = data_table(c)
        body = [f'    const {name} data = {{']
        for m in c.args.members:
            if m.has_flag():
                body.append(f'        .has_{m.c_name} = has_{m.c_name},')
            body.append(f'        .{m.c_name} = {m.c_name},')
        body += ['    };', '']
        value = f'qapi_to_json(&data_{c.c_name}, &data)'
    return out + prototype(c) + ['{'] + body + \
        [f'    qapi_event_emit(sink, {const_name(c)}, {value});', '}', '']


def header(schema):
    out = [HEAD.format(what='Events of the QMP schema.'),
           '#ifndef QAPI_EVENTS_H', '#define QAPI_EVENTS_H', '',
           '#include "qapi/event.h"']
    out += includes(schema)
    out += ['', 'typedef enum QapiEvent {']
    out += [f'    {const_name(c)},' for c in schema.events]
    out += ['} QapiEvent;', '',
            '/* Any thread may call these; a NULL sink does nothing. */']
    for c in schema.events:
        lines = prototype(c)
        lines[-1] += ';'
        out += lines
    return '\n'.join(out + ['', '#endif', ''])


def source(schema):
    out = [HEAD.format(what='Events of the QMP schema.'),
           '#include "util/base.h"', '', '#include "qapi/qapi-events.h"', '']
    for c in schema.events:
        out += function(c)
    out.append('const QapiEventInfo qapi_events[] = {')
    for c in schema.events:
        row = [f'.name = "{c.name}"']
        if c.throttle_ms:
            row.append(f'.throttle_ms = {c.throttle_ms}')
        if c.throttle_by:
            row.append(f'.throttle_by = "{c.throttle_by}"')
        out.append(f'    [{const_name(c)}] = {{ ' + ', '.join(row) + ' },')
    out += ['};', '', f'const size_t qapi_nevents = {len(schema.events)};', '']
    return '\n'.join(out)


def generate(schema):
    return {'qapi-events.h': header(schema), 'qapi-events.c': source(schema)}
