/*
 * Human monitor: the VM as a whole, its devices and back ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "accel/accel.h"
#include "chardev/chardev.h"
#include "gdbstub/gdbstub.h"
#include "hw/core/machine.h"
#include "hw/pci/pci.h"
#include "monitor/vm-control.h"
#include "qapi/version.h"
#include "util/log.h"

void hmp_cmd_stop(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!vm_control_stop(out->vm, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_cont(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!vm_control_cont(out->vm, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_system_reset(HmpOut *out, const HmpArgs *a)
{
    vm_request_reset(out->vm, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
}

void hmp_cmd_system_powerdown(HmpOut *out, const HmpArgs *a)
{
    vm_request_powerdown(out->vm);
}

void hmp_cmd_system_wakeup(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!vm_control_wakeup(out->vm, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_quit(HmpOut *out, const HmpArgs *a)
{
    vm_control_quit(out->vm);
}

void hmp_cmd_nmi(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!vm_control_nmi(out->vm, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_watchdog_action(HmpOut *out, const HmpArgs *a)
{
    if (!watchdog_action_parse(a->arg[0].text, &out->vm->watchdog_action)) {
        hmp_printf(out, "Error: invalid parameter value: %s\n", a->arg[0].text);
    }
}

void hmp_info_version(HmpOut *out, const HmpArgs *a)
{
    hmp_printf(out, "%s (Godwit %s)\n", COMPAT_VERSION, GODWIT_VERSION);
}

void hmp_info_status(HmpOut *out, const HmpArgs *a)
{
    RunState st = runstate_get(out->vm);
    bool running = runstate_is_running(out->vm);

    hmp_printf(out, "VM status: %s", running ? "running" : "paused");
    if (!running && st != RUN_STATE_PAUSED) {
        hmp_printf(out, " (%s)", run_state_str(st));
    }
    hmp_printf(out, "\n");
}

void hmp_info_name(HmpOut *out, const HmpArgs *a)
{
    if (out->vm->name != NULL) {
        hmp_printf(out, "%s\n", out->vm->name);
    }
}

void hmp_info_uuid(HmpOut *out, const HmpArgs *a)
{
    const uint8_t *u = out->vm->uuid;

    hmp_printf(out,
               "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
               "%02x%02x%02x%02x%02x%02x\n",
               u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
               u[10], u[11], u[12], u[13], u[14], u[15]);
}

void hmp_info_kvm(HmpOut *out, const HmpArgs *a)
{
    bool on = out->vm->accel != NULL &&
              strcmp(out->vm->accel->type->name, "kvm") == 0;

    hmp_printf(out, "kvm support: %s\n",
               on                       ? "enabled"
               : accel_type_find("kvm") ? "disabled"
                                        : "not compiled");
}

void hmp_info_mtree(HmpOut *out, const HmpArgs *a)
{
    memory_print_tree(&out->vm->mem, out->text, a->flags & (1u << ('f' - 'a')));
}

void hmp_info_ramblock(HmpOut *out, const HmpArgs *a)
{
    RamBlock *rb;

    hmp_printf(out, "%24s %8s  %18s %18s  %18s\n", "Block Name", "PSize",
               "Used", "Total", "HVA");
    RAM_BLOCK_FOREACH(rb, &out->vm->mem.ram)
    {
        hmp_printf(out,
                   "%24s %4zu KiB  0x%016" PRIx64 " 0x%016" PRIx64
                   "  0x%016" PRIxPTR "\n",
                   rb->name, rb->page_size >> 10, rb->used_length,
                   rb->max_length, (uintptr_t)rb->host);
    }
}

void hmp_info_qtree(HmpOut *out, const HmpArgs *a)
{
    device_print_tree(out->vm, out->text);
}

static void print_object(HmpOut *out, const Object *obj, int indent)
{
    hmp_printf(out, "%*s/%s (%s)\n", indent, "", obj->name ? obj->name : "",
               obj->type->name);
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        print_object(out, obj->children->pdata[i], indent + 2);
    }
}

void hmp_info_qom_tree(HmpOut *out, const HmpArgs *a)
{
    const char *path = a->arg[0].given ? a->arg[0].text : "/machine";
    bool ambiguous = false;
    Object *obj = object_resolve(out->vm->root, path, &ambiguous);

    if (obj == NULL) {
        hmp_printf(out, "Path '%s' %s.\n", path,
                   ambiguous ? "is ambiguous" : "could not be resolved");
        return;
    }
    print_object(out, obj, 0);
}

static void print_chardev(Chardev *cd, void *opaque)
{
    g_autofree char *name = chardev_filename(cd);

    hmp_printf(opaque, "%s: filename=%s\n", chardev_label(cd), name);
}

void hmp_info_chardev(HmpOut *out, const HmpArgs *a)
{
    chardevs_foreach(out->vm->chardevs, print_chardev, out);
}

void hmp_info_pci(HmpOut *out, const HmpArgs *a)
{
    Bus *bus = bus_find(out->vm, "pci.0");

    if (bus == NULL) {
        hmp_printf(out, "No PCI bus in this machine\n");
        return;
    }
    pci_print_info(PCI_BUS(bus), out->text);
}

void hmp_cmd_gdbserver(HmpOut *out, const HmpArgs *a)
{
    const char *device =
        a->arg[0].given ? a->arg[0].text : GDBSTUB_DEFAULT_DEVICE;
    g_autoptr(GError) err = NULL;

    if (!gdbstub_start(out->vm, device, hmp_execute, &err)) {
        hmp_printf(out, "Could not open gdbserver on device '%s': %s\n", device,
                   err->message);
    } else if (g_str_equal(device, "none")) {
        hmp_printf(out, "Disabled gdbserver\n");
    } else {
        hmp_printf(out, "Waiting for gdb connection on device '%s'\n", device);
    }
}

void hmp_cmd_log(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (g_str_equal(a->arg[0].text, "help")) {
        g_autofree char *text = log_help_text();

        hmp_printf(out, "%s", text);
        return;
    }
    if (!log_set_items(a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_logfile(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!log_set_file(a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}
