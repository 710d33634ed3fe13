/*
 * Every device type, by folder.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/ged.h"
#include "hw/acpi/ich9-smb.h"
#include "hw/acpi/piix4-pm.h"
#include "hw/acpi/vmgenid.h"
#include "hw/block/pflash.h"
#include "hw/block/virtio-blk.h"
#include "hw/core/device.h"
#include "hw/display/vga.h"
#include "hw/display/virtio-gpu.h"
#include "hw/i386/fw-cfg.h"
#include "hw/i386/isabus-bridge.h"
#include "hw/ide/ahci.h"
#include "hw/ide/ide.h"
#include "hw/input/virtio-input.h"
#include "hw/isa/ich9-lpc.h"
#include "hw/isa/isa-devices.h"
#include "hw/isa/piix3.h"
#include "hw/misc/i6300esb.h"
#include "hw/misc/ivshmem.h"
#include "hw/misc/pci-testdev.h"
#include "hw/misc/pvpanic.h"
#include "hw/net/e1000.h"
#include "hw/net/e1000e.h"
#include "hw/net/virtio-net.h"
#include "hw/pci/i440fx.h"
#include "hw/pci/mch.h"
#include "hw/pci/pci-bridge.h"
#include "hw/scsi/scsi.h"
#include "hw/usb/usb-devices.h"
#include "hw/virtio/virtio-devices.h"

const DeviceType *const device_table[] = {
    /* acpi */
    &ich9_smb_type,
    &piix4_pm_type,
    &vmgenid_type,
    /* char */
    &debugcon_type,
    &serial_isa_type,
    &parallel_isa_type,
    /* display */
    &vga_type,
    &virtio_gpu_pci_type,
    &virtio_vga_type,
    /* i386 */
    &acpi_ged_type,
    &fw_cfg_io_type,
    &isabus_bridge_type,
    /* ide */
    &ich9_ahci_type,
    &ide_cd_type,
    &ide_hd_type,
    &piix3_ide_type,
    /* input */
    &virtio_keyboard_pci_type,
    &virtio_mouse_pci_type,
    &virtio_tablet_pci_type,
    /* intc */
    &apic_type,
    &i8259_type,
    &ioapic_type,
    &kvm_apic_type,
    &kvm_i8259_type,
    &kvm_ioapic_type,
    /* isa */
    &fdc_type,
    &i8042_type,
    &i8257_type,
    &ich9_lpc_type,
    &piix3_type,
    &port92_type,
    &ps2_kbd_type,
    &ps2_mouse_type,
    /* misc */
    &debug_exit_type,
    &ib700_type,
    &i6300esb_type,
    &ivshmem_doorbell_type,
    &ivshmem_plain_type,
    &kvmvapic_type,
    &pc_testdev_type,
    &pci_testdev_type,
    &pvpanic_isa_type,
    &pvpanic_pci_type,
    &vmmouse_type,
    &vmport_type,
    /* net */
    &e1000_type,
    &e1000e_type,
    &virtio_net_pci_non_transitional_type,
    &virtio_net_pci_transitional_type,
    &virtio_net_pci_type,
    /* pci */
    &i440fx_pcihost_type,
    &i440fx_type,
    &ioh3420_type,
    &mch_type,
    &pci_bridge_type,
    &pcie_pci_bridge_type,
    &pcie_root_port_type,
    &q35_pcihost_type,
    /* scsi */
    &scsi_cd_type,
    &scsi_hd_type,
    &virtio_scsi_pci_non_transitional_type,
    &virtio_scsi_pci_transitional_type,
    &virtio_scsi_pci_type,
    /* timer */
    &hpet_type,
    &kvm_pit_type,
    &pcspk_type,
    &pit_type,
    &rtc_type,
    /* usb */
    &ich9_usb_uhci1_type,
    &ich9_usb_uhci2_type,
    &ich9_usb_uhci3_type,
    &ich9_usb_uhci4_type,
    &ich9_usb_uhci5_type,
    &ich9_usb_uhci6_type,
    &piix3_usb_uhci_type,
    &piix4_usb_uhci_type,
    &qemu_xhci_type,
    &usb_hub_type,
    &usb_kbd_type,
    &usb_mouse_type,
    &usb_tablet_type,
    /* block */
    &virtio_blk_pci_non_transitional_type,
    &virtio_blk_pci_transitional_type,
    &virtio_blk_pci_type,
    &pflash_cfi01_type,
    /* virtio */
    &virtconsole_type,
    &virtio_balloon_pci_non_transitional_type,
    &virtio_balloon_pci_transitional_type,
    &virtio_balloon_pci_type,
    &virtio_rng_pci_non_transitional_type,
    &virtio_rng_pci_transitional_type,
    &virtio_rng_pci_type,
    &virtio_serial_pci_non_transitional_type,
    &virtio_serial_pci_transitional_type,
    &virtio_serial_pci_type,
    &virtserialport_type,
    NULL,
};
