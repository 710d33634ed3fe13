/*
 * Pages that only a device writes to: the first IDE disk, as bus master.
 *
 * Sources: Intel 82371SB (PIIX3) data sheet, bus master IDE registers and
 * IDE configuration; "Programming Interface for Bus Master IDE Controller",
 * rev. 1.0 (physical region descriptors); ATA/ATAPI-6, READ DMA, WRITE DMA.
 *
 * The pages lie between others that the CPU writes, so that what is known of
 * both kinds of writes has to be put together page by page. A page's next
 * version goes from a buffer to the disk and from there into the page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    PAGE_WORDS = PAGE_SIZE / 8,
    PAGE_SECTORS = PAGE_SIZE / 512,
    PCI_ADDRESS = 0xcf8,
    PCI_DATA = 0xcfc,
    PCI_IDE = 0x80000900, /* 00:01.1 */
    PCI_COMMAND = 0x04,
    PCI_COMMAND_IO_MASTER = 5,
    PCI_BAR4 = 0x20,
    BM_BASE = 0xc000,
    BM_COMMAND = BM_BASE,
    BM_STATUS = BM_BASE + 2,
    BM_TABLE = BM_BASE + 4,
    BM_START = 1 << 0,
    BM_TO_MEMORY = 1 << 3,
    BM_ACTIVE = 1 << 0,
    BM_ERROR = 1 << 1,
    BM_INTERRUPT = 1 << 2,
    ATA_READ_DMA = 0xc8,
    ATA_WRITE_DMA = 0xca,
};

static struct {
    uint64_t buf[PAGE_WORDS] __attribute__((aligned(PAGE_SIZE)));
    uint32_t table[2] __attribute__((aligned(8))); /* one region */
    uint64_t fails;
    uint64_t next;       /* page of the next step */
    uint64_t generation; /* that this pass writes */
} dma;

bool dma_owns(const Cpu *cpu, uint64_t index)
{
    uint64_t i = index - cpu->first_page;

    return cpu->id == 0 && i < 2 * config.dma_pages && i % 2 == 0;
}

static uint64_t *dma_page(const Cpu *cpu, uint64_t i)
{
    return memory_page(cpu->first_page + 2 * i);
}

static uint64_t dma_word(uint64_t i, uint64_t generation, unsigned word)
{
    return mix64(i * 0xd1b54a32d192ed03ull + generation) + word;
}

static void dma_fail(uint64_t i, const char *what, uint64_t expected,
                     uint64_t got)
{
    enum { MAX_LINES = 20 };

    if (++dma.fails <= MAX_LINES) {
        say("FAIL dma %s page=%u generation=%u expected=%x got=%x", what, i,
            dma.generation, expected, got);
    }
}

static void dma_transfer(Cpu *cpu, uint64_t i, uint8_t command, void *mem)
{
    uint8_t direction = command == ATA_READ_DMA ? BM_TO_MEMORY : 0;
    uint8_t status;

    dma.table[0] = (uintptr_t)mem;
    dma.table[1] = PAGE_SIZE | 1u << 31; /* the last region */
    outl(BM_TABLE, (uintptr_t)dma.table);
    outb(BM_COMMAND, direction);
    outb(BM_STATUS, BM_ERROR | BM_INTERRUPT);
    ata_command(cpu, command, config.disk_sectors + i * PAGE_SECTORS,
                PAGE_SECTORS);
    outb(BM_COMMAND, direction | BM_START);
    while ((status = inb(BM_STATUS)) & BM_ACTIVE) {
        heartbeat(cpu);
    }
    outb(BM_COMMAND, direction);
    if (status & BM_ERROR) {
        dma_fail(i, "bus master status", 0, status);
    }
    status = ata_wait(cpu);
    if (status & ATA_FAILED) {
        dma_fail(i, "drive status", 0, status);
    }
}

static void dma_expect(const Cpu *cpu, uint64_t i, uint64_t generation)
{
    const uint64_t *page = dma_page(cpu, i);

    for (unsigned w = 0; w < PAGE_WORDS; w++) {
        uint64_t want = dma_word(i, generation, w);

        if (page[w] != want) {
            dma_fail(i, "data", want, page[w]);
            return;
        }
    }
}

static void dma_renew(Cpu *cpu, uint64_t i)
{
    for (unsigned w = 0; w < PAGE_WORDS; w++) {
        dma.buf[w] = dma_word(i, dma.generation, w);
    }
    dma_transfer(cpu, i, ATA_WRITE_DMA, dma.buf);
    dma_transfer(cpu, i, ATA_READ_DMA, dma_page(cpu, i));
}

void dma_fill(Cpu *cpu)
{
    if (config.dma_pages > cpu->npages / 2) {
        config.dma_pages = cpu->npages / 2;
    }
    if (!config.dma_pages) {
        return;
    }
    outl(PCI_ADDRESS, PCI_IDE | PCI_BAR4);
    outl(PCI_DATA, BM_BASE | 1);
    outl(PCI_ADDRESS, PCI_IDE | PCI_COMMAND);
    outw(PCI_DATA, PCI_COMMAND_IO_MASTER);
    for (uint64_t i = 0; i < config.dma_pages; i++) {
        dma_renew(cpu, i);
    }
    dma.generation = 1;
}

static void dma_step(Cpu *cpu)
{
    uint64_t n = config.dma_pages, far = dma.next + n / 2;

    dma_expect(cpu, dma.next, dma.generation - 1);
    dma_renew(cpu, dma.next);
    /* Half a pass away: renewed already, or not yet. */
    dma_expect(cpu, far % n,
               far < n ? dma.generation - (n > 1) : dma.generation);
    if (++dma.next == n) {
        dma.next = 0;
        cpu->fails += dma.fails;
        dma.fails = 0;
        dma.generation++;
    }
}

void dma_pace(Cpu *cpu, uint64_t pages_done)
{
    uint64_t n = config.dma_pages;

    if (cpu->id != 0) {
        return;
    }
    for (uint64_t i = pages_done * n / cpu->npages;
         i < (pages_done + 1) * n / cpu->npages; i++) {
        dma_step(cpu);
    }
}
