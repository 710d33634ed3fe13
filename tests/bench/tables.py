# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians, tables and a bar chart of measurements."""

import statistics

# Key, heading, decimals.
COLUMNS = (
    ('total_ms', 'total ms', 0),
    ('downtime_ms', 'downtime ms', 2),
    ('gap_ms', "guest's gap ms", 2),
    ('sent_mib', 'sent MiB', 1),
    ('cpu_s', 'CPU s', 2),
    ('rss_mib', 'source RSS MiB', 0),
)


def number(value, decimals):
    if decimals == 0 and abs(value) < 10:
        decimals = 1
    return '%.*f' % (decimals, value)


def summarise(runs, key):
    """Median, least and greatest of one figure."""
    values = [run[key] for run in runs]
    return statistics.median(values), min(values), max(values)


def cell(runs, key, decimals):
    median, low, high = summarise(runs, key)
    if len(runs) == 1:
        return number(median, decimals)
    return '%s (%s-%s)' % tuple(number(v, decimals)
                                for v in (median, low, high))


def rows(results, columns=COLUMNS):
    """`results`: {workload name: {program name: [runs]}}."""
    yield ['guest', 'program', *(c[1] for c in columns)]
    for workload, programs in results.items():
        for program, runs in programs.items():
            if runs:
                yield [workload, program, *(cell(runs, key, decimals)
                                            for key, _, decimals in columns)]


def text_table(results, columns=COLUMNS):
    table = list(rows(results, columns))
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    last = None
    for n, row in enumerate(table):
        shown = list(row)
        if n and row[0] == last:
            shown[0] = ''
        last = row[0]
        lines.append('  '.join(
            text.ljust(w) if i < 2 else text.rjust(w)
            for i, (text, w) in enumerate(zip(shown, widths))).rstrip())
        if n == 0:
            lines.append('  '.join('-' * w for w in widths))
    return '\n'.join(lines)


def markdown_table(results, columns=COLUMNS):
    table = list(rows(results, columns))
    lines = ['| ' + ' | '.join(table[0]) + ' |',
             '|' + '|'.join(['---'] * 2 + ['---:'] * len(columns)) + '|']
    lines += ['| ' + ' | '.join(row) + ' |' for row in table[1:]]
    return '\n'.join(lines)


# ---- the chart ------------------------------------------------------------

WIDTH, BAR, GAP, GROUP_GAP = 860, 22, 6, 26
LEFT, RIGHT = 250, 150
# Okabe and Ito's palette, which colour-blind people can tell apart.
COLOURS = ('#999999', '#E69F00', '#0072B2', '#009E73', '#D55E00', '#CC79A7')


def escape(text):
    return (text.replace('&', '&amp;').replace('<', '&lt;')
            .replace('>', '&gt;'))


def _text(x, y, text, anchor='start', weight='normal', size=13):
    return ('<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" '
            'font-weight="%s">%s</text>' % (x, y, anchor, size, weight,
                                            escape(text)))


def _bar(x0, y, scale, runs, key, decimals, unit, colour):
    median, low, high = summarise(runs, key)
    end = x0 + median * scale
    mid = y + BAR / 2
    parts = ['<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>' %
             (x0, y, max(median * scale, 1), BAR, colour)]
    right = end
    if len(runs) > 1:
        a, b = x0 + low * scale, x0 + high * scale
        right = max(end, b)
        parts.append('<path d="M%.1f %.1fH%.1fM%.1f %.1fv10M%.1f %.1fv10" '
                     'stroke="#000" fill="none"/>' %
                     (a, mid, b, a, mid - 5, b, mid - 5))
    parts.append(_text(right + 6, mid + 4, number(median, decimals) + unit,
                       size=12))
    return parts


def _panel(parts, y, title, results, key, decimals, unit, colour_of):
    greatest = max(summarise(runs, key)[2] for programs in results.values()
                   for runs in programs.values() if runs)
    scale = (WIDTH - LEFT - RIGHT) / max(greatest, 1e-9)
    parts.append(_text(10, y, title, weight='bold', size=15))
    y += 14
    for workload, programs in results.items():
        parts.append(_text(10, y + BAR - 6, workload))
        for program, runs in programs.items():
            if not runs:
                continue
            parts.append(_text(LEFT - 8, y + BAR - 6, program, 'end',
                               size=12))
            parts += _bar(LEFT, y, scale, runs, key, decimals, unit,
                          colour_of[program])
            y += BAR + GAP
        y += GROUP_GAP - GAP
    return y + 10


# Heading, key, decimals, unit.
PANELS = (
    ('Total time', 'total_ms', 0, ' ms'),
    ('Downtime: STOP at the source to RESUME at the destination',
     'downtime_ms', 2, ' ms'),
)


def _colours(results):
    names = []
    for programs in results.values():
        names += [name for name in programs if name not in names]
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def _svg(height, parts):
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'viewBox="0 0 %d %d" font-family="sans-serif">\n'
            '<rect width="100%%" height="100%%" fill="#fff"/>\n%s\n</svg>\n' %
            (WIDTH, height, WIDTH, height, '\n'.join(parts)))


def svg_chart(results, title, notes=(), panels=PANELS):
    """Bars with whiskers from least to greatest, one panel for each figure.
    """
    colour_of = _colours(results)
    parts = [_text(10, 26, title, weight='bold', size=18)]
    y = 60
    for heading, key, decimals, unit in panels:
        y = _panel(parts, y, heading, results, key, decimals, unit,
                   colour_of)
    for note in notes:
        parts.append(_text(10, y, note, size=11))
        y += 16
    return _svg(y, parts)


PLOT_HEIGHT = 180


def _plot(parts, y, heading, lines, colour_of):
    """Lines {name: [(x, y)]} over one axis, with both ends written."""
    points = [point for line in lines.values() for point in line]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    top = max(max(v for _, v in points), 1e-9)
    wide, x0 = (WIDTH - 100) / max(high - low, 1e-9), 60
    bottom = y + 14 + PLOT_HEIGHT
    parts.append(_text(10, y, heading, weight='bold', size=15))
    parts.append('<path d="M%d %dV%dH%d" stroke="#000" fill="none"/>' % (
        x0, y + 14, bottom, WIDTH - 40))
    parts.append(_text(x0 - 6, y + 24, number(top, 0), 'end', size=11))
    for x in (low, 0, high):
        parts.append(_text(x0 + (x - low) * wide, bottom + 14,
                           '%g ms' % x, 'middle', size=11))
    for name, line in lines.items():
        path = ' '.join('%.1f,%.1f' % (x0 + (x - low) * wide,
                                       bottom - v / top * PLOT_HEIGHT)
                        for x, v in line)
        parts.append('<polyline points="%s" fill="none" stroke="%s" '
                     'stroke-width="1.5"/>' % (path, colour_of[name]))
    return bottom + 50


def svg_lines(results, title, plots):
    """One plot for each workload and column of `series`, the last run of
    each program. `plots`: (heading, column)."""
    colour_of = _colours(results)
    parts = [_text(10, 26, title, weight='bold', size=18)]
    x = 10
    for name, colour in colour_of.items():
        parts.append(_text(x, 48, name, size=13).replace(
            '<text', '<text fill="%s"' % colour))
        x += 12 + 8 * len(name)
    y = 80
    for workload, programs in results.items():
        for heading, column in plots:
            lines = {name: [(row[0], row[column])
                            for row in runs[-1]['series']]
                     for name, runs in programs.items()
                     if runs and runs[-1]['series']}
            if lines:
                y = _plot(parts, y, '%s: %s' % (workload, heading), lines,
                          colour_of)
    return _svg(y, parts)
