/*
 * tls_names.c - which certificates a server shows for which name.
 *
 * Owns the table from names to certificates. A name is looked for as it is,
 * then as a wildcard for its first label (RFC 9525, 6.3); others get the first
 * certificate. Where several stand for a name, the first of each kind of key
 * counts, and the client decides between kinds.
 */
#include "base/size.h"
#include "net/addr.h"
#include "net/tls_context.h"
#include "base/ascii.h"
#include <eddy/error.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* Writes a name in small letters, without a final dot; false when it is none
 * that a table could hold. */
static bool normal_name(char out[ED_HOST_MAX + 1], struct ed_bytes name)
{
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > ED_HOST_MAX ||
        memchr(name.ptr, 0, name.len))
        return false;
    ed_lower(out, name);
    out[name.len] = '\0';
    return true;
}

/* Adds a certificate to those of a name; false when there is one of its kind
 * already, or no room. */
static bool join(struct ed_tls_choice *choice, const struct ed_tls_identity *id)
{
    int kind = EVP_PKEY_get_base_id(id->key);

    for (unsigned i = 0; i < choice->count; i++) {
        if (EVP_PKEY_get_base_id(choice->list[i]->key) == kind)
            return false;
    }
    if (choice->count == ED_TLS_KINDS)
        return false;
    choice->list[choice->count++] = id;
    return true;
}

static int choice_of(struct ed_tls_names *names, struct ed_bytes name,
                     struct ed_tls_choice **out)
{
    *out = ed_map_get(names->by_name, name);
    if (*out)
        return 0;
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return ED_ENOMEM;
    int err = ed_map_set(names->by_name, name, *out, NULL);
    if (err)
        free(*out);
    return err;
}

/* Takes the certificate in for one of its names: 1 when it will be shown for
 * it, 0, or an error. `beside` becomes false when the name is not one of the
 * first certificate's. */
static int add_name(struct ed_tls_names *names, struct ed_tls_identity *id,
                    const ASN1_STRING *text, bool *beside)
{
    char name[ED_HOST_MAX + 1];
    struct ed_tls_choice *choice;
    struct ed_bytes bytes = ed_bytes_of(ASN1_STRING_get0_data(text),
                                        (size_t)ASN1_STRING_length(text));

    if (!normal_name(name, bytes))
        return 0;
    int err = choice_of(names, ed_bytes(name), &choice);
    if (err)
        return err;
    if (choice->count == 0 || choice->list[0] != names->all[0])
        *beside = false;
    return join(choice, id);
}

/* The number of names it will be shown for, or an error. */
static int add_names(struct ed_tls_names *names, struct ed_tls_identity *id,
                     bool *beside)
{
    GENERAL_NAMES *found =
        X509_get_ext_d2i(id->certificate, NID_subject_alt_name, NULL, NULL);
    int shown = 0;

    for (int i = 0; shown >= 0 && i < sk_GENERAL_NAME_num(found); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(found, i);
        if (name->type != GEN_DNS)
            continue;
        int added = add_name(names, id, name->d.dNSName, beside);
        shown = added < 0 ? added : shown + added;
    }
    GENERAL_NAMES_free(found);
    ERR_clear_error();
    return shown;
}

static int remember(struct ed_tls_names *names, struct ed_tls_identity *id)
{
    struct ed_tls_identity **all;
    size_t size;

    if (!ed_size_mul((size_t)names->count + 1, sizeof(*all), &size))
        return ED_ENOMEM;
    all = realloc(names->all, size);
    if (!all)
        return ED_ENOMEM;
    names->all = all;
    names->all[names->count++] = ed_tls_identity_ref(id);
    if (!names->by_name)
        names->by_name = ed_map_new();
    return names->by_name ? 0 : ED_ENOMEM;
}

int ed_tls_names_add(struct ed_tls_names *names, struct ed_tls_identity *id)
{
    bool first = names->count == 0;
    bool beside = true;
    int err = remember(names, id);

    if (err)
        return err;
    int shown = add_names(names, id, &beside);
    if (shown < 0)
        return shown;
    if (first || beside)
        shown += join(&names->fallback, id);
    if (shown == 0)
        return ed_tls_refuse("%s: another certificate with the same kind of "
                             "key stands for all its names already",
                             id->file);
    return 0;
}

const struct ed_tls_choice *ed_tls_names_find(const struct ed_tls_names *names,
                                              struct ed_bytes name)
{
    char text[ED_HOST_MAX + 1];

    if (names->count == 0)
        return NULL;
    if (!normal_name(text, name))
        return &names->fallback;
    const struct ed_tls_choice *choice =
        ed_map_get(names->by_name, ed_bytes(text));
    if (choice)
        return choice;
    char *dot = strchr(text, '.');
    if (dot && dot > text) {
        dot[-1] = '*';
        choice = ed_map_get(names->by_name, ed_bytes(dot - 1));
    }
    return choice ? choice : &names->fallback;
}

void ed_tls_names_free(struct ed_tls_names *names)
{
    struct ed_map_iter it = {0};

    while (names->by_name && ed_map_next(names->by_name, &it))
        free(it.value);
    ed_map_free(names->by_name);
    for (unsigned i = 0; i < names->count; i++)
        ed_tls_identity_unref(names->all[i]);
    free(names->all);
    *names = (struct ed_tls_names){0};
}
