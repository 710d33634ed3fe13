/*
 * Options that make networks: -netdev, -nic, -net, and what a board gets
 * without any of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include "hw/net/nic.h"
#include "net/netdev-opts.h"
#include "util/cutils.h"
#include "util/error.h"

static void print_types(Cli *cli)
{
    g_autoptr(GString) out = g_string_new(NULL);

    netdev_print_types(out);
    fputs(out->str, stdout);
    cli->done = true;
}

bool cli_netdev(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(Netdev) nd = NULL;
    g_autoptr(KeyVal) kv = NULL;

    if (*a->text == '{') {
        nd = netdev_from_json_text(a->text, errp);
    } else {
        kv = cli_arg_keyval(a, "type", errp);
        if (kv == NULL) {
            return false;
        }
        if (keyval_wants_help(kv)) {
            print_types(cli);
            return true;
        }
        nd = netdev_from_keyval(kv, errp);
    }
    return nd != NULL && netdev_add(cli->vm->networks, nd, errp);
}

/* ------------------------------------------------------- -nic and -net --- */

/* Keys of a card rather than of a back end; -nic and -net nic call some of
 * them differently. */
static const struct {
    const char *nic, *net; /* NULL: not known there */
    size_t offset;         /* in BoardNic */
} card_keys[] = {
    { "model", "model", offsetof(BoardNic, model) },
    { "mac", "macaddr", offsetof(BoardNic, mac) },
    { "addr", "addr", offsetof(BoardNic, addr) },
    { "vectors", "vectors", offsetof(BoardNic, vectors) },
    { NULL, "netdev", offsetof(BoardNic, netdev) },
};

/* Moves the card's keys of an option into a new BoardNic, the others to
 * @rest. */
static BoardNic *take_card_keys(const KeyVal *kv, bool is_nic, KeyVal *rest)
{
    BoardNic *n = g_new0(BoardNic, 1);

    for (unsigned i = 0; i < keyval_count(kv); i++) {
        const char *key = keyval_key_at(kv, i);
        char **field = NULL;

        for (unsigned k = 0; k < G_N_ELEMENTS(card_keys); k++) {
            const char *name = is_nic ? card_keys[k].nic : card_keys[k].net;

            if (name != NULL && g_str_equal(key, name)) {
                field = (char **)((char *)n + card_keys[k].offset);
            }
        }
        if (field != NULL) {
            g_free(*field);
            *field = g_strdup(keyval_value_at(kv, i));
        } else {
            keyval_add(rest, key, keyval_value_at(kv, i));
        }
    }
    return n;
}

/* "#net123": as users know a back end that has no name. */
static char *free_net_name(Networks *nets)
{
    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("#net%03u", n);

        if (net_port_find(nets, name) == NULL) {
            return g_steal_pointer(&name);
        }
    }
}

static bool models_help(Cli *cli, const BoardNic *n)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (g_strcmp0(n->model, "help") != 0) {
        return false;
    }
    nic_models_print(out);
    fputs(out->str, stdout);
    cli->done = true;
    return true;
}

static bool check_mac(const BoardNic *n, GError **errp)
{
    NetMac mac;

    if (n->mac != NULL && !net_mac_parse(n->mac, &mac)) {
        error_setf(errp, "invalid syntax for ethernet address");
        return false;
    }
    if (n->mac != NULL && eth_is_multicast(mac.a)) {
        error_setf(errp, "NIC cannot have multicast MAC address (odd 1st "
                         "byte)");
        return false;
    }
    return true;
}

static void add_nic(Cli *cli, BoardNic *n)
{
    Machine *m = cli->vm->machine;

    if (m->nics == NULL) {
        m->nics =
            g_ptr_array_new_with_free_func((GDestroyNotify)board_nic_free);
    }
    g_ptr_array_add(m->nics, n);
}

/* A back end named @id, from the keys that are left of an option. */
static bool make_netdev(Cli *cli, KeyVal *rest, const char *id, GError **errp)
{
    g_autoptr(Netdev) nd = NULL;

    if (id != NULL) {
        keyval_add(rest, "id", id);
    }
    nd = netdev_from_keyval(rest, errp);
    return nd != NULL && netdev_add(cli->vm->networks, nd, errp);
}

static bool is_type(const KeyVal *kv, const char *type)
{
    for (unsigned i = 0; i < keyval_count(kv); i++) {
        if (g_str_equal(keyval_key_at(kv, i), "type")) {
            return g_str_equal(keyval_value_at(kv, i), type);
        }
    }
    return false;
}

bool cli_nic(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "type", errp);
    g_autoptr(KeyVal) rest = keyval_new();
    g_autofree char *own = NULL;
    const char *id;
    BoardNic *n;

    if (kv == NULL) {
        return false;
    }
    if (keyval_wants_help(kv)) {
        print_types(cli);
        return true;
    }
    if (is_type(kv, "none")) {
        return true;
    }
    n = take_card_keys(kv, true, rest);
    own = free_net_name(cli->vm->networks);
    id = keyval_has(rest, "id") ? keyval_get(rest, "id") : own;
    if (models_help(cli, n)) {
        board_nic_free(n);
        return true;
    }
    if (!check_mac(n, errp) || !make_netdev(cli, rest, id, errp)) {
        board_nic_free(n);
        return false;
    }
    n->netdev = g_strdup(id);
    add_nic(cli, n);
    return true;
}

/* -net nic: a card, at a socket of hub 0 unless netdev= says another. */
static bool net_nic(Cli *cli, BoardNic *n, KeyVal *rest, GError **errp)
{
    Networks *nets = cli->vm->networks;

    keyval_get(rest, "type");
    if (keyval_get(rest, "name") != NULL) {
        error_setf(errp, "'name' of a card is not supported: use -device with "
                         "an id");
        return false;
    }
    if (!cli_check_keys(rest, errp) || !check_mac(n, errp)) {
        return false;
    }
    if (n->netdev == NULL) {
        n->netdev = g_strdup(net_hub_add_port(nets, 0, NULL)->name);
        return true;
    }
    if (net_port_find(nets, n->netdev) == NULL) {
        error_setf(errp, "netdev '%s' not found", n->netdev);
        return false;
    }
    return true;
}

bool cli_net(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "type", errp);
    g_autoptr(KeyVal) rest = keyval_new();
    Networks *nets = cli->vm->networks;
    g_autofree char *own = NULL;
    const char *id;
    BoardNic *n;

    if (kv == NULL) {
        return false;
    }
    if (keyval_wants_help(kv)) {
        print_types(cli);
        return true;
    }
    if (is_type(kv, "none")) {
        return true;
    }
    if (is_type(kv, "nic")) {
        n = take_card_keys(kv, false, rest);
        if (!models_help(cli, n) && !net_nic(cli, n, rest, errp)) {
            board_nic_free(n);
            return false;
        }
        add_nic(cli, n);
        return true;
    }
    own = free_net_name(nets);
    id = keyval_has(kv, "id") ? keyval_get(kv, "id") : own;
    if (!make_netdev(cli, kv, id, errp)) {
        return false;
    }
    net_port_join(net_hub_add_port(nets, 0, NULL), net_port_find(nets, id));
    return true;
}

/* ------------------------------------------------------------ defaults --- */

bool cli_default_net(Cli *cli, GError **errp)
{
    Networks *nets = cli->vm->networks;
    const char *model = cli->vm->machine->type->default_nic;
    g_autoptr(KeyVal) user = keyval_new();
    BoardNic *n;

    for (unsigned i = 0; i < cli->args->len; i++) {
        const CliArg *a = cli->args->pdata[i];

        if (a->opt->fn == cli_netdev || a->opt->fn == cli_nic ||
            a->opt->fn == cli_net) {
            return true;
        }
    }
    if (cli->nodefaults || model == NULL || nic_model_find(model) == NULL) {
        return true;
    }
    n = g_new0(BoardNic, 1);
    n->netdev = g_strdup(net_hub_add_port(nets, 0, NULL)->name);
    add_nic(cli, n);
    keyval_add(user, "type", "user");
    if (!make_netdev(cli, user, "#net000", errp)) {
        return false;
    }
    net_port_join(net_hub_add_port(nets, 0, NULL),
                  net_port_find(nets, "#net000"));
    return true;
}
