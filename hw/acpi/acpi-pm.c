/*
 * ACPI fixed hardware: PM1 event and control, PM timer, one GPE block of
 * sixteen or 64 events.  (ACPI Specification 6.4, sections 4.8.3 and 4.8.4.)
 *
 * The interrupt doesn't wait for SCI_EN, as machines have it that these
 * register blocks are used by: without SMM nobody else would hear of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/acpi-pm.h"

#include "system/vm.h"
#include "util/error.h"

#define PM_TIMER_HZ   3579545
#define PM_TIMER_MASK 0xffffff /* 24 bits */
#define PM_TIMER_HALF 0x800000

enum {
    PM1_SCI_SOURCES = ACPI_PM1_TMR_STS | ACPI_PM1_GBL_STS |
                      ACPI_PM1_PWRBTN_STS | ACPI_PM1_RTC_STS,
    SLP_TYP_S5 = 0, /* what the tables of these machines say */
    SLP_TYP_S3 = 1,
};

/* Timer */

static int64_t now_ticks(const AcpiPm *pm)
{
    int64_t ns = clock_get_ns(pm->dev->vm->clocks, CLOCK_TYPE_VIRTUAL);

    return (__int128)ns * PM_TIMER_HZ / NSEC_PER_SEC;
}

/* The first moment at which the counter has reached `ticks`. */
static int64_t ticks_to_ns(int64_t ticks)
{
    __int128 ns = (__int128)ticks * NSEC_PER_SEC;

    ns = (ns + PM_TIMER_HZ - 1) / PM_TIMER_HZ;
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

static void next_overflow(AcpiPm *pm)
{
    pm->overflow_ticks =
        (now_ticks(pm) + PM_TIMER_HALF) & ~(int64_t)(PM_TIMER_HALF - 1);
}

static void check_overflow(AcpiPm *pm)
{
    if (now_ticks(pm) >= pm->overflow_ticks) {
        pm->pm1_sts |= ACPI_PM1_TMR_STS;
    }
}

static void update_timer(AcpiPm *pm)
{
    if ((pm->pm1_en & ACPI_PM1_TMR_STS) && !(pm->pm1_sts & ACPI_PM1_TMR_STS)) {
        timer_mod(&pm->timer, ticks_to_ns(pm->overflow_ticks));
    } else {
        timer_del(&pm->timer);
    }
}

void acpi_pm_update_sci(AcpiPm *pm)
{
    check_overflow(pm);
    irq_set(&pm->sci, (pm->pm1_sts & pm->pm1_en & PM1_SCI_SOURCES) != 0 ||
                          (pm->gpe_sts & pm->gpe_en) != 0);
    update_timer(pm);
}

static void timer_fired(void *opaque)
{
    acpi_pm_update_sci(opaque);
}

uint64_t acpi_pm_tmr_read(AcpiPm *pm, unsigned off, unsigned size)
{
    return (now_ticks(pm) & PM_TIMER_MASK) >> (off * 8);
}

/* Life */

void acpi_pm_init(AcpiPm *pm, Device *dev, unsigned gpe_events)
{
    pm->dev = dev;
    pm->gpe_bytes = gpe_events / 8;
    timer_init(&pm->timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL, timer_fired,
               pm);
    next_overflow(pm);
}

void acpi_pm_fini(AcpiPm *pm)
{
    timer_del(&pm->timer);
}

void acpi_pm_reset(AcpiPm *pm)
{
    pm->pm1_sts = 0;
    pm->pm1_en = 0;
    pm->pm1_cnt = 0;
    pm->gpe_sts = 0;
    pm->gpe_en = 0;
    next_overflow(pm);
    acpi_pm_update_sci(pm);
}

bool acpi_pm_post_load(AcpiPm *pm, GError **errp)
{
    if (pm->overflow_ticks < 0) {
        error_setf(errp, "PM timer overflow at tick %" PRId64 ": negative",
                   pm->overflow_ticks);
        return false;
    }
    return true;
}

void acpi_pm_raise(AcpiPm *pm, uint16_t sts)
{
    pm->pm1_sts |= sts;
    acpi_pm_update_sci(pm);
}

void acpi_pm_raise_gpe(AcpiPm *pm, uint64_t sts)
{
    pm->gpe_sts |= sts;
    acpi_pm_update_sci(pm);
}

/* Registers.  Accesses of any size are cut out of, or into, the whole. */

static uint32_t acpi_pm_merge(uint32_t old, unsigned off, uint32_t val,
                              unsigned size)
{
    uint32_t mask = MAKE_64BIT_MASK(0, size * 8) << (off * 8);

    return (old & ~mask) | ((val << (off * 8)) & mask);
}

uint64_t acpi_pm_evt_read(AcpiPm *pm, unsigned off, unsigned size)
{
    check_overflow(pm);
    return (pm->pm1_sts | (uint32_t)pm->pm1_en << 16) >> (off * 8);
}

void acpi_pm_evt_write(AcpiPm *pm, unsigned off, uint32_t val, unsigned size)
{
    uint16_t clear = acpi_pm_merge(0, off, val, size);

    check_overflow(pm);
    if (clear & pm->pm1_sts & ACPI_PM1_TMR_STS) {
        next_overflow(pm);
    }
    pm->pm1_sts &= ~clear;
    pm->pm1_en =
        acpi_pm_merge((uint32_t)pm->pm1_en << 16, off, val, size) >> 16;
    acpi_pm_update_sci(pm);
}

uint64_t acpi_pm_cnt_read(AcpiPm *pm, unsigned off, unsigned size)
{
    return pm->pm1_cnt >> (off * 8);
}

/* SLP_EN takes effect as it is written and never reads as one. */
static void enter_sleep(AcpiPm *pm, unsigned type)
{
    Vm *vm = pm->dev->vm;

    if (type == SLP_TYP_S5 || (pm->s4 && type == pm->s4_val)) {
        vm_request_shutdown(vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else if (pm->s3 && type == SLP_TYP_S3) {
        vm_request_suspend(vm);
    }
}

void acpi_pm_cnt_write(AcpiPm *pm, unsigned off, uint32_t val, unsigned size)
{
    uint16_t cnt = acpi_pm_merge(pm->pm1_cnt, off, val, size);

    pm->pm1_cnt = cnt & ~ACPI_PM1_SLP_EN;
    if (cnt & ACPI_PM1_SLP_EN) {
        enter_sleep(pm, (cnt >> ACPI_PM1_SLP_TYP_SHIFT) & 7);
    }
}

/* The half of status registers is in front of that of enable registers. */
static uint8_t gpe_byte(const AcpiPm *pm, unsigned off)
{
    if (off >= 2 * pm->gpe_bytes) {
        return 0;
    }
    return off < pm->gpe_bytes ? pm->gpe_sts >> (off * 8)
                               : pm->gpe_en >> ((off - pm->gpe_bytes) * 8);
}

uint64_t acpi_pm_gpe_read(AcpiPm *pm, unsigned off, unsigned size)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        val |= (uint64_t)gpe_byte(pm, off + i) << (i * 8);
    }
    return val;
}

static void gpe_write_byte(AcpiPm *pm, unsigned off, uint8_t val)
{
    if (off < pm->gpe_bytes) {
        pm->gpe_sts &= ~((uint64_t)val << (off * 8));
    } else if (off < 2 * pm->gpe_bytes) {
        unsigned shift = (off - pm->gpe_bytes) * 8;

        pm->gpe_en &= ~(UINT64_C(0xff) << shift);
        pm->gpe_en |= (uint64_t)val << shift;
    }
}

void acpi_pm_gpe_write(AcpiPm *pm, unsigned off, uint32_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        gpe_write_byte(pm, off + i, val >> (i * 8));
    }
    acpi_pm_update_sci(pm);
}
