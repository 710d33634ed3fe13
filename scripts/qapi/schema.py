# SPDX-License-Identifier: GPL-2.0-or-later
"""The schema's definitions, checked and resolved."""
import re

from .parse import SchemaError

# Builtin types: C type, tables' suffix, JSON type in the introspection.
BUILTINS = {
    'bool': ('bool', 'bool', 'boolean'),
    'int': ('int64_t', 'int64', 'int'),
    'int8': ('int8_t', 'int8', 'int'),
    'int16': ('int16_t', 'int16', 'int'),
    'int32': ('int32_t', 'int32', 'int'),
    'int64': ('int64_t', 'int64', 'int'),
    'uint8': ('uint8_t', 'uint8', 'int'),
    'uint16': ('uint16_t', 'uint16', 'int'),
    'uint32': ('uint32_t', 'uint32', 'int'),
    'uint64': ('uint64_t', 'uint64', 'int'),
    'size': ('uint64_t', 'size', 'int'),
    'number': ('double', 'number', 'number'),
    'str': ('char *', 'str', 'string'),
    'any': ('JsonValue *', 'any', 'value'),
    'null': (None, 'null', 'null'),
}

TYPE_NAME = re.compile(r'[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*$')
MEMBER_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_-]*$')
VALUE_NAME = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]*$')
EVENT_NAME = re.compile(r'[A-Z][A-Z0-9_]*$')
COMMAND_NAME = re.compile(r'[a-z][a-z0-9_-]*$')

C_WORDS = set('''
    auto break case char const continue default do double else enum extern
    float for goto if inline int long register restrict return short signed
    sizeof static struct switch typedef union unsigned void volatile while
    asm typeof linux unix i386 errno bool true false ret ctx errp
'''.split())

KEYS = {
    'enum': {'data', 'if', 'features', 'prefix'},
    'struct': {'data', 'base', 'if', 'features'},
    'union': {'data', 'base', 'discriminator', 'if', 'features'},
    'alternate': {'data', 'if', 'features'},
    'command': {'data', 'returns', 'boxed', 'gen', 'allow-oob',
                'allow-preconfig', 'if', 'features'},
    'event': {'data', 'boxed', 'throttle-ms', 'throttle-by', 'if',
              'features'},
}


def c_name(name):
    name = re.sub(r'[^A-Za-z0-9_]', '_', name)
    if name in C_WORDS or name[0].isdigit():
        name = '_' + name if name[0].isdigit() else name + '_'
    return name


def snake(name):
    """MigrationInfo -> migration_info, PCIBus -> pci_bus."""
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    return re.sub(r'([A-Z])([A-Z][a-z])', r'\1_\2', name).lower()




class Member:
    """A struct's member, a union's or an alternate's branch."""

    def __init__(self, name, type_, optional, features):
        self.name = name
        self.type = type_
        self.optional = optional
        self.features = features
        self.c_name = c_name(name)

    def is_pointer(self):
        return self.type.kind not in ('builtin', 'enum') or \
            self.type.name in ('str', 'any')

    def has_flag(self):
        return self.optional and not self.is_pointer()


class Type:
    """A builtin, list or defined type."""

    def __init__(self, name, kind, module=None, where=None):
        self.name = name
        self.kind = kind
        self.module = module
        self.where = where
        self.features = []
        self.members = []   # struct, union: Member; base's first
        self.values = []    # enum: (name, features)
        self.prefix = None  # enum constants'
        self.tag = None     # union: Member
        self.branches = {}  # union: value -> struct Type; alternate: members
        self.elem = None    # list
        self.resolved = kind in ('builtin', 'enum')

    def c_type(self):
        """Of a variable or member that holds it."""
        if self.kind == 'builtin':
            return BUILTINS[self.name][0]
        if self.kind == 'enum':
            return self.name
        return self.c_struct() + ' *'

    def c_struct(self):
        if self.kind != 'list':
            return self.name
        if self.elem.kind == 'builtin':
            base = BUILTINS[self.elem.name][1]
            return base.capitalize() + 'List'
        return self.elem.name + 'List'

    def c_prefix(self):
        if self.kind == 'builtin':
            return BUILTINS[self.name][1]
        if self.kind == 'list':
            return self.elem.c_prefix() + '_list'
        return snake(self.name)

    def table(self):
        return 'qapi_type_' + self.c_prefix()

    def constant(self, value):
        return self.prefix + '_' + \
            re.sub(r'[^A-Z0-9_]', '_', value.upper())


class Callable:
    """A command or an event."""

    def __init__(self, name, kind, expr):
        self.name = name
        self.kind = kind
        self.where = expr.where
        self.doc = expr.doc
        self.args = None      # struct or union Type, or None
        self.implicit = False  # args has no name of its own
        self.returns = None
        self.boxed = expr.value.get('boxed', False)
        self.gen = expr.value.get('gen', True)
        self.oob = expr.value.get('allow-oob', False)
        self.preconfig = expr.value.get('allow-preconfig', False)
        self.throttle_ms = expr.value.get('throttle-ms', 0)
        self.throttle_by = expr.value.get('throttle-by')
        self.features = []
        self.c_name = c_name(name).lower()


class Schema:
    """All definitions; the constructor checks everything."""

    def __init__(self, loaded, config):
        self.exprs, self.modules, self.root = loaded
        self.config = config
        self.types = {n: Type(n, 'builtin') for n in BUILTINS}
        self.lists = {}
        self.commands = []
        self.events = []
        self.defined = []  # defined Types in their order
        pending = []
        names = {}
        for expr in self.exprs:
            self.declare(expr, names, pending)
        for expr, thing in pending:
            self.resolve(expr, thing)

    # Checks of form.

    @staticmethod
    def fail(where, what):
        raise SchemaError(where, what)

    def condition(self, cond, where):
        if isinstance(cond, str) and re.match(r'[A-Z][A-Z0-9_]*$', cond):
            return cond in self.config
        if isinstance(cond, dict) and len(cond) == 1:
            (op, arg), = cond.items()
            if op == 'not':
                return not self.condition(arg, where)
            if op in ('all', 'any') and isinstance(arg, list) and arg:
                got = [self.condition(c, where) for c in arg]
                return all(got) if op == 'all' else any(got)
        return self.fail(where, f"bad condition {cond!r}")

    def enabled(self, d, where):
        return 'if' not in d or self.condition(d['if'], where)

    def features(self, d, where, what):
        out = []
        given = d.get('features', [])
        if not isinstance(given, list):
            self.fail(where, f"{what}: 'features' must be a list")
        for f in given:
            f = {'name': f} if isinstance(f, str) else f
            if not isinstance(f, dict) or set(f) - {'name', 'if'} or \
                    not isinstance(f.get('name'), str):
                self.fail(where, f'{what}: bad feature {f!r}')
            if f['name'] in out:
                self.fail(where, f"{what}: feature '{f['name']}' given twice")
            if self.enabled(f, where):
                out.append(f['name'])
        return out

    def kind_of(self, expr):
        kinds = [k for k in KEYS if k in expr.value]
        if len(kinds) != 1:
            self.fail(expr.where, 'expected one of ' + ', '.join(
                f"'{k}'" for k in KEYS))
        kind = kinds[0]
        name = expr.value[kind]
        pattern = {'command': COMMAND_NAME, 'event': EVENT_NAME}.get(
            kind, TYPE_NAME)
        if not isinstance(name, str) or not pattern.match(name):
            self.fail(expr.where, f'bad {kind} name {name!r}')
        for key in expr.value:
            if key != kind and key not in KEYS[kind]:
                self.fail(expr.where, f"{kind} '{name}': unknown key '{key}'")
        if not expr.doc:
            self.fail(expr.where, f"{kind} '{name}' has no comment")
        return kind, name

    def declare(self, expr, names, pending):
        kind, name = self.kind_of(expr)
        if name in names or name in self.types:
            old = names.get(name, 'a builtin type')
            self.fail(expr.where, f"'{name}' is already defined at {old}")
        names[name] = expr.where
        if not self.enabled(expr.value, expr.where):
            return
        what = f"{kind} '{name}'"
        if kind in ('command', 'event'):
            thing = Callable(name, kind, expr)
            (self.commands if kind == 'command' else self.events).append(thing)
        else:
            thing = Type(name, kind, expr.module, expr.where)
            self.types[name] = thing
            self.defined.append(thing)
        thing.features = self.features(expr.value, expr.where, what)
        pending.append((expr, thing))
        if kind == 'enum':
            self.fill_enum(expr, thing, what)

    def fill_enum(self, expr, t, what):
        data = expr.value.get('data')
        if not isinstance(data, list) or not data:
            self.fail(expr.where, f"{what}: 'data' must be a list of values")
        t.prefix = expr.value.get('prefix', snake(t.name).upper())
        seen = {}
        for v in data:
            v = {'name': v} if isinstance(v, str) else v
            name = v.get('name') if isinstance(v, dict) else None
            if not isinstance(name, str) or not VALUE_NAME.match(name) or \
                    set(v) - {'name', 'if', 'features'}:
                self.fail(expr.where, f'{what}: bad value {v!r}')
            const = t.constant(name)
            if const in seen:
                self.fail(expr.where, f"{what}: value '{name}' clashes with "
                          f"'{seen[const]}'")
            seen[const] = name
            if self.enabled(v, expr.where):
                t.values.append((name, self.features(v, expr.where, what)))

    # References.

    def list_of(self, elem):
        if elem.name not in self.lists:
            t = Type(f'[{elem.name}]', 'list', elem.module)
            t.elem = elem
            t.resolved = True
            self.lists[elem.name] = t
        return self.lists[elem.name]

    def reachable(self, module, seen=None):
        seen = seen if seen is not None else set()
        if module not in seen:
            seen.add(module)
            for m in module.includes:
                self.reachable(m, seen)
        return seen

    def ref(self, name, expr, what):
        """The type that a reference names; a list is ['Elem']."""
        if isinstance(name, list):
            if len(name) != 1 or not isinstance(name[0], str):
                self.fail(expr.where, f"{what}: a list is ['Type']")
            elem = self.ref(name[0], expr, what)
            if elem.name == 'null':
                self.fail(expr.where, f"{what}: a list of 'null'")
            return self.list_of(elem)
        if not isinstance(name, str) or name not in self.types:
            self.fail(expr.where, f'{what}: unknown type {name!r}')
        t = self.types[name]
        if t.module and t.module not in self.reachable(expr.module):
            self.fail(expr.where, f"{what}: type '{name}' is in "
                      f"{t.module.path}, which is not included")
        return t

    def members(self, data, expr, what, optional_ok=True):
        if not isinstance(data, dict):
            self.fail(expr.where, f"{what}: 'data' must be {{ members }}")
        out = []
        for name, ref in data.items():
            optional = name.startswith('*')
            name = name[1:] if optional else name
            if not MEMBER_NAME.match(name):
                self.fail(expr.where, f'{what}: bad member name {name!r}')
            if optional and not optional_ok:
                self.fail(expr.where, f"{what}: '{name}' can't be optional")
            ref = ref if isinstance(ref, dict) else {'type': ref}
            if set(ref) - {'type', 'if', 'features'} or 'type' not in ref:
                self.fail(expr.where, f"{what}: bad member '{name}'")
            if self.enabled(ref, expr.where):
                here = f"{what}, member '{name}'"
                t = self.ref(ref['type'], expr, here)
                out.append(Member(name, t, optional,
                                  self.features(ref, expr.where, here)))
        return out

    def check_unique(self, members, where, what):
        seen = {}
        for m in members:
            for c in (m.c_name, 'has_' + m.c_name if m.has_flag() else None):
                if c and c in seen:
                    self.fail(where, f"{what}: member '{m.name}' clashes "
                              f"with '{seen[c]}'")
                if c:
                    seen[c] = m.name

    # Definitions.

    def resolve(self, expr, thing):
        what = f"{thing.kind} '{thing.name}'"
        if thing.kind in ('command', 'event'):
            self.resolve_callable(expr, thing, what)
        elif not thing.resolved:
            self.resolve_type(expr, thing, what)

    def complete(self, t):
        """A struct whose members are needed now."""
        if not t.resolved:
            expr = next(e for e in self.exprs if t.where is e.where)
            self.resolve_type(expr, t, f"{t.kind} '{t.name}'")

    def resolve_type(self, expr, t, what):
        if t.resolved is None:
            self.fail(expr.where, f'{what} is its own base or branch')
        t.resolved = None
        {'struct': self.fill_struct, 'union': self.fill_union,
         'alternate': self.fill_alternate}[t.kind](expr, t, what)
        t.resolved = True

    def base_members(self, base, expr, what):
        if isinstance(base, dict):
            return self.members(base, expr, what)
        t = self.ref(base, expr, what)
        if t.kind != 'struct':
            self.fail(expr.where, f"{what}: base '{base}' is no struct")
        self.complete(t)
        return t.members

    def fill_struct(self, expr, t, what):
        base = expr.value.get('base')
        if base is not None and not isinstance(base, str):
            self.fail(expr.where, f"{what}: 'base' must be a struct's name")
        t.members = list(self.base_members(base, expr, what)) if base else []
        t.members += self.members(expr.value.get('data'), expr, what)
        self.check_unique(t.members, expr.where, what)

    def fill_union(self, expr, t, what):
        v = expr.value
        for key in ('base', 'discriminator', 'data'):
            if key not in v:
                self.fail(expr.where, f"{what}: '{key}' is missing")
        t.members = list(self.base_members(v['base'], expr, what))
        t.tag = next((m for m in t.members if m.name == v['discriminator']),
                     None)
        if not t.tag:
            self.fail(expr.where, f"{what}: discriminator "
                      f"'{v['discriminator']}' is no member of the base")
        if t.tag.type.kind != 'enum' or t.tag.optional:
            self.fail(expr.where, f"{what}: discriminator '{t.tag.name}' must "
                      "be an enum and not optional")
        values = [n for n, _ in t.tag.type.values]
        for m in self.members(v['data'], expr, what, optional_ok=False):
            if m.name not in values:
                self.fail(expr.where, f"{what}: branch '{m.name}' is no value "
                          f"of enum '{t.tag.type.name}'")
            if m.type.kind != 'struct':
                self.fail(expr.where, f"{what}: branch '{m.name}' must be a "
                          'struct')
            self.complete(m.type)
            self.check_unique(t.members + m.type.members, expr.where,
                              f"{what}, branch '{m.name}'")
            t.branches[m.name] = m.type
        self.check_unique(t.members, expr.where, what)

    def fill_alternate(self, expr, t, what):
        t.members = self.members(expr.value.get('data'), expr, what,
                                 optional_ok=False)
        seen = {}
        for m in t.members:
            json = self.json_kind(m.type)
            if json is None:
                self.fail(expr.where, f"{what}: branch '{m.name}' can't be of "
                          f"type '{m.type.name}'")
            if json in seen:
                self.fail(expr.where, f"{what}: branches '{seen[json]}' and "
                          f"'{m.name}' can't be told apart")
            seen[json] = m.name
        if len(t.members) < 2:
            self.fail(expr.where, f'{what} needs two branches or more')
        self.check_unique(t.members, expr.where, what)

    @staticmethod
    def json_kind(t):
        if t.kind == 'builtin':
            json = BUILTINS[t.name][2]
            return {'int': 'number', 'value': None}.get(json, json)
        return {'enum': 'string', 'list': 'array', 'struct': 'object',
                'union': 'object', 'alternate': None}[t.kind]

    def resolve_callable(self, expr, c, what):
        v = expr.value
        for key in ('boxed', 'gen', 'allow-oob', 'allow-preconfig'):
            if not isinstance(v.get(key, False), bool):
                self.fail(expr.where, f"{what}: '{key}' must be true or false")
        data = v.get('data')
        if isinstance(data, dict):
            if c.boxed:
                self.fail(expr.where, f"{what}: 'boxed' needs a named type")
            c.implicit = True
            c.args = Type('', 'struct', expr.module)
            c.args.members = self.members(data, expr, what)
            self.check_unique(c.args.members, expr.where, what)
        elif data is not None:
            c.args = self.ref(data, expr, what)
            ok = ('struct', 'union') if c.boxed else ('struct',)
            if c.args.kind not in ok:
                self.fail(expr.where, f"{what}: 'data' must be a "
                          + ' or '.join(ok))
            self.complete(c.args)
        elif c.boxed:
            self.fail(expr.where, f"{what}: 'boxed' without 'data'")
        if 'returns' in v:
            c.returns = self.ref(v['returns'], expr, what)
            if c.returns.name == 'null' or c.returns.kind == 'alternate':
                self.fail(expr.where, f"{what}: can't return "
                          f"'{c.returns.name}'")
        if not isinstance(c.throttle_ms, int):
            self.fail(expr.where, f"{what}: 'throttle-ms' must be a number")
        names = [m.name for m in c.args.members] if c.args else []
        if c.throttle_by is not None and c.throttle_by not in names:
            self.fail(expr.where, f"{what}: no member '{c.throttle_by}' to "
                      'throttle by')
