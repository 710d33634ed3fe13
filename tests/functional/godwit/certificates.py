# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates for both ends of a connection, made by GnuTLS's certtool."""

import os
import subprocess

SERVER_NAME = 'one.example'


def _certtool(*args, **kwargs):
    subprocess.run(['certtool', *args], stderr=subprocess.DEVNULL, check=True,
                   **kwargs)


def _certificate(folder, name, template, *ca):
    path = f'{folder}/{name}'
    with open(path + '.cfg', 'w', encoding='utf-8') as out:
        out.write(template)
    with open(path + '-key.pem', 'wb') as out:
        _certtool('--generate-privkey', '--key-type=ecdsa',
                  '--curve=secp256r1', stdout=out)
    kind = ['--generate-certificate', *ca] if ca else ['--generate-self-signed']
    _certtool(*kind, '--load-privkey', path + '-key.pem', '--template',
              path + '.cfg', '--outfile', path + '-cert.pem')


def make_certificates(folder, expired=False):
    """An authority, a server (SERVER_NAME and 127.0.0.1) and a client."""
    os.makedirs(folder)
    _certificate(folder, 'ca', 'cn = Authority\nca\ncert_signing_key\n')
    ca = ['--load-ca-certificate', folder + '/ca-cert.pem',
          '--load-ca-privkey', folder + '/ca-key.pem']
    until = ('activation_date = "2020-01-01 00:00:00"\n'
             'expiration_date = "2020-02-01 00:00:00"\n') if expired else \
        'expiration_days = 10\n'
    keys = 'encryption_key\nsigning_key\n' + until
    _certificate(folder, 'server', f'cn = one\ndns_name = {SERVER_NAME}\n'
                 'ip_address = 127.0.0.1\ntls_www_server\n' + keys, *ca)
    _certificate(folder, 'client', 'cn = two\ntls_www_client\n' + keys, *ca)
    return folder


def encrypt_key(path, password):
    """Replaces a key by one that needs a password."""
    _certtool('--to-p8', '--load-privkey', path, '--outfile', path + '.new',
              '--password', password)
    os.rename(path + '.new', path)
