# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations inside TLS: shared keys and certificates, with 7.2 as well."""

import os
import socket

from godwit.certificates import encrypt_key, make_certificates
from godwit.migration import (check_pattern_goes_on, go, last_numbers, query,
                              refused, set_capabilities, set_parameters, start,
                              start_incoming, start_pattern, transport,
                              wait_drained, wait_running, wait_status)
from godwit.peer import need_peer
from godwit.tap import check, check_equal, check_in, main, test

KEYS = 'qemu:00112233445566778899aabbccddeeff\n'


def write(path, text):
    with open(path, 'w', encoding='utf-8') as out:
        out.write(text)


def psk(t, name, end, keys=KEYS):
    """-object for an end that has these keys."""
    folder = t.path('psk-' + name)
    os.makedirs(folder, exist_ok=True)
    write(folder + '/keys.psk', keys)
    return ('-object', f'tls-creds-psk,id=tls,dir={folder},endpoint={end}')


def certificates(t, name='x509', **kwargs):
    return make_certificates(t.path(name), **kwargs)


def x509(folder, end, extra=''):
    return ('-object',
            f'tls-creds-x509,id=tls,dir={folder},endpoint={end}{extra}')


def pair(t, client, server, kind='unix', peer_src=None, peer_dst=None,
         channels=0):
    """Source and destination that use the credentials `tls`."""
    way = transport(t, kind)
    src = start_pattern(t, *client, mb=16, binary=peer_src)
    dst = start_incoming(t, src, 'defer', *server, binary=peer_dst)
    for vm in src, dst:
        set_parameters(vm, tls_creds='tls')
        if channels:
            set_capabilities(vm, multifd=True)
            set_parameters(vm, multifd_channels=channels)
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    return src, dst, way


def arrived(src, dst):
    wait_running(dst)
    wait_drained(src)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)


def still_waits(dst):
    check_equal(dst.qmp.cmd('query-status')['status'], 'inmigrate', 'status')
    check('socket-address' in query(dst), 'it listens')


def stays(src, dst, way, why):
    """The guest stays at the source, which says why.  What hasn't shaken
    hands is a stranger, and the destination waits on."""
    start(src, way)
    wait_status(src, 'failed')
    check_in(why, query(src)['error-desc'], 'error')
    still_waits(dst)
    dst.qmp.cmd('quit')
    check_equal(dst.wait_end(), 0, 'exit status of the destination')
    wait_running(src)
    check_pattern_goes_on(src, last_numbers(src))


@test()
def shared_key(t):
    src, dst, way = pair(t, psk(t, 'a', 'client'), psk(t, 'a', 'server'))
    go(src, way)
    arrived(src, dst)


def shared_key_with(t, src_binary, dst_binary):
    src, dst, way = pair(t, psk(t, 'a', 'client'), psk(t, 'a', 'server'),
                         'tcp', src_binary, dst_binary)
    go(src, way)
    arrived(src, dst)


@test()
def shared_key_from_the_peer(t):
    shared_key_with(t, need_peer(), None)


@test()
def shared_key_to_the_peer(t):
    shared_key_with(t, None, need_peer())


def over_channels(t, client, server, *args):
    """Pages go over channels, each inside TLS as the stream is."""
    src, dst, way = pair(t, client, server, 'tcp', *args, channels=3)
    info = go(src, way)
    check(info['ram']['multifd-bytes'] > 0, info)
    arrived(src, dst)


@test()
def channels_with_certificates(t):
    folder = certificates(t)
    over_channels(t, x509(folder, 'client'), x509(folder, 'server'))


@test()
def channels_from_the_peer(t):
    over_channels(t, psk(t, 'a', 'client'), psk(t, 'a', 'server'), need_peer())


@test()
def channels_to_the_peer(t):
    over_channels(t, psk(t, 'a', 'client'), psk(t, 'a', 'server'), None,
                  need_peer())


@test(godwit_only='the peer ends')
def channels_and_another_key(t):
    src, dst, way = pair(t, psk(t, 'a', 'client'),
                         psk(t, 'b', 'server', KEYS.replace('0', 'f')), 'tcp',
                         channels=3)
    stays(src, dst, way, 'TLS handshake failed')


@test(godwit_only='the peer ends')
def another_key(t):
    src, dst, way = pair(t, psk(t, 'a', 'client'),
                         psk(t, 'b', 'server', KEYS.replace('0', 'f')))
    stays(src, dst, way, 'TLS handshake failed')


@test(godwit_only='the peer ends with the first who connects')
def strangers_come_first(t):
    """A port scan, garbage and a source with other keys: dropped."""
    src, dst, way = pair(t, psk(t, 'b', 'client', KEYS.replace('0', 'f')),
                         psk(t, 'a', 'server'), 'tcp')
    address = '127.0.0.1', int(way.incoming.rsplit(':', 1)[1])
    for data in b'', b'GET / HTTP/1.0\r\n\r\n', b'\x16\x03\x01\x02', b'QEVM':
        sock = socket.create_connection(address)
        t.defer(sock.close)
        sock.sendall(data)
        if len(data) != 4:
            sock.close()
    silent = socket.create_connection(address)
    t.defer(silent.close)
    start(src, way)
    wait_status(src, 'failed')
    still_waits(dst)
    psk(t, 'b', 'client')
    src.qmp.cmd('object-del', id='tls')
    src.qmp.cmd('object-add', **{'qom-type': 'tls-creds-psk', 'id': 'tls',
                                 'dir': t.path('psk-b'),
                                 'endpoint': 'client'})
    go(src, way)
    arrived(src, dst)
    check_equal(silent.recv(1), b'', 'the one that says nothing')


@test()
def certificates_of_one_authority(t):
    folder = certificates(t)
    src, dst, way = pair(t, x509(folder, 'client'), x509(folder, 'server'),
                         'tcp')
    go(src, way)
    arrived(src, dst)


@test()
def encrypted_key(t):
    folder = certificates(t)
    encrypt_key(folder + '/server-key.pem', 'sesame')
    vm = t.machine(name='vm')
    for name, data in (('good', 'sesame'), ('bad', 'barley')):
        vm.qmp.cmd('object-add', **{'qom-type': 'secret', 'id': name,
                                    'data': data})
    check_in("'none'", refused(
        vm, 'object-add', **{'qom-type': 'tls-creds-x509', 'id': 'x',
                             'dir': folder, 'endpoint': 'server',
                             'passwordid': 'none'}).desc, 'error')
    for name in '', 'bad':
        check_in('server-cert.pem', refused(
            vm, 'object-add', **{'qom-type': 'tls-creds-x509', 'id': 'x',
                                 'dir': folder, 'endpoint': 'server',
                                 'passwordid': name}).desc, 'error')
    src, dst, way = pair(
        t, x509(folder, 'client'),
        ('-object', 'secret,id=pw,data=sesame',
         *x509(folder, 'server', ',passwordid=pw')), 'tcp')
    go(src, way)
    arrived(src, dst)


@test(godwit_only='the peer ends')
def certificate_of_another_host(t):
    folder = certificates(t)
    src, dst, way = pair(t, x509(folder, 'client'), x509(folder, 'server'),
                         'tcp')
    set_parameters(src, tls_hostname='two.example')
    stays(src, dst, way, 'two.example')


@test(godwit_only='the peer ends')
def certificate_of_another_authority(t):
    src, dst, way = pair(t, x509(certificates(t, 'a'), 'client'),
                         x509(certificates(t, 'b'), 'server'), 'tcp')
    stays(src, dst, way, 'issuer')


@test(godwit_only='the peer ends')
def expired_certificate(t):
    """Refused when it is read; without that check, by the other side."""
    old = certificates(t, 'old', expired=True)
    vm = t.machine(name='vm')
    err = refused(vm, 'object-add', qom_type='tls-creds-x509', id='x', dir=old,
                  endpoint='server')
    check_in('server-cert.pem has expired', err.desc, 'error')
    src, dst, way = pair(t, x509(old, 'client', ',sanity-check=off'),
                         x509(old, 'server', ',sanity-check=off'), 'tcp')
    stays(src, dst, way, 'expired')


@test(godwit_only='the peer says it later, in query-migrate')
def refusals(t):
    src = start_pattern(t, *psk(t, 'a', 'client'), '-object',
                        'rng-builtin,id=r', mb=16)
    way = transport(t, 'unix')
    uri = way.outgoing
    for name, why in (('nope', "No TLS credentials with id 'nope'"),
                      ('r', "Object with id 'r' is not TLS credentials")):
        set_parameters(src, tls_creds=name)
        check_equal(refused(src, 'migrate', uri=uri).desc, why, 'error')
    src.qmp.cmd('object-add', **{'qom-type': 'tls-creds-psk', 'id': 's',
                                 'dir': t.path('psk-a'),
                                 'endpoint': 'server'})
    set_parameters(src, tls_creds='s')
    check_equal(refused(src, 'migrate', uri=uri).desc,
                'Expected TLS credentials for a client endpoint', 'error')
    set_parameters(src, tls_creds='tls')
    check_in('TLS needs a socket',
             refused(src, 'migrate', uri='exec:cat').desc, 'error')
    folder = certificates(t)
    src.qmp.cmd('object-add', **{'qom-type': 'tls-creds-x509', 'id': 'x',
                                 'dir': folder, 'endpoint': 'client'})
    set_parameters(src, tls_creds='x')
    check_in('tls-hostname', refused(src, 'migrate', uri=uri).desc, 'error')
    wait_running(src)


def one_side(t, client, server):
    """Credentials that only one side uses."""
    way = transport(t, 'unix')
    src = start_pattern(t, *psk(t, 'a', 'client'), mb=16)
    dst = start_incoming(t, src, 'defer', *psk(t, 'a', 'server'))
    set_parameters(src, tls_creds=client)
    set_parameters(dst, tls_creds=server)
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    stays(src, dst, way, '')


@test(godwit_only='the peer waits for ever')
def plain_source(t):
    one_side(t, '', 'tls')


@test(godwit_only='the peer waits for ever')
def plain_destination(t):
    one_side(t, 'tls', '')


if __name__ == '__main__':
    main()
