/*
 * What the guest is to do: "mode=dirty mb=256 rate=50000".
 *
 * Looked for in the fw_cfg file opt/godwit/config, then in the command line
 * that a loader left (PVH start info or Multiboot information), then in
 * fw_cfg's own copy of the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    PVH_MAGIC = 0x336ec578, /* start_info.h: "xEn3" */
    PVH_CMDLINE = 24,       /* offset of cmdline_paddr, 64 bits */
    MULTIBOOT_MAGIC = 0x2badb002,
    MULTIBOOT_CMDLINE = 16, /* offset of cmdline, 32 bits */
    MULTIBOOT_HAS_CMDLINE = 1 << 2,
    TEXT_MAX = 512,
};

Config config = {
    .mode = MODE_IDLE,
    .mode_name = "idle",
    .hz = 1000,
    .report_ms = 100,
    .queues = 1,
    .ring = 256,
    .buffer = 2048,
    .mergeable = 1,
};

static char text[TEXT_MAX];

static const struct {
    const char *name;
    Mode mode;
} modes[] = {
    { "idle", MODE_IDLE },       { "heartbeat", MODE_IDLE },
    { "poll", MODE_POLL },       { "dirty", MODE_DIRTY },
    { "pattern", MODE_PATTERN }, { "l2fwd", MODE_L2FWD },
    { "clock", MODE_CLOCK },     { "ivshmem", MODE_IVSHMEM },
};

static const struct {
    const char *name;
    uint64_t *value;
    uint64_t min, max;
} numbers[] = {
    { "mb", &config.mib, 0, 1 << 20 },
    { "start", &config.start_mib, 0, 1 << 20 },
    { "rate", &config.rate, 0, 100000000 },
    { "touch", &config.touch_mib, 0, 1 << 20 },
    { "hz", &config.hz, 1, 100000 },
    { "report", &config.report_ms, 1, 1000000 },
    { "cpus", &config.cpus, 0, CPU_MAX },
    { "tick", &config.tick_port, 0, 0xffff },
    { "sleep", &config.sleep, 0, 1 },
    { "disk", &config.disk_sectors, 0, 1 << 20 },
    { "dma", &config.dma_pages, 0, 1 << 16 },
    { "queues", &config.queues, 1, 8 },
    { "ring", &config.ring, 16, 1024 },
    { "buffer", &config.buffer, 128, 4096 },
    { "echo", &config.echo, 0, 1 },
    { "mrg", &config.mergeable, 0, 1 },
};

static bool parse_number(const char *s, uint64_t *ret)
{
    uint64_t val = 0;
    unsigned base = 10;

    if (s[0] == '0' && s[1] == 'x') {
        base = 16;
        s += 2;
    }
    if (!*s) {
        return false;
    }
    for (; *s; s++) {
        unsigned digit = *s >= 'a' ? *s - 'a' + 10u : *s - '0' + 0u;

        if (digit >= base || val > UINT64_MAX / 32) {
            return false;
        }
        val = val * base + digit;
    }
    *ret = val;
    return true;
}

static bool set(const char *key, const char *val)
{
    if (str_equal(key, "mode")) {
        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
            if (str_equal(val, modes[i].name)) {
                config.mode = modes[i].mode;
                config.mode_name = modes[i].name;
                return true;
            }
        }
        return false;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t n;

        if (str_equal(key, numbers[i].name)) {
            if (!parse_number(val, &n) || n < numbers[i].min ||
                n > numbers[i].max) {
                return false;
            }
            *numbers[i].value = n;
            return true;
        }
    }
    return false;
}

static void parse(char *s)
{
    while (*s) {
        char *word, *val = NULL;
        char last;

        while (*s == ' ' || *s == ',') {
            s++;
        }
        for (word = s; *s && *s != ' ' && *s != ','; s++) {
            if (*s == '=' && !val) {
                *s = '\0';
                val = s + 1;
            }
        }
        last = *s;
        *s = '\0';
        /* Words without "=" (a kernel's name, console=...) are not ours. */
        if (val && !set(word, val)) {
            say("FAIL config %s=%s", word, val);
        }
        if (last) {
            s++;
        }
    }
}

static bool load_fwcfg_file(void)
{
    uint16_t key;
    uint32_t size = fwcfg_find("opt/godwit/config", &key);

    if (!size) {
        return false;
    }
    if (size >= TEXT_MAX) {
        size = TEXT_MAX - 1;
    }
    fwcfg_read(key, text, size);
    text[size] = '\0';
    return true;
}

static bool copy_text(const char *src)
{
    unsigned i;

    if (!src || (uintptr_t)src > 16 * MIB - TEXT_MAX || !*src) {
        return false;
    }
    for (i = 0; i < TEXT_MAX - 1 && src[i]; i++) {
        text[i] = src[i];
    }
    text[i] = '\0';
    return true;
}

static bool load_boot_info(uint32_t magic, uint32_t boot_info)
{
    const uint8_t *info = (const uint8_t *)(uintptr_t)boot_info;

    /* The first 16 MiB are mapped this early. */
    if (!boot_info || boot_info > 16 * MIB - 64) {
        return false;
    }
    if (magic == MULTIBOOT_MAGIC) {
        uint32_t flags = *(const uint32_t *)info;
        uint32_t where = *(const uint32_t *)(info + MULTIBOOT_CMDLINE);

        return flags & MULTIBOOT_HAS_CMDLINE &&
               copy_text((char *)(uintptr_t)where);
    }
    if (*(const uint32_t *)info == PVH_MAGIC) {
        return copy_text((char *)*(const uint64_t *)(info + PVH_CMDLINE));
    }
    return false;
}

static bool load_fwcfg_cmdline(void)
{
    uint32_t size = 0;

    fwcfg_read(FWCFG_CMDLINE_SIZE, &size, sizeof(size));
    if (!size) {
        return false;
    }
    if (size >= TEXT_MAX) {
        size = TEXT_MAX - 1;
    }
    fwcfg_read(FWCFG_CMDLINE_DATA, text, size);
    text[size] = '\0';
    return true;
}

void config_load(uint32_t magic, uint32_t boot_info)
{
    if (load_fwcfg_file() || load_boot_info(magic, boot_info) ||
        load_fwcfg_cmdline()) {
        parse(text);
    }
}
