/*
 * Sectors of the first IDE disk that are checked and rewritten for ever.
 *
 * Source: ATA/ATAPI-6 (T13/1410D), READ SECTOR(S) and WRITE SECTOR(S), PIO.
 * One sector at a time, by the first CPU, with heartbeats while it waits: a
 * machine is stopped in the middle of a transfer as well as between two.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    SECTOR_SIZE = 512,
    SECTOR_WORDS = SECTOR_SIZE / 8,
    IDE_DATA = 0x1f0,
    IDE_COUNT = 0x1f2,
    IDE_LBA0 = 0x1f3,
    IDE_LBA1 = 0x1f4,
    IDE_LBA2 = 0x1f5,
    IDE_DRIVE = 0x1f6, /* and bits 24..27 of the address */
    IDE_STATUS = 0x1f7,
    IDE_COMMAND = 0x1f7,
    IDE_CONTROL = 0x3f6,
    CONTROL_NO_IRQ = 1 << 1,
    DRIVE_LBA = 0xe0, /* the first drive */
    STATUS_DATA = 1 << 3,
    STATUS_BUSY = 1 << 7,
    STATUS_ABSENT = 0xff, /* nobody drives the bus */
    CMD_READ = 0x20,
    CMD_WRITE = 0x30,
};

static struct {
    uint64_t buf[SECTOR_WORDS];
    uint64_t fails;
    uint64_t next;       /* sector of the next step */
    uint64_t generation; /* that this pass writes */
} disk;

static uint64_t disk_word(uint64_t sector, uint64_t generation, unsigned i)
{
    return i == 0 ? sector
                  : mix64(sector * 0x9e3779b97f4a7c15ull + generation) + i;
}

static void disk_fail(const char *what, uint64_t sector, uint64_t expected,
                      uint64_t got)
{
    enum { MAX_LINES = 20 };

    if (++disk.fails <= MAX_LINES) {
        say("FAIL disk %s sector=%u generation=%u expected=%x got=%x", what,
            sector, disk.generation, expected, got);
    }
}

uint8_t ata_wait(Cpu *cpu)
{
    uint8_t status;

    while ((status = inb(IDE_STATUS)) & STATUS_BUSY) {
        if (status == STATUS_ABSENT) {
            break;
        }
        heartbeat(cpu);
    }
    return status;
}

void ata_command(Cpu *cpu, uint8_t command, uint64_t sector, uint8_t count)
{
    outb(IDE_DRIVE, DRIVE_LBA | (sector >> 24 & 0xf));
    ata_wait(cpu);
    outb(IDE_CONTROL, CONTROL_NO_IRQ);
    outb(IDE_COUNT, count);
    outb(IDE_LBA0, sector & 0xff);
    outb(IDE_LBA1, sector >> 8 & 0xff);
    outb(IDE_LBA2, sector >> 16 & 0xff);
    outb(IDE_COMMAND, command);
}

/* Start a command; true once data can be moved. */
static bool disk_start(Cpu *cpu, uint8_t command, uint64_t sector)
{
    uint8_t status;

    ata_command(cpu, command, sector, 1);
    do {
        status = ata_wait(cpu);
        if (status == STATUS_ABSENT || status & ATA_FAILED) {
            disk_fail("status", sector, STATUS_DATA, status);
            return false;
        }
    } while (!(status & STATUS_DATA));
    return true;
}

static void disk_write(Cpu *cpu, uint64_t sector)
{
    const uint64_t *src = disk.buf;
    uint64_t words = SECTOR_SIZE / 2;
    uint8_t status;

    for (unsigned i = 0; i < SECTOR_WORDS; i++) {
        disk.buf[i] = disk_word(sector, disk.generation, i);
    }
    if (!disk_start(cpu, CMD_WRITE, sector)) {
        return;
    }
    __asm__ volatile("cld; rep outsw"
                     : "+S"(src), "+c"(words)
                     : "d"(IDE_DATA)
                     : "memory");
    status = ata_wait(cpu);
    if (status & ATA_FAILED) {
        disk_fail("write", sector, 0, status);
    }
}

static void disk_expect(Cpu *cpu, uint64_t sector, uint64_t generation)
{
    uint64_t *dst = disk.buf;
    uint64_t words = SECTOR_SIZE / 2;

    if (!disk_start(cpu, CMD_READ, sector)) {
        return;
    }
    __asm__ volatile("cld; rep insw"
                     : "+D"(dst), "+c"(words)
                     : "d"(IDE_DATA)
                     : "memory");
    for (unsigned i = 0; i < SECTOR_WORDS; i++) {
        uint64_t want = disk_word(sector, generation, i);

        if (disk.buf[i] != want) {
            disk_fail("data", sector, want, disk.buf[i]);
            return;
        }
    }
}

void disk_fill(Cpu *cpu)
{
    for (uint64_t i = 0; i < config.disk_sectors; i++) {
        disk_write(cpu, i);
    }
    disk.generation = 1;
}

static void disk_step(Cpu *cpu)
{
    disk_expect(cpu, disk.next, disk.generation - 1);
    disk_write(cpu, disk.next);
    if (++disk.next < config.disk_sectors) {
        return;
    }
    disk.next = 0;
    cpu->fails += disk.fails;
    disk.fails = 0;
    if ((int64_t)(cpu->last_tsc - cpu->next_disk_tsc) >= 0) {
        cpu->next_disk_tsc = cpu->last_tsc + config.report_ms * tsc_khz;
        say("disk pass=%u", disk.generation);
    }
    disk.generation++;
}

void disk_pace(Cpu *cpu, uint64_t pages_done)
{
    uint64_t n = config.disk_sectors;

    if (cpu->id != 0) {
        return;
    }
    for (uint64_t i = pages_done * n / cpu->npages;
         i < (pages_done + 1) * n / cpu->npages; i++) {
        disk_step(cpu);
    }
}
