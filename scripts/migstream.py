# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a migration stream: numbers, described fields, guest RAM.

For analyze-migration.py; docs/devel/stream.md has the layout.
"""

import errno
import json
import os
import re
import struct
import zlib

SUBSECTION = 0x05
DESCRIPTION = 0x06

RAM_FILL = 0x02
RAM_BLOCKS = 0x04
RAM_PAGE = 0x08
RAM_EOS = 0x10
RAM_CONTINUE = 0x20
RAM_XBZRLE = 0x40
RAM_HOOK = 0x80
RAM_COMPRESSED = 0x100
RAM_MULTIFD_FLUSH = 0x200
RAM_EXTENT = 0x800
RAM_FLAGS = 0xfff

# Guests have 4 KiB pages here, whatever backs them.
PAGE_SIZE = 4096

# A description nests as deep as structs do; a hostile one might go on.
MAX_DEPTH = 64


class StreamError(Exception):
    """What is wrong with the stream, and where."""

    def __init__(self, offset, text):
        super().__init__(text)
        self.offset = offset
        self.section = None

    def __str__(self):
        where = f'section {self.section}, ' if self.section else ''
        return f'{where}offset {self.offset:#x}: {super().__str__()}'


class Reader:
    """Big-endian values from a buffer; errors tell the offset."""

    def __init__(self, data, start=0, end=None):
        self.data = data
        self.pos = start
        self.end = len(data) if end is None else end

    def left(self):
        return self.end - self.pos

    def error(self, text, offset=None):
        return StreamError(self.pos if offset is None else offset, text)

    def check(self, size, what):
        if size > self.left():
            raise self.error(f'truncated: {what} needs {size} bytes, '
                             f'{self.left()} are left')

    def skip(self, size, what):
        self.check(size, what)
        self.pos += size

    def bytes(self, size, what='data'):
        self.check(size, what)
        self.pos += size
        return self.data[self.pos - size:self.pos]

    def uint(self, size, what):
        return int.from_bytes(self.bytes(size, what), 'big')

    def peek(self):
        return self.data[self.pos] if self.left() else None

    def name(self, what):
        """Return a string with its length in a byte before it."""
        start = self.pos
        raw = self.bytes(self.uint(1, f'length of {what}'), what)
        if not raw or any(c < 0x20 or c > 0x7e for c in raw):
            raise self.error(f'{what} {raw!r} is not a name', start)
        return raw.decode('ascii')


def hex_bytes(raw):
    return bytes(raw).hex(' ')


# ----------------------------------------------------------- description ---

class Description:
    """The fields of one struct, checked when they are looked at."""

    def __init__(self, obj, what):
        if not isinstance(obj, dict):
            raise StreamError(0, f'description of {what} is no object')
        self.obj = obj
        self.what = what

    def text(self, key):
        value = self.obj.get(key)
        if not isinstance(value, str):
            raise StreamError(0, f"description of {self.what}: '{key}' is "
                              'missing or no string')
        return value

    def number(self, key, default=None):
        value = self.obj.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise StreamError(0, f"description of {self.what}: '{key}' is "
                              'missing or no number')
        return value

    def items(self, key):
        value = self.obj.get(key, [])
        if not isinstance(value, list):
            raise StreamError(0, f"description of {self.what}: '{key}' is no "
                              'list')
        return [Description(item, f'{self.what}/{key}') for item in value]

    def child(self, key):
        return Description(self.obj.get(key), f'{self.what}/{key}')


def decode_number(raw, kind):
    """Return one element of a simple type, or None for another type."""
    kind = kind.removesuffix(' equal').removesuffix(' le')
    if kind == 'bool' and len(raw) == 1 and raw[0] < 2:
        return bool(raw[0])
    if re.fullmatch(r'int(8|16|32|64)', kind):
        return int.from_bytes(raw, 'big', signed=True)
    if re.fullmatch(r'uint(8|16|32|64)', kind) or kind == 'timer':
        return f'0x{bytes(raw).hex()}'
    return None


class FieldReader:
    """Decodes the bytes of a section by its description."""

    def __init__(self, reader):
        self.r = reader

    def value(self, field, depth):
        """Return one element of a field."""
        kind = field.text('type')
        size = field.number('size')
        start = self.r.pos
        if kind == 'struct' or kind == 'tmp':
            inner = field.child('struct') if kind == 'struct' else field
            value = self.fields(inner, depth + 1)
            if self.r.pos - start != size:
                raise self.r.error(
                    f"field '{field.text('name')}': its parts take "
                    f'{self.r.pos - start} bytes, the whole {size}', start)
            return value
        raw = self.r.bytes(size, f"field '{field.text('name')}'")
        value = decode_number(raw, kind)
        return hex_bytes(raw) if value is None else value

    def field(self, field, depth):
        if 'array_len' not in field.obj:
            return self.value(field, depth)
        count = field.number('array_len')
        if count > self.r.left():
            raise self.r.error(f"field '{field.text('name')}': {count} "
                               f'elements, but {self.r.left()} bytes are left')
        if field.obj.get('type') == 'uint8' and field.obj.get('size') == 1:
            return hex_bytes(self.r.bytes(count, 'array of bytes'))
        return [self.value(field, depth) for _ in range(count)]

    def fields(self, desc, depth=0):
        """Return the fields of a struct, then its subsections."""
        if depth > MAX_DEPTH:
            raise self.r.error(f'structs nest deeper than {MAX_DEPTH}')
        out = {}
        seen = {}
        indexed = {}
        for field in desc.items('fields'):
            name = field.text('name')
            value = self.field(field, depth)
            if 'index' in field.obj:
                # Elements described one by one.
                indexed.setdefault(name, []).append(value)
                out[name] = indexed[name]
                continue
            seen[name] = seen.get(name, 0) + 1
            out[name if seen[name] == 1 else f'{name}#{seen[name]}'] = value
        for sub in desc.items('subsections'):
            name = sub.text('vmsd_name')
            out[name] = self.subsection(sub, name, depth)
        return out

    def subsection(self, desc, name, depth):
        start = self.r.pos
        if self.r.uint(1, f"subsection '{name}'") != SUBSECTION:
            raise self.r.error(f"subsection '{name}' expected", start)
        got = self.r.name('name of a subsection')
        if got != name:
            raise self.r.error(f"subsection '{name}' expected, '{got}' found",
                               start)
        version = self.r.uint(4, f"version of subsection '{name}'")
        if version != desc.number('version'):
            raise self.r.error(f"subsection '{name}': version {version} "
                               f"differs from the description's "
                               f"{desc.number('version')}", start)
        return self.fields(desc, depth + 1)


def find_description(data):
    """Return (offset of its type byte, object) of the last description."""
    pos = len(data)
    while True:
        pos = data.rfind(b'{"', 0, pos)
        if pos < 5:
            return None, None
        size = struct.unpack_from('>I', data, pos - 4)[0]
        if data[pos - 5] != DESCRIPTION or size > len(data) - pos:
            continue
        try:
            obj = json.loads(data[pos:pos + size])
        except (ValueError, RecursionError):
            continue
        if isinstance(obj, dict) and 'devices' in obj:
            return pos - 5, obj


# ----------------------------------------------------------------- memory ---

class Store:
    """Contents of a RAM block, for --memory, in this process."""

    def __init__(self):
        self.pages = {}

    def write(self, offset, data):
        self.pages[offset] = bytes(data)

    def fill(self, offset, byte):
        self.pages.pop(offset, None)
        if byte:
            self.pages[offset] = bytes([byte]) * PAGE_SIZE

    def zero(self, offset, count):
        end = offset + count * PAGE_SIZE
        for page in [p for p in self.pages if offset <= p < end]:
            del self.pages[page]

    def read(self, offset):
        return self.pages.get(offset, bytes(PAGE_SIZE))

    def dump(self):
        return {f'{offset:#x}': hex_bytes(self.pages[offset])
                for offset in sorted(self.pages)}


class FileStore:
    """The same in a file, for --extract."""

    def __init__(self, path, size):
        self.file = open(path, 'w+b')
        self.file.truncate(size)

    def write(self, offset, data):
        os.pwrite(self.file.fileno(), data, offset)

    def fill(self, offset, byte):
        # A page that was never written is a hole already.
        if byte or any(self.read(offset)):
            self.write(offset, bytes([byte]) * PAGE_SIZE)

    def zero(self, offset, count):
        """Overwrite what there is; the rest stays a hole."""
        end = offset + count * PAGE_SIZE
        fd = self.file.fileno()
        while offset < end:
            try:
                offset = os.lseek(fd, offset, os.SEEK_DATA)
            except OSError as err:
                if err.errno == errno.ENXIO:
                    return
                raise
            for page in range(offset, min(os.lseek(fd, offset, os.SEEK_HOLE),
                                          end), PAGE_SIZE):
                self.write(page, bytes(PAGE_SIZE))
            offset = os.lseek(fd, offset, os.SEEK_HOLE)

    def read(self, offset):
        return os.pread(self.file.fileno(), PAGE_SIZE, offset)


class NullStore:
    """Nowhere: only the counts are wanted."""

    def write(self, offset, data):
        pass

    def fill(self, offset, byte):
        pass

    def zero(self, offset, count):
        pass

    def read(self, offset):
        return bytes(PAGE_SIZE)


class PageSet:
    """Numbers of pages; long runs cost little."""

    CHUNK = 1 << 12
    FULL = (1 << CHUNK) - 1

    def __init__(self):
        self.chunks = {}

    def add(self, first, count=1):
        while count:
            chunk, bit = divmod(first, self.CHUNK)
            run = min(count, self.CHUNK - bit)
            mask = self.chunks.get(chunk, 0) | ((1 << run) - 1) << bit
            # One object for all that are full.
            self.chunks[chunk] = self.FULL if mask == self.FULL else mask
            first += run
            count -= run

    def __len__(self):
        return sum(self.CHUNK if mask is self.FULL else bin(mask).count('1')
                   for mask in self.chunks.values())


def xbzrle_apply(page, delta, reader):
    """Change a page by runs: bytes to keep, bytes to replace, and so on."""
    page = bytearray(page)
    pos = at = 0
    keep = True
    while pos < len(delta):
        run = shift = 0
        while True:
            if pos >= len(delta) or shift > 14:
                raise reader.error('XBZRLE page: bad run length')
            byte = delta[pos]
            pos += 1
            run |= (byte & 0x7f) << shift
            shift += 7
            if not byte & 0x80:
                break
        if run > PAGE_SIZE - at or (not keep and run > len(delta) - pos):
            raise reader.error('XBZRLE page: run beyond the page')
        if not keep:
            page[at:at + run] = delta[pos:pos + run]
            pos += run
        at += run
        keep = not keep
    return bytes(page)


class RamBlock:
    """A block of guest memory and what was sent of it."""

    def __init__(self, name, size, store):
        self.name = name
        self.size = size
        self.extra = {}
        self.store = store
        self.counts = dict.fromkeys(
            ('full', 'zero', 'fill', 'xbzrle', 'compressed'), 0)
        self.seen = PageSet()

    def to_json(self):
        out = {'size': self.size, **self.extra,
               'pages': {'sent': sum(self.counts.values()),
                         'distinct': len(self.seen), **self.counts}}
        if isinstance(self.store, Store):
            out['contents'] = self.store.dump()
        return out


class Ram:
    """The section 'ram'."""

    def __init__(self, analyzer):
        self.analyzer = analyzer
        self.blocks = {}
        self.current = None
        self.total = None
        self.flushes = 0

    def make_store(self, name, size):
        options = self.analyzer.options
        if options.extract is not None:
            file = re.sub(r'[^\w.@:-]', '_', name) + '.mem'
            return FileStore(os.path.join(options.extract, file), size)
        return Store() if options.memory else NullStore()

    def read_blocks(self, r, total):
        """The list of blocks: each has a name, its size, and maybe more."""
        caps = self.analyzer.capabilities
        if 'mapped-ram' in caps:
            raise r.error("capability 'mapped-ram': pages lie at fixed places "
                          'of the file, which is not supported')
        self.total = total
        while total:
            start = r.pos
            name = r.name('name of a RAM block')
            size = r.uint(8, f"size of RAM block '{name}'")
            if size % PAGE_SIZE or not size:
                raise r.error(f"RAM block '{name}': size {size:#x} is not a "
                              'number of pages', start)
            if size > total:
                raise r.error(f"RAM block '{name}': size {size:#x}, but only "
                              f'{total:#x} of the total are left', start)
            if name in self.blocks:
                raise r.error(f"RAM block '{name}' comes twice", start)
            block = RamBlock(name, size, self.make_store(name, size))
            self.blocks[name] = block
            total -= size
            self.read_extra(r, block)

    def read_extra(self, r, block):
        """Fields that depend on capabilities of the sender."""
        caps = self.analyzer.capabilities
        if self.analyzer.postcopy_page_sizes and self.huge_follows(r):
            block.extra['page-size'] = r.uint(8, 'page size of a block')
        if 'x-ignore-shared' in caps:
            block.extra['address'] = f"0x{r.uint(8, 'address'):016x}"

    @staticmethod
    def huge_follows(r):
        """A page size of huge pages is there for such blocks only.

        What else may come is a name, whose length would be 0 here, or flags.
        """
        raw = r.data[r.pos:r.pos + 8]
        size = int.from_bytes(raw, 'big')
        return len(raw) == 8 and size > PAGE_SIZE and not size & (size - 1)

    def block_of(self, r, flags, start):
        if flags & RAM_CONTINUE:
            if not self.current:
                raise r.error('page of "the same block" before any block',
                              start)
            return self.current
        name = r.name('name of a RAM block')
        if name not in self.blocks:
            raise r.error(f"page of an unknown RAM block '{name}'", start)
        self.current = self.blocks[name]
        return self.current

    def read_part(self, r):
        """Records up to the end marker of this section."""
        while True:
            start = r.pos
            word = r.uint(8, 'RAM record')
            flags, offset = word & RAM_FLAGS, word & ~RAM_FLAGS
            kind = flags & ~RAM_CONTINUE
            if kind == RAM_EOS:
                return
            if kind == RAM_BLOCKS:
                self.read_blocks(r, offset)
            elif kind == RAM_MULTIFD_FLUSH:
                self.flushes += 1
            elif kind in (RAM_FILL, RAM_PAGE, RAM_XBZRLE, RAM_COMPRESSED):
                self.read_page(r, kind, flags, offset, start)
            elif kind in (RAM_EXTENT, RAM_EXTENT | RAM_FILL):
                self.read_extent(r, kind, flags, offset, start)
            elif kind == RAM_HOOK:
                raise r.error('RAM record of RDMA: its pages are not in the '
                              'stream', start)
            else:
                raise r.error(f'RAM record with unknown flags {flags:#x}',
                              start)

    def read_page(self, r, kind, flags, offset, start):
        block = self.block_of(r, flags, start)
        if offset >= block.size:
            raise r.error(f"page {offset:#x} is beyond RAM block "
                          f"'{block.name}' of {block.size:#x} bytes", start)
        block.seen.add(offset // PAGE_SIZE)
        if kind == RAM_FILL:
            byte = r.uint(1, 'fill byte')
            block.counts['fill' if byte else 'zero'] += 1
            block.store.fill(offset, byte)
        elif kind == RAM_PAGE:
            block.counts['full'] += 1
            block.store.write(offset, r.bytes(PAGE_SIZE, 'page'))
        elif kind == RAM_XBZRLE:
            block.counts['xbzrle'] += 1
            self.read_xbzrle(r, block, offset)
        else:
            block.counts['compressed'] += 1
            self.read_compressed(r, block, offset)

    def read_extent(self, r, kind, flags, offset, start):
        """Godwit's own: pages in a row, or as many of zeros."""
        block = self.block_of(r, flags, start)
        count = r.uint(4, 'number of pages')
        if (offset >= block.size or
                count > (block.size - offset) // PAGE_SIZE):
            raise r.error(f'{count} pages at {offset:#x} are beyond RAM block '
                          f"'{block.name}' of {block.size:#x} bytes", start)
        first = offset // PAGE_SIZE
        block.seen.add(first, count)
        if kind & RAM_FILL:
            block.counts['zero'] += count
            block.store.zero(offset, count)
            return
        block.counts['full'] += count
        r.check(count * PAGE_SIZE, f'{count} pages')
        for page in range(first, first + count):
            block.store.write(page * PAGE_SIZE, r.bytes(PAGE_SIZE, 'page'))

    def read_xbzrle(self, r, block, offset):
        start = r.pos
        if r.uint(1, 'XBZRLE header') != 1:
            raise r.error('XBZRLE page: unknown encoding', start)
        size = r.uint(2, 'XBZRLE length')
        if size > PAGE_SIZE:
            raise r.error(f'XBZRLE page of {size} bytes', start)
        delta = r.bytes(size, 'XBZRLE page')
        if not isinstance(block.store, NullStore):
            old = block.store.read(offset)
            block.store.write(offset, xbzrle_apply(old, delta, r))

    def read_compressed(self, r, block, offset):
        start = r.pos
        size = r.uint(4, 'length of a compressed page')
        raw = r.bytes(size, 'compressed page')
        unpacker = zlib.decompressobj()
        try:
            page = unpacker.decompress(raw, PAGE_SIZE + 1)
        except zlib.error as err:
            raise r.error(f'compressed page: {err}', start) from None
        if len(page) != PAGE_SIZE:
            raise r.error('compressed page: not a page of data', start)
        block.store.write(offset, page)

    def to_json(self):
        out = {'total-size': self.total,
               'blocks': {b.name: b.to_json() for b in self.blocks.values()}}
        if self.flushes:
            out['multifd-flushes'] = self.flushes
        if 'multifd' in self.analyzer.capabilities or self.flushes:
            out['note'] = ('pages that went over multifd channels are not in '
                           'this stream')
        return out
