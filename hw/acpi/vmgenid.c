/*
 * The VM generation ID.
 *
 * Firmware puts a page with the ID in guest memory, as the tables' loader tells
 * it, and writes back where.  A state that is loaded (by a migration, from a
 * snapshot) has the ID of its time there: before the guest goes on it gets this
 * device's, and an event.
 *
 * Stream: "vmgenid" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/vmgenid.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/aml.h"
#include "hw/core/dma.h"
#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "system/runstate.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/log.h"

#define GUID_FILE "etc/vmgenid_guid"
#define ADDR_FILE "etc/vmgenid_addr"

enum {
    GUID_SIZE = 16,
    PAGE = 4096,
    GUID_AT = 40, /* in the page: firmware may put a table's header there */
    NOTIFY_CHANGED = 0x80,
};

/* Between two looks whether all of guest memory is there. */
#define LATER_NS (100 * 1000 * 1000)

typedef struct Vmgenid {
    Device dev;
    RunStateListener listener;
    Timer later;                /* realtime */
    char *guid_text;            /* property */
    uint8_t guid[GUID_SIZE];    /* as the guest has it: little endian */
    bool loaded;                /* the guest's memory is of another time */
    uint8_t vmgenid_addr_le[8]; /* where it is; 0: nowhere yet; migrated */
} Vmgenid;

static Vmgenid *vmgenid_of(Device *dev)
{
    return DEVICE_CAST(Vmgenid, dev);
}

char *vmgenid_text(const struct Vm *vm)
{
    return vm->vmgenid != NULL ? g_strdup(vmgenid_of(vm->vmgenid)->guid_text)
                               : NULL;
}

/* The first three fields of an UUID are numbers. */
static void swap_numbers(uint8_t *dst, const uint8_t *src)
{
    static const uint8_t order[GUID_SIZE] = { 3, 2, 1,  0,  5,  4,  7,  6,
                                              8, 9, 10, 11, 12, 13, 14, 15 };

    for (unsigned i = 0; i < GUID_SIZE; i++) {
        dst[i] = src[order[i]];
    }
}

static bool take_guid(Vmgenid *s, GError **errp)
{
    uint8_t uuid[GUID_SIZE];

    if (s->guid_text == NULL || g_str_equal(s->guid_text, "auto")) {
        g_free(s->guid_text);
        s->guid_text = g_uuid_string_random();
    }
    if (!parse_uuid(s->guid_text, uuid)) {
        error_setf(errp, "guid=%s: neither an UUID nor 'auto'", s->guid_text);
        return false;
    }
    swap_numbers(s->guid, uuid);
    return true;
}

static uint64_t guest_addr(const Vmgenid *s)
{
    return ldq_le_p(s->vmgenid_addr_le);
}

/*
 * Not while state is loaded, nor while a page may be still to come (postcopy):
 * vm_lock is held here, and nobody who wants it is to wait for a source.
 */
static void put_loaded_guid(void *opaque)
{
    Vmgenid *s = opaque;
    Machine *m = s->dev.machine;
    Vm *vm = s->dev.vm;
    MemResult r;

    if (!s->loaded || !runstate_is_running(vm)) {
        return;
    }
    if (vm_memory_awaited(vm)) {
        timer_mod(&s->later, clock_monotonic_ns() + LATER_NS);
        return;
    }
    s->loaded = false;
    if (guest_addr(s) == 0) {
        return;
    }
    dma_access_begin();
    r = address_space_write(&vm->mem.memory, guest_addr(s), s->guid, GUID_SIZE);
    dma_access_end();
    if (r != MEM_OK) {
        log_guest_error("vmgenid: no memory at 0x%" PRIx64, guest_addr(s));
        return;
    }
    m->type->acpi_event(m, ACPI_GPE_VMGENID);
}

static void run_state_changed(RunStateListener *l, bool running, RunState state)
{
    if (running) {
        put_loaded_guid(container_of(l, Vmgenid, listener));
    }
}

/* Life */

static bool vmgenid_realize(Device *dev, GError **errp)
{
    Vmgenid *s = vmgenid_of(dev);
    const Machine *m = dev->machine;
    uint8_t page[PAGE] = { 0 };

    if (dev->vm->vmgenid != NULL) {
        error_setf(errp, "at most one vmgenid device is permitted");
        return false;
    }
    if (m == NULL || m->fw_cfg == NULL || !m->acpi ||
        m->type->acpi_event == NULL) {
        error_setf(errp, "a machine without ACPI events has no generation ID");
        return false;
    }
    if (!take_guid(s, errp)) {
        return false;
    }
    memcpy(page + GUID_AT, s->guid, GUID_SIZE);
    if (!fw_cfg_add_file(m->fw_cfg, GUID_FILE, page, PAGE, errp) ||
        !fw_cfg_add_file_callback(m->fw_cfg, ADDR_FILE, NULL, NULL,
                                  s->vmgenid_addr_le,
                                  sizeof(s->vmgenid_addr_le), true, errp)) {
        return false;
    }
    timer_init(&s->later, dev->vm->clocks, CLOCK_TYPE_REALTIME, put_loaded_guid,
               s);
    s->listener.changed = run_state_changed;
    runstate_add_listener(dev->vm, &s->listener);
    dev->vm->vmgenid = dev;
    return true;
}

static void vmgenid_unrealize(Device *dev)
{
    if (dev->vm->vmgenid == dev) {
        timer_del(&vmgenid_of(dev)->later);
        runstate_del_listener(dev->vm, &vmgenid_of(dev)->listener);
        dev->vm->vmgenid = NULL;
    }
}

/* Firmware says anew where it is. */
static void vmgenid_reset(Device *dev)
{
    Vmgenid *s = vmgenid_of(dev);

    memset(s->vmgenid_addr_le, 0, sizeof(s->vmgenid_addr_le));
    s->loaded = false;
}

static bool vmgenid_post_load(void *opaque, int version, GError **errp)
{
    ((Vmgenid *)opaque)->loaded = true;
    return true;
}

static const Vmstate vmgenid_vmstate = {
    .name = "vmgenid",
    .version = 1,
    .oldest = 1,
    .post_load = vmgenid_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8_ARRAY(Vmgenid, vmgenid_addr_le, 8),
            VMSTATE_END,
        },
};

static const Property vmgenid_props[] = {
    PROP(PROP_STR, Vmgenid, guid_text, "guid", .def_str = "auto",
         .help = "UUID (aka GUID) or \"auto\" for random value (default)"),
    PROP_END,
};

const DeviceType vmgenid_type = {
    .name = "vmgenid",
    .category = "Misc",
    .size = sizeof(Vmgenid),
    .bus = BUS_NONE,
    .user_creatable = true,
    .props = vmgenid_props,
    .realize = vmgenid_realize,
    .unrealize = vmgenid_unrealize,
    .reset = vmgenid_reset,
    .vmstate = &vmgenid_vmstate,
};

/* The table */

/* _STA: it is there once firmware has placed the page. */
static void put_status(Aml *a)
{
    size_t method = aml_begin_method(a, "_STA", 0, false), branch;

    aml_op(a, AML_STORE);
    aml_int(a, 0x0f);
    aml_local(a, 0);
    branch = aml_begin(a, AML_IF);
    aml_op(a, AML_LEQUAL);
    aml_path(a, "VGIA");
    aml_int(a, 0);
    aml_op(a, AML_STORE);
    aml_int(a, 0);
    aml_local(a, 0);
    aml_end(a, branch);
    aml_op(a, AML_RETURN);
    aml_local(a, 0);
    aml_end(a, method);
}

/* Where a half of it is stored: Local0[n]. */
static void put_half(Aml *a, unsigned n)
{
    aml_op(a, AML_INDEX);
    aml_local(a, 0);
    aml_int(a, n);
    aml_op(a, AML_NULL_TARGET);
}

/* ADDR: the ID's address, low half and high half. */
static void put_address(Aml *a)
{
    size_t method = aml_begin_method(a, "ADDR", 0, false), pair;

    aml_op(a, AML_STORE);
    pair = aml_begin_package(a, 2);
    aml_end(a, pair);
    aml_local(a, 0);
    aml_op(a, AML_STORE);
    aml_op(a, AML_ADD);
    aml_path(a, "VGIA");
    aml_int(a, GUID_AT);
    aml_op(a, AML_NULL_TARGET);
    put_half(a, 0);
    aml_op(a, AML_STORE);
    aml_int(a, 0);
    put_half(a, 1);
    aml_op(a, AML_RETURN);
    aml_local(a, 0);
    aml_end(a, method);
}

static void put_device(Aml *a)
{
    size_t scope = aml_begin_scope(a, "\\_SB");
    size_t dev = aml_begin_device(a, "VGEN"), event;

    aml_name_string(a, "_HID", "QEMUVGID");
    aml_name_string(a, "_CID", "VM_Gen_Counter");
    aml_name_string(a, "_DDN", "VM_Gen_Counter");
    put_status(a);
    put_address(a);
    aml_end(a, dev);
    aml_end(a, scope);
    event = aml_begin_method(a, "\\_GPE._E05", 0, false);
    aml_op(a, AML_NOTIFY);
    aml_path(a, "\\_SB.VGEN");
    aml_int(a, NOTIFY_CHANGED);
    aml_end(a, event);
}

void acpi_put_vmgenid(AcpiTables *t)
{
    const AcpiIds ids = t->ids;
    uint32_t off;
    Aml a;

    acpi_place_file(t, GUID_FILE, PAGE);
    acpi_add_back_pointer(t, ADDR_FILE, GUID_FILE, GUID_AT, 8);
    t->ids.oem_table_id = "VMGENID";
    off = acpi_table_begin(t, "SSDT", 1);
    t->ids = ids;
    /* A number of 32 bits, which becomes the page's address. */
    aml_init(&a);
    aml_name(&a, "VGIA");
    aml_byte(&a, AML_DWORD);
    acpi_put_bytes(t, a.code->data, a.code->len);
    aml_fini(&a);
    acpi_put_file_pointer(t, GUID_FILE, 4);
    aml_init(&a);
    put_device(&a);
    acpi_put_bytes(t, a.code->data, a.code->len);
    aml_fini(&a);
    acpi_table_end(t, off, true);
}
