# SPDX-License-Identifier: GPL-2.0-or-later
"""What two migration streams differ in, for analyze-migration.py.

Structure is what a receiver depends on: which sections there are, in which
order, with which versions, and what their descriptions say.  Values are
another matter: two guests are never in the same state.
"""

STREAM_PARTS = ('ram',)  # sections that come in parts, as many as it takes


def sections(analyzer):
    """Name, instance and version of each section, in order."""
    return [(s.name, s.instance, s.version)
            for s in analyzer.sections.values()]


def differences(a, b, path=''):
    """Yields (path, left, right); None stands for what isn't there."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(k for k in b if k not in a)]:
            yield from differences(a.get(key), b.get(key), f'{path}/{key}')
    elif isinstance(a, list) and isinstance(b, list):
        for i in range(max(len(a), len(b))):
            left = a[i] if i < len(a) else None
            right = b[i] if i < len(b) else None
            yield from differences(left, right,
                                   f'{path}/{label(left, right, i)}')
    elif a != b:
        yield path, a, b


def label(left, right, i):
    """Members of a description go by their names, else by number."""
    for item in (left, right):
        if isinstance(item, dict):
            name = item.get('name') or item.get('vmsd_name')
            if name:
                return name
    return str(i)


def by_section(devices):
    return {f"{d.get('name')} {d.get('instance_id')}": d for d in devices}


def values_by_section(analyzer):
    """The state without the numbers that each sender picks for itself."""
    out = {}
    for key, value in analyzer.state().items():
        name = key.rsplit(' (', 1)[0]
        if name in STREAM_PARTS or not isinstance(value, dict):
            continue
        out[f"{name} {value.get('instance', '')}".rstrip()] = \
            value.get('fields', value)
    return out


def short(value):
    text = 'absent' if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + '...'


def compare_order(a, b):
    left, right = sections(a), sections(b)
    for one, other, where in ((left, right, 'first'), (right, left, 'second')):
        for name, instance, version in one:
            if not any((name, instance) == o[:2] for o in other):
                yield (f"section '{name}' instance {instance} version "
                       f'{version}: only in the {where}')
    versions = {s[:2]: s[2] for s in right}
    for name, instance, version in left:
        theirs = versions.get((name, instance), version)
        if theirs != version:
            yield (f"section '{name}' instance {instance}: version {version} "
                   f'and {theirs}')
    common = [s[:2] for s in left if s[:2] in versions]
    theirs = [s[:2] for s in right if s[:2] in set(common)]
    for mine, other in zip(common, theirs):
        if mine != other:
            yield f"order: '{mine[0]}' {mine[1]} where '{other[0]}' " \
                  f'{other[1]} is in the second'
            break


def compare_structure(a, b):
    """Lines, none if a receiver sees no difference."""
    yield from compare_order(a, b)
    if a.desc is None or b.desc is None:
        if (a.desc is None) != (b.desc is None):
            yield 'description: only in one of the two'
        return
    left, right = (by_section(x.desc['devices']) for x in (a, b))
    both = [key for key in left if key in right]
    for path, mine, theirs in differences(
            {key: left[key] for key in both},
            {key: right[key] for key in both}):
        yield f'description: {path[1:]}: {short(mine)} and {short(theirs)}'


def compare_values(a, b):
    """Yields (path, left, right) for what both streams have."""
    left, right = values_by_section(a), values_by_section(b)
    both = [key for key in left if key in right]
    for path, mine, theirs in differences(
            {key: left[key] for key in both},
            {key: right[key] for key in both}):
        yield path[1:], mine, theirs
