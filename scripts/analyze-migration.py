#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print a migration stream as JSON.

Reads what 'migrate file:PATH' or 'migrate exec:cat>PATH' wrote, of Godwit
or of QEMU.  docs/devel/stream.md has the layout, docs/analyze-migration.md
the use.
"""

import argparse
import json
import mmap
import os
import struct
import sys

import migcompare
from migstream import (
    DESCRIPTION, SUBSECTION, Description, FieldReader, Ram, Reader,
    StreamError, find_description, hex_bytes)

MAGIC = 0x5145564d
VERSION = 3

SECTION_EOF = 0x00
SECTION_START = 0x01
SECTION_PART = 0x02
SECTION_END = 0x03
SECTION_FULL = 0x04
CONFIGURATION = 0x07
COMMAND = 0x08
FOOTER = 0x7e

SECTION_NAMES = {
    SECTION_START: 'start', SECTION_PART: 'part', SECTION_END: 'end',
    SECTION_FULL: 'full',
}

COMMAND_NAMES = {
    1: 'open-return-path', 2: 'ping', 3: 'postcopy-advise',
    4: 'postcopy-listen', 5: 'postcopy-run', 6: 'postcopy-ram-discard',
    7: 'packaged', 8: 'enable-colo', 9: 'postcopy-resume',
    10: 'recv-bitmap', 11: 'switchover-start',
    # Godwit's own, between two of it only.
    0x4701: 'enable', 0x4702: 'switchover', 0x4703: 'run', 0x4704: 'abort',
}
COMMAND_PACKAGED = 7


# ---------------------------------------------------------------- sections ---

class Section:
    """One section id: what its start told."""

    def __init__(self, number, name, instance, version):
        self.number = number
        self.name = name
        self.instance = instance
        self.version = version
        self.handler = None

    def __str__(self):
        return f"'{self.name}' ({self.number})"


class Analyzer:
    """Walks through a stream and collects what it holds."""

    def __init__(self, data, options):
        self.options = options
        self.data = data
        self.sections = {}
        self.result = {}
        self.headers = []
        self.notes = []
        self.commands = []
        self.capabilities = set()
        self.postcopy_page_sizes = False
        self.footers = None
        self.section = None
        self.desc_offset, self.desc = find_description(data)
        try:
            self.devices = self.index_devices()
        except StreamError as err:
            err.offset = self.desc_offset
            raise
        if self.desc is None:
            self.notes.append('no description of the devices at the end: '
                              'their state is not decoded')

    def index_devices(self):
        out = {}
        if self.desc is None or not isinstance(self.desc['devices'], list):
            return out
        for item in self.desc['devices']:
            device = Description(item, 'a device')
            name = device.text('name')
            device.what = f"'{name}'"
            out[name, device.number('instance_id')] = device
        return out

    def run(self):
        r = Reader(self.data)
        try:
            self.read_file_header(r)
            self.read_sections(r)
            self.read_tail(r)
        except StreamError as err:
            if err.section is None and self.section:
                err.section = str(self.section)
            if not err.offset:
                err.offset = r.pos
            raise

    def read_file_header(self, r):
        magic = r.uint(4, 'magic')
        if magic != MAGIC:
            raise r.error(f'not a migration stream: magic {magic:#010x}, not '
                          f'{MAGIC:#010x}', 0)
        version = r.uint(4, 'version')
        if version != VERSION:
            raise r.error(f'stream version {version} is not {VERSION}', 4)

    def read_sections(self, r):
        """Sections up to the end-of-file byte, or the end of a package."""
        while True:
            start = r.pos
            self.section = None
            kind = r.uint(1, 'type of a section')
            if kind == SECTION_EOF:
                return
            if kind in (SECTION_START, SECTION_FULL):
                self.read_new_section(r, kind, start)
            elif kind in (SECTION_PART, SECTION_END):
                self.read_more(r, kind, start)
            elif kind == CONFIGURATION:
                self.read_configuration(r, start)
            elif kind == COMMAND:
                self.read_command(r, start)
            else:
                raise r.error(f'unknown section type {kind:#04x}', start)

    def note_header(self, kind, start, r, section):
        self.headers.append({
            'offset': f'{start:#x}', 'length': r.pos - start, 'type': kind,
            **({'id': section.number, 'name': section.name,
                'instance': section.instance, 'version': section.version}
               if section else {})})

    def read_new_section(self, r, kind, start):
        number = r.uint(4, 'id of a section')
        name = r.name('name of a section')
        section = Section(number, name, r.uint(4, 'instance of a section'),
                          r.uint(4, 'version of a section'))
        self.section = section
        if number in self.sections:
            raise r.error(f'section id {number} was given to '
                          f'{self.sections[number]} before', start)
        self.sections[number] = section
        if kind == SECTION_FULL:
            self.result[self.key(section)] = self.read_device(r, section)
        elif name == 'ram':
            section.handler = Ram(self)
            section.handler.read_part(r)
        else:
            self.skip_unknown(r, section)
        self.read_footer(r, section)
        self.note_header(SECTION_NAMES[kind], start, r, section)

    def read_more(self, r, kind, start):
        number = r.uint(4, 'id of a section')
        section = self.sections.get(number)
        if not section:
            raise r.error(f'part of a section {number} that never started',
                          start)
        self.section = section
        if section.handler:
            section.handler.read_part(r)
        else:
            self.skip_unknown(r, section)
        self.read_footer(r, section)
        self.note_header(SECTION_NAMES[kind], start, r, section)

    @staticmethod
    def key(section):
        return f'{section.name} ({section.number})'

    def read_footer(self, r, section):
        """Streams have footers throughout or (by an option) not at all."""
        if self.footers is None:
            self.footers = r.peek() == FOOTER
        if not self.footers:
            return
        start = r.pos
        kind = r.uint(1, 'footer of a section')
        if kind != FOOTER:
            raise r.error(f'footer of section {section} expected, {kind:#04x} '
                          'found', start)
        number = r.uint(4, 'footer of a section')
        if number != section.number:
            raise r.error(f'footer of section {section} names {number}', start)

    def read_device(self, r, section):
        desc = self.devices.get((section.name, section.instance))
        out = {'instance': section.instance, 'version': section.version}
        if not desc:
            self.skip_unknown(r, section)
            return out
        # Old handlers without a field table are described without a version.
        if desc.number('version', section.version) != section.version:
            raise r.error(f"version {section.version} differs from the "
                          f"description's {desc.number('version')}")
        out['fields'] = FieldReader(r).fields(desc)
        return out

    def skip_unknown(self, r, section):
        """Goes to the footer, which is the only way to find the end."""
        if self.footers is False:
            raise r.error(f'data of section {section} are not described, and '
                          'without footers their end cannot be found')
        footer = bytes([FOOTER]) + struct.pack('>I', section.number)
        known = {SECTION_EOF, SECTION_START, SECTION_PART, SECTION_END,
                 SECTION_FULL, COMMAND}
        at = r.pos
        while True:
            at = self.data.find(footer, at, r.end)
            if at < 0:
                raise r.error(f'data of section {section} are not described, '
                              'and its footer cannot be found')
            after = at + len(footer)
            if after == r.end or self.data[after] in known:
                break
            at += 1
        self.notes.append(f'section {section} at {r.pos:#x}: {at - r.pos} '
                          'bytes without a description, skipped to the footer')
        r.pos = at

    def read_configuration(self, r, start):
        self.section = None
        config = {'machine': r.bytes(
            r.uint(4, 'length of the machine name'),
            'machine name').decode('ascii', 'replace')}
        while r.peek() == SUBSECTION:
            sub = r.pos
            r.skip(1, 'subsection')
            name = r.name('name of a subsection')
            version = r.uint(4, 'version of a subsection')
            if name == 'configuration/capabilities':
                config['capabilities'] = self.read_capabilities(r)
            elif name == 'configuration/uuid':
                raw = bytes(r.bytes(16, 'UUID')).hex()
                config['uuid'] = '-'.join(
                    (raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))
            elif name == 'configuration/target-page-bits':
                config['target-page-bits'] = r.uint(4, 'page bits')
            else:
                raise r.error(f"configuration: unknown subsection '{name}' "
                              f'version {version}', sub)
        self.result['configuration'] = config
        self.note_header('configuration', start, r, None)

    def read_capabilities(self, r):
        count = r.uint(4, 'number of capabilities')
        if count > r.left():
            raise r.error(f'{count} capabilities')
        names = [r.name('name of a capability') for _ in range(count)]
        self.capabilities.update(names)
        return names

    def read_command(self, r, start):
        number = r.uint(2, 'number of a command')
        size = r.uint(2, 'length of a command')
        raw = r.bytes(size, 'data of a command')
        name = COMMAND_NAMES.get(number, f'unknown-{number}')
        entry = {'offset': f'{start:#x}', 'command': name}
        if raw:
            entry['data'] = hex_bytes(raw)
        self.commands.append(entry)
        self.note_header(f'command {name}', start, r, None)
        if name == 'postcopy-advise' and raw:
            self.postcopy_page_sizes = True
        if number == COMMAND_PACKAGED:
            self.read_package(r, raw, start)

    def read_package(self, r, raw, start):
        """A piece of stream that the receiver reads as a whole first."""
        if len(raw) != 4:
            raise r.error('length of a package is not 4 bytes', start)
        size = int.from_bytes(raw, 'big')
        r.check(size, 'package')
        if r.end != len(self.data):
            raise r.error('package inside of a package', start)
        inner = Reader(self.data, r.pos, r.pos + size)
        while inner.left():
            kind = inner.peek()
            if kind in (SECTION_FULL, SECTION_START):
                inner.pos += 1
                self.read_new_section(inner, kind, inner.pos - 1)
            elif kind == COMMAND:
                inner.pos += 1
                self.read_command(inner, inner.pos - 1)
            else:
                raise inner.error(f'unknown section type {kind:#04x} in a '
                                  'package')
        r.pos = inner.pos

    def read_tail(self, r):
        """The description, then nothing."""
        if r.left() and r.peek() == DESCRIPTION:
            start = r.pos
            r.skip(1, 'description')
            size = r.uint(4, 'length of the description')
            raw = r.bytes(size, 'description')
            try:
                json.loads(raw)
            except (ValueError, RecursionError) as err:
                raise r.error(f'description: {err}', start) from None
            self.note_header('description', start, r, None)
        if r.left():
            self.notes.append(f'{r.left()} bytes at {r.pos:#x} follow the end '
                              'of the stream')

    def state(self):
        out = {}
        if 'configuration' in self.result:
            out['configuration'] = self.result['configuration']
        if self.commands:
            out['commands'] = self.commands
        for section in self.sections.values():
            if isinstance(section.handler, Ram):
                out[self.key(section)] = section.handler.to_json()
            elif self.key(section) in self.result:
                out[self.key(section)] = self.result[self.key(section)]
            else:
                out[self.key(section)] = {'instance': section.instance,
                                          'version': section.version}
        if self.notes:
            out['notes'] = self.notes
        return out


# --------------------------------------------------------------------- main ---

def open_stream(path):
    """Return the stream as bytes or as something that acts alike."""
    if path == '-':
        return sys.stdin.buffer.read()
    with open(path, 'rb') as file:
        if not os.fstat(file.fileno()).st_size:
            return file.read()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def parse_args():
    parser = argparse.ArgumentParser(
        description='Print a migration stream as JSON.')
    parser.add_argument('-f', '--file', required=True,
                        help="the stream; '-' is standard input")
    parser.add_argument('-d', '--dump', choices=('state', 'desc'),
                        default='state',
                        help="print the state (default), or the stream's own "
                        'description of it')
    parser.add_argument('-m', '--memory', action='store_true',
                        help='print the contents of RAM too')
    parser.add_argument('-x', '--extract', metavar='FOLDER', nargs='?',
                        const='.',
                        help='write each RAM block to FOLDER/NAME.mem, and '
                        'state.json and desc.json')
    parser.add_argument('-c', '--compare', metavar='FILE',
                        help='print what this stream has different in '
                        'sections and descriptions')
    parser.add_argument('--values', action='store_true',
                        help='with --compare: print what differs in the state '
                        'too')
    parser.add_argument('--dump-headers', action='store_true',
                        help='print where each section lies instead')
    return parser.parse_args()


def print_json(value, file):
    json.dump(value, file, indent=4)
    file.write('\n')


def extract(analyzer, folder):
    with open(os.path.join(folder, 'state.json'), 'w', encoding='utf-8') as f:
        print_json(analyzer.state(), f)
    if analyzer.desc is not None:
        with open(os.path.join(folder, 'desc.json'), 'w',
                  encoding='utf-8') as f:
            print_json(analyzer.desc, f)


def compare(options):
    """Prints differences; whether the structure has any."""
    both = []
    for path in (options.file, options.compare):
        both.append(Analyzer(open_stream(path), options))
        try:
            both[-1].run()
        except StreamError as err:
            raise ValueError(f'{path}: {err}') from None
    lines = list(migcompare.compare_structure(*both))
    for line in lines:
        print(line)
    if options.values:
        for path, a, b in migcompare.compare_values(*both):
            print(f'value: {path}: {migcompare.short(a)} and '
                  f'{migcompare.short(b)}')
    return bool(lines)


def run(options):
    """The exit status."""
    if options.compare is not None:
        return 2 if compare(options) else 0
    data = open_stream(options.file)
    if options.extract is not None:
        os.makedirs(options.extract, exist_ok=True)
    if options.dump == 'desc' and not options.dump_headers:
        _, desc = find_description(data)
        if desc is None:
            raise StreamError(len(data), 'no description at the end')
        print_json(desc, sys.stdout)
        return 0
    analyzer = Analyzer(data, options)
    try:
        analyzer.run()
    finally:
        # What lies before an error is still worth seeing.
        if options.dump_headers:
            print_json(analyzer.headers, sys.stdout)
    if options.extract is not None:
        extract(analyzer, options.extract)
    elif not options.dump_headers:
        print_json(analyzer.state(), sys.stdout)
    return 0


def main():
    options = parse_args()
    try:
        return run(options)
    except StreamError as err:
        sys.stdout.flush()
        print(f'analyze-migration: {options.file}: {err}', file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as err:
        print(f'analyze-migration: {options.file}: {err}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
