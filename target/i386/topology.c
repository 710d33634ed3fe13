/*
 * Where a CPU sits, and the APIC id that says so.
 *
 *   APIC id:  | socket | die | core | thread |
 *
 * Each field is as wide as its count needs (SDM volume 3, 9.9.3; AMD APM
 * volume 3, CPUID 0x80000008 ECX).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-model.h"

/* Bits that number `count` things. */
static unsigned width_for(unsigned count)
{
    return count > 1 ? 32 - __builtin_clz(count - 1) : 0;
}

unsigned x86_topology_thread_bits(const X86Topology *t)
{
    return width_for(t->threads);
}

unsigned x86_topology_core_bits(const X86Topology *t)
{
    return width_for(t->cores);
}

unsigned x86_topology_die_bits(const X86Topology *t)
{
    return width_for(t->dies);
}

uint32_t x86_topology_apic_id(const X86Topology *t, unsigned index)
{
    unsigned threads = MAX(t->threads, 1);
    unsigned cores = MAX(t->cores, 1);
    unsigned dies = MAX(t->dies, 1);
    unsigned thread = index % threads;
    unsigned core = index / threads % cores;
    unsigned die = index / (threads * cores) % dies;
    unsigned socket = index / (threads * cores * dies);
    unsigned shift = x86_topology_thread_bits(t);
    uint32_t id = thread | core << shift;

    shift += x86_topology_core_bits(t);
    id |= die << shift;
    shift += x86_topology_die_bits(t);
    return id | socket << shift;
}
