/*
 * Guest memory as a vCPU sees it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/guest-memory.h"

#include "system/vm.h"
#include "target/i386/cpu.h"
#include "util/bswap.h"

/* In system management mode a CPU sees more than others. */
static AddressSpace *space_of(Vcpu *cpu)
{
    Memory *mem = &cpu->vm->mem;

    return cpu->x86 && (cpu->x86->hflags & X86_HF_SMM) && mem->smm.view
               ? &mem->smm
               : &mem->memory;
}

bool vcpu_load_phys(void *opaque, uint64_t pa, unsigned size, uint64_t *ret)
{
    uint8_t buf[8] = { 0 };
    Vcpu *cpu = opaque;

    if (size > sizeof(buf) || vm_memory_awaited(cpu->vm) ||
        address_space_read(space_of(cpu), pa, buf, size) != MEM_OK) {
        return false;
    }
    *ret = ldq_le_p(buf);
    return true;
}

bool vcpu_virt_to_phys(Vcpu *cpu, uint64_t va, uint64_t *ret_pa)
{
    return cpu->x86 && vcpu_sync_state(cpu, NULL) &&
           x86_cpu_virt_to_phys(cpu->x86, va, vcpu_load_phys, cpu, ret_pa);
}

static bool copy_virt(Vcpu *cpu, uint64_t va, uint8_t *buf, size_t len,
                      bool write)
{
    if (vm_memory_awaited(cpu->vm)) {
        return false;
    }
    while (len > 0) {
        size_t n = MIN(len, RAM_PAGE_SIZE - (va & (RAM_PAGE_SIZE - 1)));
        AddressSpace *as;
        uint64_t pa;
        MemResult r;

        if (!vcpu_virt_to_phys(cpu, va, &pa)) {
            return false;
        }
        as = space_of(cpu);
        r = write ? address_space_write_rom(as, pa, buf, n)
                  : address_space_read(as, pa, buf, n);
        if (r != MEM_OK) {
            return false;
        }
        va += n;
        buf += n;
        len -= n;
    }
    return true;
}

bool vcpu_read_virt(Vcpu *cpu, uint64_t va, void *buf, size_t len)
{
    return copy_virt(cpu, va, buf, len, false);
}

bool vcpu_write_virt(Vcpu *cpu, uint64_t va, const void *buf, size_t len)
{
    return copy_virt(cpu, va, (uint8_t *)(uintptr_t)buf, len, true);
}
