/*
 * Writes AML, the byte code of ACPI tables, term by term as it is read:
 * operator, then operands.  ACPI specification 6.4, chapter 20.
 *
 *     size_t dev = aml_begin(a, AML_DEVICE);
 *     aml_path(a, "COM1");
 *     aml_name_eisaid(a, "_HID", "PNP0501");
 *     aml_end(a, dev);
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_AML_H
#define HW_ACPI_AML_H

#include "util/base.h"

typedef struct Aml {
    GByteArray *code;
} Aml;

/* Operators; those above 0xff have the prefix 0x5b. */
enum {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,  /* path, object */
    AML_DWORD = 0x0c, /* a number of 32 bits */
    AML_SCOPE = 0x10,
    AML_BUFFER = 0x11,
    AML_PACKAGE = 0x12,
    AML_METHOD = 0x14,
    AML_LOCAL0 = 0x60, /* .. 0x67 */
    AML_ARG0 = 0x68,   /* .. 0x6e */
    AML_STORE = 0x70,  /* what, where */
    AML_ADD = 0x72,    /* a, b, where */
    AML_SHIFT_LEFT = 0x79,
    AML_SHIFT_RIGHT = 0x7a,
    AML_AND = 0x7b,
    AML_OR = 0x7d,
    AML_DEREF_OF = 0x83,
    AML_NOTIFY = 0x86,             /* object, value */
    AML_INDEX = 0x88,              /* package or buffer, number, where */
    AML_CREATE_DWORD_FIELD = 0x8a, /* buffer, offset, name */
    AML_LAND = 0x90,
    AML_LOR = 0x91,
    AML_LNOT = 0x92,
    AML_LEQUAL = 0x93,
    AML_LGREATER = 0x94,
    AML_LLESS = 0x95,
    AML_IF = 0xa0,
    AML_ELSE = 0xa1,
    AML_WHILE = 0xa2,
    AML_RETURN = 0xa4,
    AML_ONES = 0xff,
    AML_MUTEX = 0x5b01,   /* name, sync level byte */
    AML_ACQUIRE = 0x5b23, /* mutex, 16-bit timeout */
    AML_RELEASE = 0x5b27,
    AML_REGION = 0x5b80, /* name, space byte, address, length */
    AML_FIELD = 0x5b81,
    AML_DEVICE = 0x5b82,
    AML_PROCESSOR = 0x5b83,
};

/* Where a result goes that nobody wants. */
#define AML_NULL_TARGET AML_ZERO

/* Address spaces of regions, and flags of fields. */
enum {
    AML_SYSTEM_MEMORY = 0,
    AML_SYSTEM_IO = 1,
    AML_PCI_CONFIG = 2,
    AML_BYTE_ACC = 1,
    AML_DWORD_ACC = 3,
    AML_LOCK = 1 << 4,
    AML_PRESERVE = 0 << 5,
    AML_WRITE_AS_ZEROS = 2 << 5,
};

void aml_init(Aml *a);
void aml_fini(Aml *a);
void aml_op(Aml *a, unsigned op);
void aml_byte(Aml *a, uint8_t v);
void aml_word(Aml *a, uint16_t v);
/* In the shortest form. */
void aml_int(Aml *a, uint64_t v);
void aml_string(Aml *a, const char *s);
/*
 * "\\_SB.PCI0", "^S08", "LNKA": segments of one to four characters, filled
 * up with "_".
 */
void aml_path(Aml *a, const char *path);
void aml_local(Aml *a, unsigned n);
void aml_arg(Aml *a, unsigned n);
/* Anything with a length in front: returns what aml_end() wants. */
size_t aml_begin(Aml *a, unsigned op);
void aml_end(Aml *a, size_t mark);

size_t aml_begin_device(Aml *a, const char *path);
size_t aml_begin_scope(Aml *a, const char *path);
/* nargs: 0..7. */
size_t aml_begin_method(Aml *a, const char *path, unsigned nargs,
                        bool serialized);
size_t aml_begin_package(Aml *a, uint8_t n);
size_t aml_begin_field(Aml *a, const char *region, uint8_t flags);
/* Members of a field, in bits; name NULL: skipped. */
void aml_field_bits(Aml *a, const char *name, unsigned nbits);
void aml_region(Aml *a, const char *name, uint8_t space, uint64_t addr,
                uint64_t len);
void aml_buffer(Aml *a, const void *data, size_t len);

/* Name (path, …) */
void aml_name(Aml *a, const char *path);
void aml_name_int(Aml *a, const char *path, uint64_t v);
void aml_name_string(Aml *a, const char *path, const char *s);
/* "PNP0501" as the packed integer. */
void aml_name_eisaid(Aml *a, const char *path, const char *id);

/*
 * Resource templates (chapter 6.4): descriptors between begin and end, which
 * become a buffer.
 */
size_t aml_begin_resources(Aml *a);
void aml_end_resources(Aml *a, size_t mark);
void aml_res_io(Aml *a, uint16_t base, uint8_t align, uint8_t len);
/* ISA interrupt, edge triggered. */
void aml_res_irq(Aml *a, unsigned irq);
/* 8-bit ISA DMA channel. */
void aml_res_dma(Aml *a, unsigned channel);
void aml_res_memory32(Aml *a, uint32_t base, uint32_t len, bool writable);
enum {
    AML_IRQ_CONSUMER = 1 << 0,
    AML_IRQ_EDGE = 1 << 1,
    AML_IRQ_LOW = 1 << 2,
    AML_IRQ_SHARED = 1 << 3,
};
void aml_res_interrupts(Aml *a, uint8_t flags, const uint32_t *irqs, uint8_t n);
/* Windows of a bridge: inclusive ranges. */
void aml_res_bus(Aml *a, uint16_t first, uint16_t last);
void aml_res_io_window(Aml *a, uint16_t first, uint16_t last);
void aml_res_memory_window32(Aml *a, uint32_t first, uint32_t last,
                             bool cacheable);
void aml_res_memory_window64(Aml *a, uint64_t first, uint64_t last,
                             bool cacheable);

#endif
