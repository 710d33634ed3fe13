/*
 * A bus for the PCI functions of a test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_PCI_HOST_H
#define TESTS_UNIT_PCI_HOST_H

#include "hw/pci/pci.h"
#include "system/vm.h"

/* A PCI bus needs a device that it belongs to. */
typedef struct TestPciHost {
    Device dev;
    PciBus pci;
} TestPciHost;

static bool test_pci_host_realize(Device *dev, GError **errp)
{
    TestPciHost *h = DEVICE_CAST(TestPciHost, dev);
    Memory *mem = &dev->vm->mem;

    pci_bus_init(&h->pci, dev, "pci.0", &mem->root, &mem->io_root, 0);
    return true;
}

static const DeviceType test_pci_host_type = {
    .name = "test-host",
    .size = sizeof(TestPciHost),
    .bus = BUS_SYSTEM,
    .realize = test_pci_host_realize,
    .vmstate = VMSTATE_NONE,
};

/* The bus goes with the machine. */
static PciBus *test_pci_host_new(Vm *vm)
{
    Device *dev = device_create(vm, &test_pci_host_type, NULL, NULL);

    g_assert_nonnull(dev);
    return &DEVICE_CAST(TestPciHost, dev)->pci;
}

#endif
