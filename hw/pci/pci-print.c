/*
 * Text about PCI functions: `info pci` and class names.
 * (Class codes: PCI Code and ID Assignment Specification, chapter 1.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci.h"

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-priv.h"
#include "hw/pci/pci-regs.h"
#include "util/bswap.h"

typedef struct ClassName {
    uint16_t id;
    const char *name;
} ClassName;

static const ClassName class_names[] = {
    { 0x0100, "SCSI controller" },
    { 0x0101, "IDE controller" },
    { 0x0102, "Floppy controller" },
    { 0x0105, "ATA controller" },
    { 0x0106, "SATA controller" },
    { 0x0108, "NVMe controller" },
    { 0x0200, "Ethernet controller" },
    { 0x0280, "Network controller" },
    { 0x0300, "VGA controller" },
    { 0x0380, "Display controller" },
    { 0x0400, "Video controller" },
    { 0x0401, "Audio controller" },
    { 0x0500, "RAM controller" },
    { 0x0600, "Host bridge" },
    { 0x0601, "ISA bridge" },
    { 0x0604, "PCI bridge" },
    { 0x0680, "Bridge" },
    { 0x0700, "Serial port" },
    { 0x0780, "Communication controller" },
    { 0x0c03, "USB controller" },
    { 0x0c05, "SMBus" },
};

const char *pci_class_desc(uint16_t class_id)
{
    for (size_t i = 0; i < G_N_ELEMENTS(class_names); i++) {
        if (class_names[i].id == class_id) {
            return class_names[i].name;
        }
    }
    return NULL;
}

void pci_class_name(uint16_t class_id, char *buf, size_t len)
{
    const char *desc = pci_class_desc(class_id);

    if (desc != NULL) {
        g_strlcpy(buf, desc, len);
    } else {
        g_snprintf(buf, len, "Class %04x", class_id);
    }
}

static void print_bar(const PciDevice *d, unsigned n, GString *out)
{
    const PciBar *bar = &d->bars[n];
    uint64_t last = bar->addr + bar->size - 1;

    if (bar->mr == NULL) {
        return;
    }
    if (bar->type & PCI_BASE_ADDRESS_SPACE_IO) {
        g_string_append_printf(out,
                               "      BAR%u: I/O at 0x%04" PRIx64
                               " [0x%04" PRIx64 "].\n",
                               n, bar->addr, last);
        return;
    }
    g_string_append_printf(
        out,
        "      BAR%u: %d bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n",
        n, bar->type & PCI_BASE_ADDRESS_MEM_TYPE_64 ? 64 : 32,
        bar->type & PCI_BASE_ADDRESS_MEM_PREFETCH ? " prefetchable" : "",
        bar->addr, last);
}

static void print_bridge(const PciDevice *d, GString *out)
{
    const uint8_t *c = d->config;
    const PciWindow io = pci_bridge_window(d, PCI_WINDOW_IO);
    const PciWindow mem = pci_bridge_window(d, PCI_WINDOW_MEM);
    const PciWindow pref = pci_bridge_window(d, PCI_WINDOW_PREF);

    g_string_append_printf(out, "      BUS %u.\n", c[PCI_PRIMARY_BUS]);
    g_string_append_printf(out, "      secondary bus %u.\n",
                           c[PCI_SECONDARY_BUS]);
    g_string_append_printf(out, "      subordinate bus %u.\n",
                           c[PCI_SUBORDINATE_BUS]);
    g_string_append_printf(out,
                           "      IO range [0x%04" PRIx64 ", 0x%04" PRIx64
                           "]\n",
                           io.base, io.limit);
    g_string_append_printf(out,
                           "      memory range [0x%08" PRIx64 ", 0x%08" PRIx64
                           "]\n",
                           mem.base, mem.limit);
    g_string_append_printf(out,
                           "      prefetchable memory range [0x%08" PRIx64
                           ", 0x%08" PRIx64 "]\n",
                           pref.base, pref.limit);
}

static void print_function(PciDevice *d, GString *out)
{
    const uint8_t *c = d->config;
    char class[64];

    pci_class_name(lduw_le_p(c + PCI_CLASS_DEVICE), class, sizeof(class));
    g_string_append_printf(out, "  Bus %2u, device %3u, function %u:\n",
                           pci_bus_number(pci_bus_of(d)), PCI_SLOT_OF(d->devfn),
                           PCI_FUNC_OF(d->devfn));
    g_string_append_printf(out, "    %s: PCI device %04x:%04x\n", class,
                           lduw_le_p(c + PCI_VENDOR_ID),
                           lduw_le_p(c + PCI_DEVICE_ID));
    if (d->secondary == NULL) {
        g_string_append_printf(out, "      PCI subsystem %04x:%04x\n",
                               lduw_le_p(c + PCI_SUBSYSTEM_VENDOR_ID),
                               lduw_le_p(c + PCI_SUBSYSTEM_ID));
    }
    if (c[PCI_INTERRUPT_PIN] != 0) {
        g_string_append_printf(out, "      IRQ %u, pin %c\n",
                               c[PCI_INTERRUPT_LINE],
                               'A' + c[PCI_INTERRUPT_PIN] - 1);
    }
    if (d->secondary != NULL) {
        print_bridge(d, out);
    }
    for (unsigned n = 0; n < PCI_NUM_BARS; n++) {
        print_bar(d, n, out);
    }
    g_string_append_printf(out, "      id \"%s\"\n",
                           d->dev.id ? d->dev.id : "");
    if (d->secondary != NULL) {
        pci_print_info(d->secondary, out);
    }
}

void pci_print_info(PciBus *root, GString *out)
{
    for (unsigned devfn = 0; devfn < G_N_ELEMENTS(root->devs); devfn++) {
        if (root->devs[devfn] != NULL) {
            print_function(root->devs[devfn], out);
        }
    }
}
