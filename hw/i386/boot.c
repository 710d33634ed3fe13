/*
 * Kernels given by -kernel: reading the files, and the list of what goes
 * where in guest memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/boot-priv.h"

#include "target/i386/cpu.h"
#include "util/bswap.h"
#include "util/error.h"

#include <sys/stat.h>

#define LEGACY_START UINT64_C(0xa0000)
#define LEGACY_END   UINT64_C(0x100000)

enum {
    BOOT_MODULES_MAX = 256,
    BOOT_PAGE = 4096,
};

/* Files */

static GBytes *boot_read(const char *what, const char *path, GError **errp)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *data = NULL;
    struct stat st;
    size_t len;

    if (stat(path, &st) < 0) {
        error_setf_errno(errp, errno, "could not load %s '%s'", what, path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        error_setf(errp, "could not load %s '%s': not a file", what, path);
        return NULL;
    }
    if ((uint64_t)st.st_size > UINT32_MAX) {
        error_setf(errp, "could not load %s '%s': larger than 4 GiB", what,
                   path);
        return NULL;
    }
    if (!g_file_get_contents(path, &data, &len, &err)) {
        error_setf(errp, "could not load %s '%s': %s", what, path,
                   err->message);
        return NULL;
    }
    if (len == 0) {
        error_setf(errp, "could not load %s '%s': empty file", what, path);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&data), len);
}

/* One file of a Multiboot list: "FILE ARG ARG". */
static bool boot_read_module(BootFiles *f, const char *item, GError **errp)
{
    g_autofree char *path = g_strdup(item);
    GBytes *data;

    path[strcspn(path, " ")] = '\0';
    data = boot_read("initrd", path, errp);
    if (data == NULL) {
        return false;
    }
    g_ptr_array_add(f->modules, data);
    g_ptr_array_add(f->module_args, g_strdup(item));
    return true;
}

/* Items between commas; two commas are one that is part of a name. */
static GStrv boot_split(const char *list)
{
    GPtrArray *items = g_ptr_array_new();
    g_autoptr(GString) item = g_string_new(NULL);

    for (const char *s = list;; s++) {
        if (*s == ',' && s[1] == ',') {
            s++;
        } else if (*s == ',' || *s == '\0') {
            g_ptr_array_add(items, g_strdup(item->str));
            g_string_truncate(item, 0);
            if (*s == '\0') {
                break;
            }
            continue;
        }
        g_string_append_c(item, *s);
    }
    g_ptr_array_add(items, NULL);
    return (GStrv)g_ptr_array_free(items, FALSE);
}

static bool boot_read_modules(BootFiles *f, const char *initrd, GError **errp)
{
    g_auto(GStrv) items = NULL;

    if (f->kind != BOOT_MULTIBOOT) {
        GBytes *data = boot_read("initrd", initrd, errp);

        if (data == NULL) {
            return false;
        }
        g_ptr_array_add(f->modules, data);
        g_ptr_array_add(f->module_args, g_strdup(""));
        return true;
    }
    items = boot_split(initrd);
    if (g_strv_length(items) > BOOT_MODULES_MAX) {
        error_setf(errp, "initrd: %u modules, at most %d", g_strv_length(items),
                   BOOT_MODULES_MAX);
        return false;
    }
    for (unsigned i = 0; items[i] != NULL; i++) {
        if (!boot_read_module(f, items[i], errp)) {
            return false;
        }
    }
    return true;
}

static bool boot_recognize(BootFiles *f, GError **errp)
{
    g_autoptr(ElfImage) elf = NULL;
    MultibootHeader mb;
    GError *err = NULL;

    if (linux_is_linux(f->kernel)) {
        f->kind = BOOT_LINUX;
        return true;
    }
    if (elf_is_elf(f->kernel)) {
        elf = elf_image_parse(f->kernel, &err);
        if (elf == NULL) {
            g_propagate_error(errp, err);
            return false;
        }
    }
    /* A 64-bit file can't be entered as Multiboot wants it. */
    if (multiboot_find_header(f->kernel, &mb) && (elf == NULL || !elf->is64)) {
        f->kind = BOOT_MULTIBOOT;
        return true;
    }
    if (elf != NULL && elf->has_pvh) {
        f->kind = BOOT_PVH;
        return true;
    }
    error_setf(errp, "%s",
               elf != NULL
                   ? "ELF file without PVH note or 32-bit Multiboot header"
                   : "neither a Linux bzImage, a Multiboot image nor an ELF "
                     "file with a PVH note");
    return false;
}

BootFiles *boot_files_read(const char *kernel, const char *initrd,
                           const char *cmdline, GError **errp)
{
    g_autoptr(BootFiles) f = g_new0(BootFiles, 1);

    f->modules = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    f->module_args = g_ptr_array_new_with_free_func(g_free);
    f->kernel_path = g_strdup(kernel);
    f->cmdline = g_strdup(cmdline != NULL ? cmdline : "");
    f->kernel = boot_read("kernel", kernel, errp);
    if (f->kernel == NULL) {
        return NULL;
    }
    if (!boot_recognize(f, errp)) {
        error_prefix(errp, "could not load kernel '%s': ", kernel);
        return NULL;
    }
    if (initrd != NULL && !boot_read_modules(f, initrd, errp)) {
        return NULL;
    }
    return g_steal_pointer(&f);
}

void boot_files_free(BootFiles *f)
{
    if (f == NULL) {
        return;
    }
    g_clear_pointer(&f->kernel, g_bytes_unref);
    g_clear_pointer(&f->modules, g_ptr_array_unref);
    g_clear_pointer(&f->module_args, g_ptr_array_unref);
    g_free(f->kernel_path);
    g_free(f->cmdline);
    g_free(f);
}

/* The plan */

static void boot_blob_free(gpointer p)
{
    BootBlob *b = p;

    g_bytes_unref(b->data);
    g_free(b->name);
    g_free(b);
}

static const BootBlob *boot_plan_overlap(const BootPlan *p, uint64_t addr,
                                         uint64_t len)
{
    for (unsigned i = 0; i < p->blobs->len; i++) {
        const BootBlob *b = g_ptr_array_index(p->blobs, i);

        if (addr < b->addr + b->mem_len && b->addr < addr + len) {
            return b;
        }
    }
    return NULL;
}

static BootBlob *boot_plan_take(BootPlan *p, const char *name, uint64_t addr,
                                GBytes *data, uint64_t mem_len)
{
    BootBlob *b = g_new0(BootBlob, 1);

    b->name = g_strdup(name);
    b->addr = addr;
    b->data = g_bytes_ref(data);
    b->mem_len = mem_len;
    g_ptr_array_add(p->blobs, b);
    return b;
}

bool boot_plan_add(BootPlan *p, const char *name, uint64_t addr, GBytes *data,
                   uint64_t mem_len, GError **errp)
{
    const BootBlob *other;

    g_assert(mem_len >= g_bytes_get_size(data));
    if (mem_len == 0) {
        return true;
    }
    if (!range_fits(addr, mem_len, p->ram_end)) {
        error_setf(errp,
                   "%s: 0x%" PRIx64 " bytes at 0x%" PRIx64
                   ": beyond the end of free RAM below 4 GiB (0x%" PRIx64 ")",
                   name, mem_len, addr, p->ram_end);
        return false;
    }
    other = boot_plan_overlap(p, addr, mem_len);
    if (other != NULL) {
        error_setf(errp,
                   "%s: 0x%" PRIx64 " bytes at 0x%" PRIx64
                   " overlap %s (0x%" PRIx64 " bytes at 0x%" PRIx64 ")",
                   name, mem_len, addr, other->name, other->mem_len,
                   other->addr);
        return false;
    }
    boot_plan_take(p, name, addr, data, mem_len);
    return true;
}

void boot_plan_reserve(BootPlan *p, const char *name, uint64_t addr,
                       uint64_t len)
{
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);

    boot_plan_take(p, name, addr, none, len)->reserved = true;
}

bool boot_plan_add_copy(BootPlan *p, const char *name, uint64_t addr,
                        const void *data, size_t len, GError **errp)
{
    g_autoptr(GBytes) copy = g_bytes_new(data, len);

    return boot_plan_add(p, name, addr, copy, len, errp);
}

uint64_t boot_plan_place(const BootPlan *p, const char *name, uint64_t len,
                         uint64_t limit, GError **errp)
{
    uint64_t top = MIN(limit, p->ram_end);

    while (range_fits(BOOT_LOW_START, len, top)) {
        uint64_t addr = ROUND_DOWN(top - len, BOOT_PAGE);
        const BootBlob *b = boot_plan_overlap(p, addr, len);

        if (addr < BOOT_LOW_START) {
            break;
        }
        if (b == NULL) {
            return addr;
        }
        top = b->addr;
    }
    error_setf(errp,
               "%s: no room for 0x%" PRIx64 " bytes of RAM below 0x%" PRIx64,
               name, len, MIN(limit, p->ram_end));
    return 0;
}

uint64_t boot_plan_place_behind(const BootPlan *p, const char *name,
                                uint64_t len, uint64_t limit, GError **errp)
{
    uint64_t top = MIN(limit, p->ram_end), end = BOOT_LOW_START;

    for (unsigned i = 0; i < p->blobs->len; i++) {
        const BootBlob *b = g_ptr_array_index(p->blobs, i);

        end = MAX(end, b->addr + b->mem_len);
    }
    end = ROUND_UP(end, BOOT_PAGE);
    return range_fits(end, len, top)
               ? end
               : boot_plan_place(p, name, len, limit, errp);
}

uint32_t boot_plan_add_low(BootPlan *p, const char *name, const void *data,
                           size_t len, GError **errp)
{
    uint64_t addr = boot_plan_place(p, name, len, p->low_limit, errp);

    if (addr == 0 || !boot_plan_add_copy(p, name, addr, data, len, errp)) {
        return 0;
    }
    return addr;
}

/*
 * Descriptors as the Linux boot protocol wants them, which suit the others:
 * code at selector 0x10, data at 0x18, flat and 4 GiB large; for PVH a TSS at
 * 0x20 of the least size, at address 0.
 */
static const uint64_t boot_gdt[] = {
    0,
    0,
    UINT64_C(0x00cf9b000000ffff),
    UINT64_C(0x00cf93000000ffff),
    UINT64_C(0x0000890000000067),
};
enum { BOOT_CS = 0x10, BOOT_DS = 0x18 };
G_STATIC_ASSERT(sizeof(boot_gdt) - 1 == BOOT_GDT_LIMIT);

static bool boot_plan_make(BootPlan *p, const BootFiles *f, const BootEnv *env,
                           GError **errp)
{
    switch (f->kind) {
    case BOOT_LINUX:
        return linux_plan(f, env, p, errp);
    case BOOT_MULTIBOOT:
        return multiboot_plan(f, env, p, errp);
    case BOOT_PVH:
        return pvh_plan(f, env, p, errp);
    }
    g_assert_not_reached();
}

static bool boot_plan_check(const BootPlan *p, GError **errp)
{
    const BootBlob *b = boot_plan_overlap(p, p->eip, 1);

    if (b == NULL || b->reserved) {
        error_setf(errp, "entry point 0x%x: nothing is loaded there", p->eip);
        return false;
    }
    return true;
}

BootPlan *boot_plan_new(const BootFiles *f, const BootEnv *env, GError **errp)
{
    BootPlan *p = g_new0(BootPlan, 1);
    uint8_t gdt[sizeof(boot_gdt)];

    p->kind = f->kind;
    p->ram_end = MIN(env->below_4g, UINT64_C(1) << 32);
    p->low_limit = BOOT_LOW_LIMIT;
    p->blobs = g_ptr_array_new_with_free_func(boot_blob_free);
    for (unsigned i = 0; i < G_N_ELEMENTS(boot_gdt); i++) {
        stq_le_p(gdt + 8 * i, boot_gdt[i]);
    }
    if (env->firmware) {
        p->ram_end -= MIN(p->ram_end, BOOT_FIRMWARE_RESERVE);
        p->low_limit = BOOT_FIRMWARE_LOW_LIMIT;
        boot_plan_reserve(p, "video memory and firmware", LEGACY_START,
                          LEGACY_END - LEGACY_START);
    }
    if (boot_plan_make(p, f, env, errp) && boot_plan_check(p, errp)) {
        p->gdt =
            boot_plan_add_low(p, "descriptor table", gdt, sizeof(gdt), errp);
    }
    if (p->gdt == 0) {
        error_prefix(errp, "could not load kernel '%s': ", f->kernel_path);
        boot_plan_free(p);
        return NULL;
    }
    return p;
}

void boot_plan_free(BootPlan *p)
{
    if (p != NULL) {
        g_ptr_array_unref(p->blobs);
        g_free(p);
    }
}

bool boot_plan_load(BootPlan *p, AddressSpace *as, bool fresh_zero,
                    GError **errp)
{
    bool zero = p->carried_out || !fresh_zero;

    p->carried_out = true;
    for (unsigned i = 0; i < p->blobs->len; i++) {
        const BootBlob *b = g_ptr_array_index(p->blobs, i);
        size_t len;
        const void *data = g_bytes_get_data(b->data, &len);

        if ((len > 0 &&
             address_space_write_rom(as, b->addr, data, len) != MEM_OK) ||
            (zero && b->mem_len > len &&
             address_space_fill(as, b->addr + len, 0, b->mem_len - len) !=
                 MEM_OK)) {
            error_setf(errp,
                       "%s: 0x%" PRIx64 " bytes at 0x%" PRIx64
                       ": no memory there",
                       b->name, b->mem_len, b->addr);
            return false;
        }
    }
    return true;
}

void boot_plan_set_cpu(const BootPlan *p, X86Cpu *cpu)
{
    x86_cpu_set_flat32_entry(cpu, p->eip, p->eax, p->ebx);
    cpu->regs[X86_RSI] = p->esi;
    cpu->gdt.base = p->gdt;
    cpu->gdt.limit = BOOT_GDT_LIMIT;
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        cpu->segs[i].selector = i == X86_CS ? BOOT_CS : BOOT_DS;
    }
}
