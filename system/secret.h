/*
 * Secrets (-object secret): keys and passwords that a user gives by name, so
 * that they need not stand on a command line.
 *
 * The bytes come out of a file or are given, plain or as base64, and may be
 * encrypted with another secret (AES-256-CBC), as management programs do that
 * share one key with the program and send everything else over channels that
 * others may read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_SECRET_H
#define SYSTEM_SECRET_H

#include "qom/object.h"

enum {
    SECRET_KEY_SIZE = 32, /* bytes of a key of AES-256 */
    SECRET_IV_SIZE = 16,  /* bytes of its block, and of what starts the chain */
    SECRET_MAX_SIZE = 1024 * 1024, /* bytes of a secret's file */
};

/* For object_types_add(). */
const ObjectType *const *secret_object_types(void);

/*
 * The bytes of the secret with that id under `root`; *ret_len of them, and a
 * 0 behind them. Borrowed: valid as long as the object is. NULL with `errp`
 * set if there is no such object, or it is none.
 */
const uint8_t *secret_lookup(Object *root, const char *id, size_t *ret_len,
                             GError **errp);

/*
 * Decrypts AES-256-CBC with the padding of PKCS #7 (RFC 5652, 6.3) in place:
 * *len becomes what is left of it. Errors tell what is wrong with the sizes
 * or with the padding, which a wrong key shows by.
 */
bool secret_decrypt(const uint8_t *key, size_t key_len, const uint8_t *iv,
                    size_t iv_len, uint8_t *data, size_t *len, GError **errp);

#endif
