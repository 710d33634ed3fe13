/*
 * Writes AML, the byte code of ACPI tables.
 *
 * Encoding: ACPI specification 6.4, sections 20.2 (grammar) and 6.4 (resource
 * descriptors).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/aml.h"

enum {
    AML_BYTE_PREFIX = 0x0a,
    AML_WORD_PREFIX = 0x0b,
    AML_DWORD_PREFIX = 0x0c,
    AML_STRING_PREFIX = 0x0d,
    AML_QWORD_PREFIX = 0x0e,
    AML_DUAL_NAME = 0x2e,
    AML_MULTI_NAME = 0x2f,
    AML_ROOT = 0x5c,
    AML_PARENT = 0x5e,
    AML_NAME_SEG = 4,
};

void aml_init(Aml *a)
{
    a->code = g_byte_array_new();
}

void aml_fini(Aml *a)
{
    g_clear_pointer(&a->code, g_byte_array_unref);
}

void aml_byte(Aml *a, uint8_t v)
{
    g_byte_array_append(a->code, &v, 1);
}

/* Little endian, n bytes. */
static void aml_number(Aml *a, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        aml_byte(a, v >> (8 * i));
    }
}

void aml_word(Aml *a, uint16_t v)
{
    aml_number(a, v, 2);
}

void aml_op(Aml *a, unsigned op)
{
    if (op > 0xff) {
        aml_byte(a, op >> 8);
    }
    aml_byte(a, op);
}

void aml_int(Aml *a, uint64_t v)
{
    if (v <= 1) {
        aml_byte(a, v);
    } else if (v <= UINT8_MAX) {
        aml_byte(a, AML_BYTE_PREFIX);
        aml_number(a, v, 1);
    } else if (v <= UINT16_MAX) {
        aml_byte(a, AML_WORD_PREFIX);
        aml_number(a, v, 2);
    } else if (v <= UINT32_MAX) {
        aml_byte(a, AML_DWORD_PREFIX);
        aml_number(a, v, 4);
    } else {
        aml_byte(a, AML_QWORD_PREFIX);
        aml_number(a, v, 8);
    }
}

void aml_string(Aml *a, const char *s)
{
    aml_byte(a, AML_STRING_PREFIX);
    g_byte_array_append(a->code, (const uint8_t *)s, strlen(s) + 1);
}

static void aml_segment(Aml *a, const char *s, size_t len)
{
    uint8_t seg[AML_NAME_SEG] = { '_', '_', '_', '_' };

    g_assert(len > 0 && len <= AML_NAME_SEG);
    memcpy(seg, s, len);
    g_byte_array_append(a->code, seg, sizeof(seg));
}

void aml_path(Aml *a, const char *path)
{
    unsigned n = 0;

    for (; *path == '\\' || *path == '^'; path++) {
        aml_byte(a, *path == '\\' ? AML_ROOT : AML_PARENT);
    }
    for (const char *p = path; *p != '\0'; p += strspn(p, ".")) {
        n++;
        p += strcspn(p, ".");
    }
    if (n == 0) {
        aml_byte(a, 0);
    } else if (n == 2) {
        aml_byte(a, AML_DUAL_NAME);
    } else if (n > 2) {
        aml_byte(a, AML_MULTI_NAME);
        aml_byte(a, n);
    }
    while (*path != '\0') {
        size_t len = strcspn(path, ".");

        aml_segment(a, path, len);
        path += len;
        path += strspn(path, ".");
    }
}

void aml_local(Aml *a, unsigned n)
{
    g_assert(n < 8);
    aml_byte(a, AML_LOCAL0 + n);
}

void aml_arg(Aml *a, unsigned n)
{
    g_assert(n < 7);
    aml_byte(a, AML_ARG0 + n);
}

size_t aml_begin(Aml *a, unsigned op)
{
    aml_op(a, op);
    return a->code->len;
}

/*
 * The length counts itself, which takes one byte for up to 63, else the low
 * four bits share a byte with the number of those that follow.
 */
void aml_end(Aml *a, size_t mark)
{
    size_t len = a->code->len - mark;
    uint8_t enc[4];
    unsigned n = 1;

    if (len + 1 <= 0x3f) {
        enc[0] = len + 1;
    } else {
        n = len + 2 < 1 << 12 ? 2 : len + 3 < 1 << 20 ? 3 : 4;
        g_assert(len + n < 1 << 28);
        len += n;
        enc[0] = (n - 1) << 6 | (len & 0xf);
        len >>= 4;
        for (unsigned i = 1; i < n; i++, len >>= 8) {
            enc[i] = len;
        }
    }
    g_byte_array_set_size(a->code, a->code->len + n);
    memmove(a->code->data + mark + n, a->code->data + mark,
            a->code->len - n - mark);
    memcpy(a->code->data + mark, enc, n);
}

size_t aml_begin_device(Aml *a, const char *path)
{
    size_t mark = aml_begin(a, AML_DEVICE);

    aml_path(a, path);
    return mark;
}

size_t aml_begin_scope(Aml *a, const char *path)
{
    size_t mark = aml_begin(a, AML_SCOPE);

    aml_path(a, path);
    return mark;
}

size_t aml_begin_method(Aml *a, const char *path, unsigned nargs,
                        bool serialized)
{
    size_t mark = aml_begin(a, AML_METHOD);

    aml_path(a, path);
    aml_byte(a, nargs | (serialized ? 1 << 3 : 0));
    return mark;
}

size_t aml_begin_package(Aml *a, uint8_t n)
{
    size_t mark = aml_begin(a, AML_PACKAGE);

    aml_byte(a, n);
    return mark;
}

size_t aml_begin_field(Aml *a, const char *region, uint8_t flags)
{
    size_t mark = aml_begin(a, AML_FIELD);

    aml_path(a, region);
    aml_byte(a, flags);
    return mark;
}

void aml_field_bits(Aml *a, const char *name, unsigned nbits)
{
    if (name != NULL) {
        aml_segment(a, name, strlen(name));
    } else {
        aml_byte(a, 0);
    }
    if (nbits <= 0x3f) {
        aml_byte(a, nbits);
    } else {
        g_assert(nbits < 1 << 12);
        aml_byte(a, 1 << 6 | (nbits & 0xf));
        aml_byte(a, nbits >> 4);
    }
}

void aml_region(Aml *a, const char *name, uint8_t space, uint64_t addr,
                uint64_t len)
{
    aml_op(a, AML_REGION);
    aml_path(a, name);
    aml_byte(a, space);
    aml_int(a, addr);
    aml_int(a, len);
}

void aml_buffer(Aml *a, const void *data, size_t len)
{
    size_t mark = aml_begin(a, AML_BUFFER);

    aml_int(a, len);
    g_byte_array_append(a->code, data, len);
    aml_end(a, mark);
}

void aml_name(Aml *a, const char *path)
{
    aml_byte(a, AML_NAME);
    aml_path(a, path);
}

void aml_name_int(Aml *a, const char *path, uint64_t v)
{
    aml_name(a, path);
    aml_int(a, v);
}

void aml_name_string(Aml *a, const char *path, const char *s)
{
    aml_name(a, path);
    aml_string(a, s);
}

/*
 * Three letters of five bits each and four hexadecimal digits, most
 * significant byte first (section 19.6.36).
 */
void aml_name_eisaid(Aml *a, const char *path, const char *id)
{
    uint32_t v = 0;

    g_assert(strlen(id) == 7);
    for (unsigned i = 0; i < 3; i++) {
        v = v << 5 | (id[i] & 0x1f);
    }
    for (unsigned i = 3; i < 7; i++) {
        v = v << 4 | g_ascii_xdigit_value(id[i]);
    }
    aml_name(a, path);
    aml_byte(a, AML_DWORD_PREFIX);
    aml_number(a, __builtin_bswap32(v), 4);
}

/* Resources */

size_t aml_begin_resources(Aml *a)
{
    return a->code->len;
}

/* A small checksum of zero means that there is none. */
void aml_end_resources(Aml *a, size_t mark)
{
    g_autofree uint8_t *data = NULL;
    size_t len;

    aml_byte(a, 0x79);
    aml_byte(a, 0);
    len = a->code->len - mark;
    data = g_memdup2(a->code->data + mark, len);
    g_byte_array_set_size(a->code, mark);
    aml_buffer(a, data, len);
}

void aml_res_io(Aml *a, uint16_t base, uint8_t align, uint8_t len)
{
    aml_byte(a, 0x47);
    aml_byte(a, 1); /* decodes 16 bits */
    aml_word(a, base);
    aml_word(a, base);
    aml_byte(a, align);
    aml_byte(a, len);
}

void aml_res_irq(Aml *a, unsigned irq)
{
    g_assert(irq < 16);
    aml_byte(a, 0x22);
    aml_word(a, 1U << irq);
}

void aml_res_dma(Aml *a, unsigned channel)
{
    g_assert(channel < 8);
    aml_byte(a, 0x2a);
    aml_byte(a, 1U << channel);
    aml_byte(a, 0); /* compatibility mode, 8 bits, no bus master */
}

void aml_res_memory32(Aml *a, uint32_t base, uint32_t len, bool writable)
{
    aml_byte(a, 0x86);
    aml_word(a, 9);
    aml_byte(a, writable);
    aml_number(a, base, 4);
    aml_number(a, len, 4);
}

void aml_res_interrupts(Aml *a, uint8_t flags, const uint32_t *irqs, uint8_t n)
{
    aml_byte(a, 0x89);
    aml_word(a, 2 + 4 * n);
    aml_byte(a, flags);
    aml_byte(a, n);
    for (unsigned i = 0; i < n; i++) {
        aml_number(a, irqs[i], 4);
    }
}

enum {
    RES_MEMORY = 0,
    RES_IO = 1,
    RES_BUS = 2,
    RES_FIXED = 3 << 2, /* minimum and maximum are what they are */
    RES_IO_ENTIRE = 3,  /* ISA and other addresses */
    RES_MEM_RW = 1,
    RES_MEM_CACHEABLE = 1 << 1,
};

/* Address space descriptors have one layout in three widths. */
static void aml_res_window(Aml *a, uint8_t tag, unsigned width, uint8_t type,
                           uint8_t type_flags, uint64_t first, uint64_t last)
{
    aml_byte(a, tag);
    aml_word(a, 3 + 5 * width);
    aml_byte(a, type);
    aml_byte(a, RES_FIXED);
    aml_byte(a, type_flags);
    aml_number(a, 0, width); /* granularity */
    aml_number(a, first, width);
    aml_number(a, last, width);
    aml_number(a, 0, width); /* translation */
    aml_number(a, last - first + 1, width);
}

void aml_res_bus(Aml *a, uint16_t first, uint16_t last)
{
    aml_res_window(a, 0x88, 2, RES_BUS, 0, first, last);
}

void aml_res_io_window(Aml *a, uint16_t first, uint16_t last)
{
    aml_res_window(a, 0x88, 2, RES_IO, RES_IO_ENTIRE, first, last);
}

void aml_res_memory_window32(Aml *a, uint32_t first, uint32_t last,
                             bool cacheable)
{
    aml_res_window(a, 0x87, 4, RES_MEMORY,
                   RES_MEM_RW | (cacheable ? RES_MEM_CACHEABLE : 0), first,
                   last);
}

void aml_res_memory_window64(Aml *a, uint64_t first, uint64_t last,
                             bool cacheable)
{
    aml_res_window(a, 0x8a, 8, RES_MEMORY,
                   RES_MEM_RW | (cacheable ? RES_MEM_CACHEABLE : 0), first,
                   last);
}
