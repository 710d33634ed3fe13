/*
 * What a PC's firmware and operating system read about it through fw_cfg.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/pc-tables.h"

#include "accel/vcpu.h"
#include "hw/i386/acpi-build.h"
#include "target/i386/cpu.h"
#include "util/bswap.h"
#include "util/error.h"

#define FOUR_GIB (UINT64_C(1) << 32)

enum {
    HPET_FW_SIZE = 121, /* a count, then eight entries of 15 bytes */
    HPET_BLOCK_ID = 0x8086a201U,
};

/* ACPI */

static uint64_t pc_pm_prop(const PcMachine *p, const char *name)
{
    g_autoptr(JsonValue) v = object_prop_get(&p->pm->obj, name, NULL);
    uint64_t n = 0;

    if (v != NULL) {
        json_get_uint(v, &n);
    }
    return n;
}

/* All functions of a bus, with what is behind them. */
static AcpiPciFunction *acpi_functions(const AcpiPcihp *hp, const PciBus *bus,
                                       unsigned *ret_n)
{
    AcpiPciFunction *all = g_new0(AcpiPciFunction, G_N_ELEMENTS(bus->devs));
    unsigned n = 0;

    for (unsigned devfn = 0; devfn < G_N_ELEMENTS(bus->devs); devfn++) {
        const PciDevice *d = bus->devs[devfn];
        AcpiPciFunction *f = &all[n];

        if (d == NULL) {
            continue;
        }
        n++;
        f->devfn = devfn;
        f->fixed = !d->dev.type->hotpluggable || d->secondary != NULL;
        f->bsel = -1;
        if (d->secondary != NULL) {
            f->bsel = hp != NULL ? acpi_pcihp_bsel(hp, d->secondary) : -1;
            f->nslots = d->secondary->hotplug_slots;
            f->below = acpi_functions(hp, d->secondary, &f->nbelow);
        }
    }
    *ret_n = n;
    return all;
}

void pc_fill_acpi_functions(const PcMachine *p, const AcpiPcihp *hp,
                            AcpiConfig *c)
{
    c->root.fixed = true;
    c->root.bsel = hp != NULL ? acpi_pcihp_bsel(hp, p->pci) : -1;
    c->root.nslots = G_N_ELEMENTS(p->pci->devs) / 8;
    c->root.below = acpi_functions(hp, p->pci, &c->root.nbelow);
}

static void pc_fill_acpi(X86Machine *x, AcpiConfig *c)
{
    PcMachine *p = PC_MACHINE(&x->m);

    c->i8042 = p->opt_i8042;
    c->fdc = x86_has_isa_device(x, "isa-fdc");
    c->hpet = p->hpet != NULL;
    c->serials = x86_serial_mask(x);
    c->parallel = x86_has_isa_device(x, "isa-parallel");
    c->vmgenid = x->m.vm->vmgenid != NULL;
    c->pvpanic_port = x86_pvpanic_port(x);
    c->pci_hole = x->below_4g;
    c->pci_hole64 = ROUND_UP(FOUR_GIB + x->above_4g, GiB);
    c->smm = x->m.smm;
    c->s3 = pc_pm_prop(p, "disable_s3") == 0;
    c->s4 = pc_pm_prop(p, "disable_s4") == 0;
    c->s4_type = pc_pm_prop(p, "s4_val");
    p->board->fill_acpi(p, c);
}

/* For each of S0 to S5, bit 7: it works; else the value for PM1 control. */
static bool pc_add_states(PcMachine *p, GError **errp)
{
    uint8_t states[6] = { [0] = 0x80, [5] = 0x80 };

    states[3] = 1 | (pc_pm_prop(p, "disable_s3") == 0 ? 0x80 : 0);
    states[4] =
        pc_pm_prop(p, "s4_val") | (pc_pm_prop(p, "disable_s4") == 0 ? 0x80 : 0);
    return fw_cfg_add_file(p->x.m.fw_cfg, "etc/system-states", states,
                           sizeof(states), errp);
}

static bool pc_init_acpi(PcMachine *p, GError **errp)
{
    return p->pm == NULL || (pc_add_states(p, errp) &&
                             x86_acpi_init(&p->x, pc_fill_acpi,
                                           p->board->build_acpi, true, errp));
}

/* For firmware that makes its own tables: where the HPETs are. */
static void pc_add_hpet(PcMachine *p)
{
    uint8_t table[HPET_FW_SIZE] = { 0 };

    if (p->hpet != NULL) {
        table[0] = 1;
        stl_le_p(table + 1, HPET_BLOCK_ID);
        stq_le_p(table + 5, UINT64_C(0xfed00000));
    }
    fw_cfg_add_bytes(p->x.m.fw_cfg, FW_CFG_HPET, table, sizeof(table));
}

/* Boot menu */

static bool pc_add_splash(PcMachine *p, GError **errp)
{
    const Machine *m = &p->x.m;
    g_autofree char *path = NULL, *data = NULL;
    g_autoptr(GError) err = NULL;
    const char *name;
    size_t len;

    if (m->boot_splash == NULL) {
        return true;
    }
    path = machine_find_file(m, m->boot_splash);
    if (path == NULL || !g_file_get_contents(path, &data, &len, &err)) {
        error_setf(errp, "boot splash file '%s': %s", m->boot_splash,
                   err != NULL ? err->message : "not found");
        return false;
    }
    if (len > 2 && memcmp(data, "\xff\xd8", 2) == 0) {
        name = "bootsplash.jpg";
    } else if (len > 2 && memcmp(data, "BM", 2) == 0) {
        name = "bootsplash.bmp";
    } else {
        error_setf(errp, "boot splash file '%s': neither JPEG nor BMP",
                   m->boot_splash);
        return false;
    }
    return fw_cfg_add_file(m->fw_cfg, name, data, len, errp);
}

static bool pc_add_boot_menu(PcMachine *p, GError **errp)
{
    const Machine *m = &p->x.m;
    uint8_t wait[2];

    if (!pc_add_splash(p, errp)) {
        return false;
    }
    if (m->boot_splash_ms < 0) {
        return true;
    }
    stw_le_p(wait, m->boot_splash_ms);
    return fw_cfg_add_file(m->fw_cfg, "etc/boot-menu-wait", wait, sizeof(wait),
                           errp);
}

/* SMBIOS */

static int pc_find_pci(void *opaque, const char *id)
{
    PcMachine *p = opaque;
    const Device *d = device_find(p->x.m.vm, id);

    return d != NULL && d->parent_bus == &p->pci->bus ? PCI_DEVICE(d)->devfn
                                                      : -1;
}

bool pc_complete_tables(PcMachine *p, GError **errp)
{
    Machine *m = &p->x.m;
    g_autoptr(GByteArray) tables = NULL, anchor = NULL;
    SmbiosInfo info = {
        .manufacturer = "QEMU",
        .product = m->type->desc,
        .version = m->type->name,
        .uuid = m->vm->uuid_set ? m->vm->uuid : NULL,
        .smp = m->smp,
        .ram_size = m->ram_size,
        .e820 = p->x.e820,
        .entry_point_64 = p->smbios_entry_point == 1,
        .find_pci = pc_find_pci,
        .opaque = p,
    };

    if (m->vm->nvcpus > 0) {
        const X86Cpu *cpu = m->vm->vcpus[0]->x86;

        /* The model's: without what CPUID adds for several threads. */
        info.cpuid_eax = x86_cpu_signature(cpu);
        info.cpuid_edx = x86_cpu_model_word(cpu->model, X86_FEAT_1_EDX);
    }
    return smbios_build(p->smbios, &info, &tables, &anchor, errp) &&
           fw_cfg_add_file(m->fw_cfg, "etc/smbios/smbios-tables", tables->data,
                           tables->len, errp) &&
           fw_cfg_add_file(m->fw_cfg, "etc/smbios/smbios-anchor", anchor->data,
                           anchor->len, errp);
}

bool pc_init_tables(PcMachine *p, GError **errp)
{
    pc_add_hpet(p);
    return fw_cfg_add_file(p->x.m.fw_cfg, "etc/tpm/log", NULL, 0, errp) &&
           pc_add_boot_menu(p, errp) &&
           option_roms_offer(p->option_roms, &p->x.m, errp) &&
           pc_init_acpi(p, errp);
}
