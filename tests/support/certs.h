/*
 * certs.h - certificates for tests, made anew in a folder of their own.
 *
 *     certs_open();
 *     certs_make(.file = "site", .names = "a.org,*.a.org,127.0.0.1");
 *     ed_tls_server(&tls, .certificate = certs_path("site.pem"),
 *                   .key = certs_path("site.key"));
 *     ed_tls_client(&tls, .ca = certs_path("ca.pem"));
 *     certs_close();
 *
 * certs_open() makes the issuer, "ca" (ca.pem, ca.key), who signs what says
 * nothing else. What fails here ends the program with a message: it is no part
 * of any test. One folder at a time; one thread.
 */
#ifndef EDDY_TESTS_CERTS_H
#define EDDY_TESTS_CERTS_H

#include <eddy/api.h>

enum cert_key { CERT_EC, CERT_RSA, CERT_RSA_WEAK };

struct cert {
    size_t size;
    const char *file; /* FILE.pem, with the chain up to the CA, and FILE.key */
    /* Alternative names, commas between; addresses are recognised. */
    const char *names;
    const char *common_name; /* NULL: the file's name */
    const char *issuer;      /* the file's name; NULL: "ca", "": itself */
    enum cert_key key;
    const char
        *key_of; /* the file's name of a key to use instead of a new one */
    /* In days from now; both 0: since yesterday, for 30 days. */
    int from, until;
    bool ca;     /* may sign others */
    bool client; /* for clients instead of servers */
};

void certs_open(void);
void certs_close(void);
int certs_tear_down(void **state); /* certs_close() for cmocka */

/* The path of a file in the folder; "": the folder. One of the last 16. */
const char *certs_path(const char *file);

/* Makes a certificate and its key. */
#define certs_make(...) certs_make_with(ED_OPTIONS(struct cert, __VA_ARGS__))
void certs_make_with(const struct cert *cert);

/* Writes the issuer's OCSP response about a certificate to FILE.ocsp; `until`
 * in days from now, 0: none is said. */
void certs_ocsp(const char *file, bool revoked, int until);

/* Appends the issuer's list of revoked certificates, with one in it, to
 * another file of the folder. */
void certs_revoke(const char *file, const char *append_to);

/* Writes a text to a file, copies a file, appends one to another. */
void certs_write(const char *file, const char *text);
void certs_copy(const char *file, const char *from);
void certs_append(const char *file, const char *from);

/* Leaves nothing but the first certificate in a file: the chain is gone. */
void certs_cut(const char *file);

/* "sha256//BASE64" of a certificate's key, and "sha256:HEX" of itself; to be
 * freed. */
char *certs_pin_of_key(const char *file);
char *certs_pin(const char *file);

#endif
