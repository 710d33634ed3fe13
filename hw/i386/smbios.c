/*
 * SMBIOS: the tables and their entry point.
 *
 * Layouts: DMTF DSP0134 3.x, clauses 5.2 (entry points) and 7 (structures).
 * Which structures there are, their handles and what is in the fields nobody
 * set is what guests of machine type pc-i440fx-7.2 have always seen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/smbios.h"

#include "hw/i386/smbios-priv.h"
#include "util/bswap.h"
#include "util/error.h"

#define TIB      (UINT64_C(1) << 40)
#define DIMM_MAX (16 * GiB) /* more RAM is in more memory devices */

enum {
    HANDLE_CHASSIS = 0x0300,
    HANDLE_OEM = 0x0e00,
    HANDLE_ARRAY = 0x1000,
    HANDLE_DIMM = 0x1100,
    HANDLE_ADDRESS = 0x1300,
    NO_ERROR_HANDLE = 0xfffe, /* errors are not reported */
    BODY_MAX = 64,            /* the longest fixed part is 48 bytes */
};

/* The structure under construction, and those that are done. */
typedef struct Writer {
    const SmbiosOptions *o;
    const SmbiosInfo *info;
    GByteArray *out;
    GString *strings; /* each with its NUL */
    uint8_t body[BODY_MAX];
    unsigned len, nstrings;
    unsigned count, longest; /* of what is done */
} Writer;

/* False: the user's file has structures of this type. */
static bool smbios_begin(Writer *w, uint8_t type, uint8_t len, unsigned handle)
{
    if (w->o->has_file[type]) {
        return false;
    }
    memset(w->body, 0, sizeof(w->body));
    w->body[0] = type;
    w->body[1] = len;
    stw_le_p(w->body + 2, handle);
    w->len = len;
    w->nstrings = 0;
    g_string_truncate(w->strings, 0);
    return true;
}

static void smbios_put8(Writer *w, unsigned off, uint8_t v)
{
    w->body[off] = v;
}

static void smbios_put16(Writer *w, unsigned off, uint16_t v)
{
    stw_le_p(w->body + off, v);
}

static void smbios_put32(Writer *w, unsigned off, uint32_t v)
{
    stl_le_p(w->body + off, v);
}

static void smbios_put64(Writer *w, unsigned off, uint64_t v)
{
    stq_le_p(w->body + off, v);
}

/* There are no empty strings; none at all is number 0. */
static void add_string(Writer *w, const char *s)
{
    if (s != NULL && *s != '\0') {
        g_string_append_len(w->strings, s, strlen(s) + 1);
        w->nstrings++;
    }
}

/* `fallback` if the user said nothing; an empty string is something. */
static void put_string(Writer *w, unsigned off, const char *s,
                       const char *fallback)
{
    unsigned before = w->nstrings;

    add_string(w, s != NULL ? s : fallback);
    w->body[off] = w->nstrings > before ? w->nstrings : 0;
}

static void smbios_end(Writer *w)
{
    static const uint8_t nul[2];
    unsigned start = w->out->len;

    g_byte_array_append(w->out, w->body, w->len);
    g_byte_array_append(w->out, (const uint8_t *)w->strings->str,
                        w->strings->len);
    g_byte_array_append(w->out, nul, w->nstrings > 0 ? 1 : 2);
    w->longest = MAX(w->longest, w->out->len - start);
    w->count++;
}

/* The system and its parts */

static void build_bios(Writer *w)
{
    if (!w->o->has_fields[SMBIOS_BIOS] ||
        !smbios_begin(w, SMBIOS_BIOS, 24, 0)) {
        return;
    }
    put_string(w, 0x04, w->o->bios.vendor, NULL);
    put_string(w, 0x05, w->o->bios.version, NULL);
    smbios_put16(w, 0x06, 0xe800); /* segment of the lowest address */
    put_string(w, 0x08, w->o->bios.date, NULL);
    smbios_put64(w, 0x0a, 1 << 3); /* characteristics are not told */
    /* Targeted content distribution, a virtual machine; UEFI. */
    smbios_put8(w, 0x13, 1 << 2 | 1 << 4 | (w->o->bios.uefi ? 1 << 3 : 0));
    smbios_put8(w, 0x14, w->o->bios.release[0]);
    smbios_put8(w, 0x15, w->o->bios.release[1]);
    smbios_put16(w, 0x16, 0xffff); /* no embedded controller */
    smbios_end(w);
}

/* The first three fields of the text form are little endian. */
static void put_uuid(Writer *w, unsigned off, const uint8_t uuid[16])
{
    static const uint8_t order[16] = { 3, 2, 1,  0,  5,  4,  7,  6,
                                       8, 9, 10, 11, 12, 13, 14, 15 };

    for (unsigned i = 0; i < sizeof(order); i++) {
        w->body[off + i] = uuid[order[i]];
    }
}

static void build_system(Writer *w)
{
    const uint8_t *given = smbios_options_uuid(w->o);
    const uint8_t *uuid = given != NULL ? given : w->info->uuid;

    if (!smbios_begin(w, SMBIOS_SYSTEM, 27, 0x0100)) {
        return;
    }
    put_string(w, 0x04, w->o->system.manufacturer, w->info->manufacturer);
    put_string(w, 0x05, w->o->system.product, w->info->product);
    put_string(w, 0x06, w->o->system.version, w->info->version);
    put_string(w, 0x07, w->o->system.serial, NULL);
    if (uuid != NULL) {
        put_uuid(w, 0x08, uuid);
    }
    smbios_put8(w, 0x18, 6); /* woken up by the power switch */
    put_string(w, 0x19, w->o->system.sku, NULL);
    put_string(w, 0x1a, w->o->system.family, NULL);
    smbios_end(w);
}

static void build_board(Writer *w)
{
    if (!w->o->has_fields[SMBIOS_BOARD] ||
        !smbios_begin(w, SMBIOS_BOARD, 15, 0x0200)) {
        return;
    }
    put_string(w, 0x04, w->o->board.manufacturer, w->info->manufacturer);
    put_string(w, 0x05, w->o->board.product, w->info->product);
    put_string(w, 0x06, w->o->board.version, w->info->version);
    put_string(w, 0x07, w->o->board.serial, NULL);
    put_string(w, 0x08, w->o->board.asset, NULL);
    smbios_put8(w, 0x09, 1); /* a hosting board */
    put_string(w, 0x0a, w->o->board.location, NULL);
    smbios_put16(w, 0x0b, HANDLE_CHASSIS);
    smbios_put8(w, 0x0d, 0x0a); /* motherboard */
    smbios_end(w);
}

static void build_chassis(Writer *w)
{
    if (!smbios_begin(w, SMBIOS_CHASSIS, 22, HANDLE_CHASSIS)) {
        return;
    }
    put_string(w, 0x04, w->o->chassis.manufacturer, w->info->manufacturer);
    smbios_put8(w, 0x05, 1); /* of another kind */
    put_string(w, 0x06, w->o->chassis.version, w->info->version);
    put_string(w, 0x07, w->o->chassis.serial, NULL);
    put_string(w, 0x08, w->o->chassis.asset, NULL);
    smbios_put8(w, 0x09,
                3); /* boot-up state, power supply and heat are safe, */
    smbios_put8(w, 0x0a, 3);
    smbios_put8(w, 0x0b, 3);
    smbios_put8(w, 0x0c, 2); /* security is unknown */
    put_string(w, 0x15, w->o->chassis.sku, NULL);
    smbios_end(w);
}

/* Processors */

static void put_cores(Writer *w, unsigned off8, unsigned off16, unsigned n)
{
    smbios_put8(w, off8, MIN(n, 255));
    if (w->info->entry_point_64) {
        smbios_put16(w, off16, MIN(n, 0xfffe));
    }
}

static void build_cpu(Writer *w, unsigned socket)
{
    const CpuTopology *smp = &w->info->smp;
    unsigned cores = smp->dies * smp->cores;
    g_autofree char *where = NULL;

    if (!smbios_begin(w, SMBIOS_CPU, w->info->entry_point_64 ? 48 : 42,
                      0x0400 + socket)) {
        return;
    }
    where = g_strdup_printf("%s%2x",
                            w->o->cpu.prefix != NULL ? w->o->cpu.prefix : "CPU",
                            socket);
    put_string(w, 0x04, where, NULL);
    smbios_put8(w, 0x05, 3); /* central processor */
    smbios_put8(w, 0x06, 1); /* of another family */
    put_string(w, 0x07, w->o->cpu.manufacturer, w->info->manufacturer);
    if (w->o->cpu.id != 0) {
        smbios_put64(w, 0x08, w->o->cpu.id);
    } else {
        smbios_put32(w, 0x08, w->info->cpuid_eax);
        smbios_put32(w, 0x0c, w->info->cpuid_edx);
    }
    put_string(w, 0x10, w->o->cpu.version, w->info->version);
    smbios_put16(w, 0x14, w->o->cpu.max_mhz);
    smbios_put16(w, 0x16, w->o->cpu.cur_mhz);
    smbios_put8(w, 0x18, 0x41);    /* there is one, and it is enabled */
    smbios_put8(w, 0x19, 1);       /* another socket */
    smbios_put16(w, 0x1a, 0xffff); /* no cache structures */
    smbios_put16(w, 0x1c, 0xffff);
    smbios_put16(w, 0x1e, 0xffff);
    put_string(w, 0x20, w->o->cpu.serial, NULL);
    put_string(w, 0x21, w->o->cpu.asset, NULL);
    put_string(w, 0x22, w->o->cpu.part, NULL);
    put_cores(w, 0x23, 0x2a, cores);
    put_cores(w, 0x24, 0x2c, cores);
    put_cores(w, 0x25, 0x2e, cores * smp->threads);
    smbios_put16(w, 0x26, 1 << 1); /* characteristics are unknown */
    smbios_put16(w, 0x28, 1);      /* family, as at 6 */
    smbios_end(w);
}

/* What the user adds */

static void build_ports(Writer *w)
{
    for (unsigned i = 0; i < w->o->ports->len; i++) {
        const SmbiosPort *p = &g_array_index(w->o->ports, SmbiosPort, i);

        if (smbios_begin(w, SMBIOS_PORT, 9, i)) {
            put_string(w, 0x04, p->internal, NULL);
            put_string(w, 0x06, p->external, NULL);
            smbios_put8(w, 0x07, p->connector);
            smbios_put8(w, 0x08, p->kind);
            smbios_end(w);
        }
    }
}

static void build_oem_strings(Writer *w)
{
    const GPtrArray *s = w->o->strings;

    if (s->len == 0 || !smbios_begin(w, SMBIOS_OEM_STRINGS, 5, HANDLE_OEM)) {
        return;
    }
    for (unsigned i = 0; i < s->len; i++) {
        add_string(w, g_ptr_array_index(s, i));
    }
    smbios_put8(w, 0x04, w->nstrings);
    smbios_end(w);
}

static bool build_onboard(Writer *w, unsigned i, GError **errp)
{
    const SmbiosOnboard *d = &g_array_index(w->o->onboards, SmbiosOnboard, i);
    int devfn = 0;

    if (d->pcidev != NULL) {
        devfn = w->info->find_pci != NULL
                    ? w->info->find_pci(w->info->opaque, d->pcidev)
                    : -1;
        if (devfn < 0) {
            error_setf(errp,
                       "No PCI device '%s' on the root bus for SMBIOS type 41 "
                       "entry '%s'",
                       d->pcidev, d->designation != NULL ? d->designation : "");
            return false;
        }
    }
    if (smbios_begin(w, SMBIOS_ONBOARD, 11, 0x2900 + i)) {
        put_string(w, 0x04, d->designation, NULL);
        smbios_put8(w, 0x05, 0x80 | d->kind); /* enabled */
        smbios_put8(w, 0x06, d->instance);
        smbios_put8(w, 0x0a, devfn);
        smbios_end(w);
    }
    return true;
}

static bool build_onboards(Writer *w, GError **errp)
{
    for (unsigned i = 0; i < w->o->onboards->len; i++) {
        if (!build_onboard(w, i, errp)) {
            return false;
        }
    }
    return true;
}

/* Memory */

static void build_array(Writer *w, unsigned ndimms)
{
    uint64_t size = w->info->ram_size;

    if (!smbios_begin(w, SMBIOS_MEMORY_ARRAY, 23, HANDLE_ARRAY)) {
        return;
    }
    smbios_put8(w, 0x04, 1); /* in another place */
    smbios_put8(w, 0x05, 3); /* system memory */
    smbios_put8(w, 0x06, 6); /* multi-bit ECC */
    if (size < 2 * TIB) {
        smbios_put32(w, 0x07, size / KiB);
    } else {
        smbios_put32(w, 0x07, 0x80000000);
        smbios_put64(w, 0x0f, size);
    }
    smbios_put16(w, 0x0b, NO_ERROR_HANDLE);
    smbios_put16(w, 0x0d, ndimms);
    smbios_end(w);
}

static void build_dimm(Writer *w, unsigned i, uint64_t size)
{
    g_autofree char *where = NULL;

    if (!smbios_begin(w, SMBIOS_MEMORY_DEVICE, 40, HANDLE_DIMM + i)) {
        return;
    }
    where = g_strdup_printf(
        "%s %u", w->o->dimm.prefix != NULL ? w->o->dimm.prefix : "DIMM", i);
    smbios_put16(w, 0x04, HANDLE_ARRAY);
    smbios_put16(w, 0x06, NO_ERROR_HANDLE);
    smbios_put16(w, 0x08, 0xffff); /* widths are unknown */
    smbios_put16(w, 0x0a, 0xffff);
    smbios_put16(w, 0x0c, DIV_ROUND_UP(size, MiB));
    smbios_put8(w, 0x0e, 9); /* a DIMM */
    put_string(w, 0x10, where, NULL);
    put_string(w, 0x11, w->o->dimm.bank, NULL);
    smbios_put8(w, 0x12, 7);       /* RAM */
    smbios_put16(w, 0x13, 1 << 1); /* of another kind */
    smbios_put16(w, 0x15, w->o->dimm.mts);
    put_string(w, 0x17, w->o->dimm.manufacturer, w->info->manufacturer);
    put_string(w, 0x18, w->o->dimm.serial, NULL);
    put_string(w, 0x19, w->o->dimm.asset, NULL);
    put_string(w, 0x1a, w->o->dimm.part, NULL);
    smbios_put16(w, 0x20, w->o->dimm.mts); /* as configured */
    smbios_end(w);
}

static void build_address(Writer *w, unsigned handle, const E820Entry *e)
{
    uint64_t last = e->addr + e->size - 1;

    if (!smbios_begin(w, SMBIOS_ARRAY_ADDRESS, 31, handle)) {
        return;
    }
    /* From 4 TiB on the number of KiB doesn't fit, and bytes are told. */
    if (last / KiB <= UINT32_MAX) {
        smbios_put32(w, 0x04, e->addr / KiB);
        smbios_put32(w, 0x08, last / KiB);
    } else {
        smbios_put32(w, 0x04, UINT32_MAX);
        smbios_put32(w, 0x08, UINT32_MAX);
        smbios_put64(w, 0x0f, e->addr);
        smbios_put64(w, 0x17, last);
    }
    smbios_put16(w, 0x0c, HANDLE_ARRAY);
    smbios_put8(w, 0x0e, 1); /* devices in a row */
    smbios_end(w);
}

static bool build_memory(Writer *w, GError **errp)
{
    uint64_t size = w->info->ram_size;
    uint64_t n = DIV_ROUND_UP(size, DIMM_MAX);
    unsigned handle = MAX(HANDLE_ADDRESS, HANDLE_DIMM + n);

    /* Handles of DIMMs must not run into those of the end. */
    if (n > 0x2000 - HANDLE_DIMM - w->info->e820->len) {
        error_setf(errp, "SMBIOS: %" PRIu64 " bytes of RAM are too many", size);
        return false;
    }
    build_array(w, n);
    for (unsigned i = 0; i < n; i++) {
        build_dimm(w, i, MIN(DIMM_MAX, size - i * DIMM_MAX));
    }
    for (unsigned i = 0; i < w->info->e820->len; i++) {
        const E820Entry *e = &g_array_index(w->info->e820, E820Entry, i);

        if (e->type == E820_RAM && e->size > 0) {
            build_address(w, handle++, e);
        }
    }
    return true;
}

static void build_boot(Writer *w)
{
    if (smbios_begin(w, SMBIOS_BOOT, 11, 0x2000)) {
        smbios_end(w); /* status 0: no errors */
    }
}

static void build_end(Writer *w)
{
    if (smbios_begin(w, SMBIOS_END, 4, 0x7f00)) {
        smbios_end(w);
    }
}

static bool build_all(Writer *w, GError **errp)
{
    build_bios(w);
    build_system(w);
    build_board(w);
    build_chassis(w);
    for (unsigned i = 0; i < w->info->smp.sockets; i++) {
        build_cpu(w, i);
    }
    build_ports(w);
    build_oem_strings(w);
    if (!build_memory(w, errp)) {
        return false;
    }
    build_boot(w);
    if (!build_onboards(w, errp)) {
        return false;
    }
    build_end(w);
    return true;
}

/* Entry points */

static void make_anchor_21(const Writer *w, GByteArray *out)
{
    static const uint8_t mark[5] = { '_', 'D', 'M', 'I', '_' };
    uint8_t a[31] = { '_', 'S', 'M', '_', [5] = sizeof(a), [6] = 2, [7] = 8 };

    stw_le_p(a + 0x08, MIN(w->longest, UINT16_MAX));
    memcpy(a + 0x10, mark, sizeof(mark));
    stw_le_p(a + 0x16, w->out->len);
    stw_le_p(a + 0x1c, w->count);
    a[0x1e] = 0x28; /* revision 2.8 */
    g_byte_array_append(out, a, sizeof(a));
}

static void make_anchor_30(const Writer *w, GByteArray *out)
{
    uint8_t a[24] = { '_', 'S', 'M', '3', '_', [6] = sizeof(a), [7] = 3 };

    a[0x0a] = 1; /* revision of this structure */
    stl_le_p(a + 0x0c, w->out->len);
    g_byte_array_append(out, a, sizeof(a));
}

bool smbios_build(const SmbiosOptions *o, const SmbiosInfo *info,
                  GByteArray **ret_tables, GByteArray **ret_anchor,
                  GError **errp)
{
    SmbiosOptions *none = o == NULL ? smbios_options_new() : NULL;
    g_autoptr(GByteArray) out = g_byte_array_new();
    Writer w = { .o = o == NULL ? none : o, .info = info, .out = out };
    bool ok;

    w.strings = g_string_new(NULL);
    g_byte_array_append(out, w.o->files->data, w.o->files->len);
    w.count = w.o->nfiles;
    w.longest = w.o->longest;
    ok = build_all(&w, errp);
    g_string_free(w.strings, TRUE);
    smbios_options_free(none);
    if (ok && !info->entry_point_64 && out->len > UINT16_MAX) {
        error_setf(errp, "SMBIOS 2.1 table length %u exceeds %u", out->len,
                   UINT16_MAX);
        ok = false;
    }
    if (ok) {
        *ret_anchor = g_byte_array_new();
        if (info->entry_point_64) {
            make_anchor_30(&w, *ret_anchor);
        } else {
            make_anchor_21(&w, *ret_anchor);
        }
        *ret_tables = g_steal_pointer(&out);
    }
    return ok;
}
