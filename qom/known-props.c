/*
 * Properties that QEMU 7.2 has and this program hasn't: they are told apart
 * from a slip of the pen.
 *
 * The names are those that Debian's program lists (qom-list-properties and
 * device-list-properties); docs/compat.md has them, made anew by
 * scripts/compat-report, and a test compares.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qom/known-props.h"

#include "util/error.h"

/* Patterns of types, and names, with blanks between them. */
static const struct {
    const char *types;
    const char *names;
} known_props[] = {
    /* Of every PCI function. */
    { "*", "failover_pair_id x-pcie-extcap-init x-pcie-lnksta-dllla" },
    { "ICH9-LPC",
      "acpi_disable_cmd acpi_enable_cmd cpu-hotplug-legacy gpe0_blk "
      "gpe0_blk_len pm_io_base sci_int x-keep-pci-slot-hpc "
      "x-smi-negotiated-features" },
    { "ICH9-LPC PIIX4_PM", "memory-hotplug-support smm-compat" },
    { "PIIX4_PM", "x-not-migrate-acpi-index" },
    { "VGA", "big-endian-framebuffer global-vmstate" },
    { "cfi.pflash01", "big-endian device-width id0 id1 id2 id3 "
                      "max-device-width old-multiple-chip-handling width" },
    { "apic kvm-apic", "legacy-instance-id" },
    { "filter-mirror filter-redirector", "vnet_hdr_support" },
    { "i440FX-pcihost", "pci-hole64-size" },
    { "i440FX-pcihost q35-pcihost",
      "bypass-iommu pci-hole-end pci-hole-start pci-hole64-end "
      "pci-hole64-start short_root_bus x-config-reg-migration-enabled "
      "x-pci-hole64-fix" },
    { "q35-pcihost", "MCFG above-4g-mem-size below-4g-mem-size io-mem "
                     "mcfg_size pci-mem ram-mem system-mem" },
    { "ioh3420 pcie-root-port", "x-native-hotplug" },
    { "pcie-root-port", "x-migrate-msix" },
    { "isa-fdc", "bootindexA bootindexB fallback fdtypeA fdtypeB" },
    { "isa-pcspk", "audiodev migrate pit" },
    { "kvm-ioapic", "gsi_base" },
    { "kvm-accel", "notify-vmexit notify-window xen-evtchn-max-pirq "
                   "xen-gnttab-max-frames xen-version" },
    { "tcg-accel", "split-wx" },
    { "*-machine *-x86_64-cpu", "memory" },
    { "*-machine",
      "boot bus-lock-ratelimit confidential-guest-support cxl cxl-fmw "
      "default-bus-bypass-iommu device-memory-region-size dt-compatible dtb "
      "dumpdtb hmat memory-encryption nvdimm nvdimm-persistence "
      "pcspk-audiodev "
      "phandle-start sgx-epc smp suppress-vmdesc system.flash0 "
      "system.flash1" },
    { "*-x86_64-cpu",
      "crash-information hv-no-nonarch-coresharing hv-spinlocks "
      "hv-vendor-id hv-version-id-build hv-version-id-major "
      "hv-version-id-minor hv-version-id-sbranch hv-version-id-snumber "
      "hv-version-id-spack lbr-fmt lbr_fmt min-xlevel2 ucode-rev "
      "x-hv-max-vps x-hv-synic-kvm-only x-intel-pt-auto-level" },
    { "qemu-xhci", "host xhci-core" },
    { "rng-*", "opened" },
    { "virtio-vga", "big-endian-framebuffer" },
    { "virtio-*-pci* virtio-vga",
      "aer ats migrate-extra modern-pio-notify use-disabled-flag use-started "
      "virtio-backend virtio-pci-bus-master-bug-migration x-ats-page-aligned "
      "x-disable-legacy-check x-disable-pcie x-ignore-backend-features "
      "x-pcie-deverr-init x-pcie-flr-init x-pcie-lnkctl-init "
      "x-pcie-pm-init" },
    { "vmmouse", "i8042" },
};

/* Is @name one of the words, or does it fit one of the patterns? */
static bool fits_one(const char *words, bool patterns, const char *name)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    for (unsigned i = 0; list[i] != NULL; i++) {
        if (patterns ? g_pattern_match_simple(list[i], name)
                     : g_str_equal(list[i], name)) {
            return true;
        }
    }
    return false;
}

void object_prop_missing(const char *type, const char *name, GError **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known_props); i++) {
        if (fits_one(known_props[i].types, true, type) &&
            fits_one(known_props[i].names, false, name)) {
            error_setf(errp, "Property '%s.%s' is not in this version", type,
                       name);
            return;
        }
    }
    error_setf(errp, "Property '%s.%s' not found", type, name);
}
