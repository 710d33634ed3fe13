/*
 * AHCI: Physical Region Descriptor Tables, by which data moves.
 *
 * Behaviour: AHCI 1.3.1, 4.2.3.3.  An entry: address (le64), a reserved word,
 * and one with the count of bytes less one in its low 22 bits.
 *
 * What the guest writes into a table while a command works on it may or may
 * not be seen, as with hardware that fetches ahead.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ahci-priv.h"
#include "util/bswap.h"

#define PRD_BYTES_MASK 0x3fffff

void ahci_prdt_init(AhciPrdt *t, uint64_t addr, uint32_t entries)
{
    t->next = addr;
    t->left = entries;
    t->cur_addr = 0;
    t->cur_len = 0;
    t->cache_at = t->cache_len = 0;
}

static bool prdt_fetch(AhciPrdt *t, Ahci *s)
{
    unsigned n = MIN(t->left, (uint32_t)AHCI_PRD_CACHE);

    if (pci_dma_read(&s->pci, t->next, t->cache, (size_t)n * AHCI_PRD_SIZE) !=
        MEM_OK) {
        return false;
    }
    t->next += (uint64_t)n * AHCI_PRD_SIZE;
    t->left -= n;
    t->cache_at = 0;
    t->cache_len = n;
    return true;
}

/* The next region; false: there is none, or the table can't be read. */
static bool prdt_next(AhciPrdt *t, Ahci *s, bool *ret_bad)
{
    const uint8_t *e;

    if (t->cache_at == t->cache_len) {
        if (t->left == 0) {
            return false;
        }
        if (!prdt_fetch(t, s)) {
            *ret_bad = true;
            return false;
        }
    }
    e = t->cache + (size_t)t->cache_at++ * AHCI_PRD_SIZE;
    t->cur_addr = ldq_le_p(e);
    t->cur_len = (ldl_le_p(e + 12) & PRD_BYTES_MASK) + 1;
    return true;
}

size_t ahci_prdt_copy(AhciPrdt *t, Ahci *s, uint8_t *buf, size_t len,
                      bool to_guest, bool *ret_bad)
{
    size_t done = 0;

    while (done < len) {
        size_t n;
        MemResult r;

        if (t->cur_len == 0 && !prdt_next(t, s, ret_bad)) {
            break;
        }
        n = MIN(len - done, (size_t)t->cur_len);
        r = to_guest ? pci_dma_write(&s->pci, t->cur_addr, buf + done, n)
                     : pci_dma_read(&s->pci, t->cur_addr, buf + done, n);
        if (r != MEM_OK) {
            *ret_bad = true;
            break;
        }
        t->cur_addr += n;
        t->cur_len -= n;
        done += n;
    }
    return done;
}
