# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the archive a Linux kernel unpacks as its first root file system.

The format is cpio's "newc", as Documentation/driver-api/early-userspace/
buffer-format.rst of the kernel describes it: for each file 13 numbers of eight
hexadecimal digits behind a magic number, the name, the content, both padded to
four bytes.
"""

import stat

MAGIC = b'070701'
TRAILER = 'TRAILER!!!'


class Initramfs:
    """Collects files; the same calls give the same bytes."""

    def __init__(self):
        self._parts = []
        self._inode = 0

    def _add(self, name, mode, content=b'', device=(0, 0), nlink=1):
        self._inode += 1
        encoded = name.encode() + b'\0'
        # Inode, mode, user, group, links, time, size, device of the file
        # system, device of the file itself, length of the name, checksum.
        numbers = (self._inode, mode, 0, 0, nlink, 0, len(content), 0, 0,
                   device[0], device[1], len(encoded), 0)
        head = MAGIC + b''.join(b'%08x' % n for n in numbers) + encoded
        self._parts += [head, bytes(-len(head) % 4),
                        content, bytes(-len(content) % 4)]

    def folder(self, name):
        self._add(name, stat.S_IFDIR | 0o755, nlink=2)

    def file(self, name, content, mode=0o755):
        self._add(name, stat.S_IFREG | mode, content)

    def symlink(self, name, target):
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def char_device(self, name, major, minor):
        self._add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def bytes(self):
        """The whole archive, padded to a block of cpio's."""
        parts, inode = list(self._parts), self._inode
        self._add(TRAILER, 0)
        whole = b''.join(self._parts)
        self._parts, self._inode = parts, inode
        return whole + bytes(-len(whole) % 512)
