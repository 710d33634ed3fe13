# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/check-layers: what it lets pass and what it does not."""

import unittest

import scripttest

layers = scripttest.load_script('check-layers')


def always(_target):
    return True


class Layers(unittest.TestCase):
    def test_every_layer(self):
        for name, layer in [
                ('util/iov.c', 0), ('qapi/json.h', 1), ('qom/object.h', 1),
                ('io/channel.c', 1), ('system/memory.c', 2),
                ('vmstate/vmstate-get.c', 2), ('vmstate/stream.h', 2),
                ('accel/kvm/vcpu.c', 3), ('target/i386/cpu.h', 3),
                ('block/raw.c', 3), ('chardev/socket.c', 3),
                ('hw/isa/port92.c', 4), ('migration/ram-send.c', 5),
                ('monitor/qmp.c', 6), ('cli/main.c', 6),
                ('cli/cli-drive.c', 6), ('docs/x.c', None)]:
            with self.subTest(name):
                self.assertEqual(layers.layer_of(name), layer)

    def test_direction(self):
        for name, target, good in [
                ('util/iov.c', 'util/iov.h', True),
                ('util/iov.c', 'qapi/json.h', False),
                ('qapi/json.c', 'io/channel.h', False),
                ('io/channel.c', 'qom/object.h', False),
                ('qom/object.c', 'qapi/json.h', True),
                ('vmstate/vmstate.c', 'migration/migration.h', False),
                ('migration/migration.c', 'vmstate/vmstate.h', True),
                ('migration/migration.c', 'monitor/hmp.h', False),
                ('hw/isa/rtc.c', 'vmstate/vmstate.h', True),
                ('hw/isa/rtc.c', 'migration/migration.h', False),
                ('accel/kvm/vm.c', 'hw/core/device.h', False),
                ('system/memory.c', 'cli/cli.h', False),
                ('cli/main.c', 'monitor/qmp.h', True),
                ('tests/unit/test-iov.c', 'monitor/qmp.h', True),
                ('hw/isa/rtc.c', 'tests/qtest/client.h', False),
                ('hw/isa/rtc.c', 'docs/x.h', False),
                ('docs/x.c', 'util/base.h', False)]:
            with self.subTest(f'{name} -> {target}'):
                message = layers.check_include(name, target, always)
                self.assertEqual(message is None, good, message)

    def test_private_headers(self):
        for name, target, good in [
                ('io/socket.c', 'io/channel-priv.h', True),
                ('chardev/socket.c', 'io/channel-priv.h', False),
                ('accel/kvm/vm.c', 'accel/kvm/kvm-priv.h', True),
                ('accel/accel.c', 'accel/kvm/kvm-priv.h', False),
                ('tests/unit/test-channel.c', 'io/channel-priv.h', True)]:
            with self.subTest(f'{name} -> {target}'):
                message = layers.check_include(name, target, always)
                self.assertEqual(message is None, good, message)

    def test_missing_and_generated(self):
        def never(_target):
            return False

        self.assertIn('no ', layers.check_include('io/tls.c', 'tls.h', never))
        self.assertIsNone(layers.check_include(
            'io/tls.c', 'qapi/qapi-types-sockets.h', never))
        self.assertIn('layer', layers.check_include(
            'util/iov.c', 'qapi/qapi-types-sockets.h', never))
        self.assertIsNone(layers.check_include(
            'util/base.h', 'config.h', never))
        self.assertIn('base.h', layers.check_include(
            'io/tls.c', 'config.h', never))


class Circles(unittest.TestCase):
    def test_circles(self):
        for includes, circles in [
                ({'a/x.c': ['a/x.h', 'b/y.h'], 'b/y.c': ['b/y.h', 'a/z.h']},
                 []),
                ({'a/x.c': ['b/y.h'], 'b/y.h': ['a/x.h']}, [('a/x', 'b/y')]),
                ({'a/x.c': ['b/y.h'], 'b/y-priv.h': ['c/z.h'],
                  'c/z.c': ['a/x.h'], 'd/u.c': ['a/x.h']},
                 [('a/x', 'b/y', 'c/z')]),
                # Neighbours may.
                ({'a/x.c': ['a/y.h'], 'a/y.c': ['a/x.h']}, [])]:
            with self.subTest(includes):
                self.assertEqual(layers.find_circles(includes), circles)


class Text(unittest.TestCase):
    def test_line_numbers_and_comments(self):
        text = ('/*\n * #include "monitor/qmp.h"\n */\n'
                '#include "util/base.h"\n'
                '// #include "monitor/qmp.h"\n'
                '#  include "hw/core/device.h" /* wrong */\n'
                '#include <glib.h>\n'
                'const char *s = "#include \\"hw/a.h\\"";\n')
        problems = layers.check_text('util/iov.c', text, always)
        self.assertEqual([line for line, _message in problems], [6])
        self.assertIn('layer 0', problems[0][1])
        self.assertIn('layer 4', problems[0][1])


if __name__ == '__main__':
    scripttest.main()
