/*
 * scenarios_static.c - a server of files.
 *
 * The files and the app are made once, before anything is disturbed: setting up
 * an app may abort without memory.
 */
#include "scenario_server.h"
#include "scenarios_run.h"
#include "tree.h"

#include <eddy/client.h>
#include <eddy/server.h>
#include <eddy/static.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than a socket takes at once. Over TCP, for which the virtual clock does
 * not wait, less than is ever on its way for long. */
enum { LARGE = 3000000, MEDIUM = 40000 };

static ed_app *app;
static char directory[] = "/tmp/eddy-scenario-XXXXXX";

/* ---- the files ---- */

static void remove_files(void)
{
    ed_app_free(app);
    (void)tree_remove(directory);
}

static int make_file(const char *name, size_t size)
{
    char path[80];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    if (!f)
        return ED_EUSAGE;
    for (size_t i = 0; i < size; i++)
        putc('a' + (int)(i % 26), f);
    return fclose(f) ? ED_EUSAGE : 0;
}

/* Of "hello", so that the client has something to decode. */
static int make_gzip(const char *name)
{
    static const unsigned char bytes[] = {
        0x1f, 0x8b, 0x08, 0,    0,    0,    0,    0, 0,
        0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0, 0x86,
        0xa6, 0x10, 0x36, 0x05, 0,    0,    0,
    };
    char path[80];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(bytes, sizeof bytes, 1, f) != 1)
        return ED_EUSAGE;
    return fclose(f) ? ED_EUSAGE : 0;
}

static int give_url(ed_req *req)
{
    const char *url = ed_static_url(req, "small.css");
    return url ? ed_redirect(req, 302, url) : ED_ENOMEM;
}

static int make_files(void)
{
    if (app)
        return 0;
    if (!mkdtemp(directory) || make_file("small.css", 1000) ||
        make_gzip("small.css.gz") || make_file("large", LARGE) ||
        make_file("medium", MEDIUM))
        return ED_EUSAGE;
    app = ed_app_new();
    atexit(remove_files);
    ed_route(app, "GET /versioned", give_url);
    return ed_static(app, "", directory, .list = true);
}

/* ---- the session ---- */

/* Gets what is behind a path, of so many bytes. */
static int get(ed_client *client, const char *base, const char *path,
               int status, size_t len)
{
    char url[200];
    ed_res *res = NULL;
    snprintf(url, sizeof url, "%s%s", base, path);
    int err = ed_fetch(&res, url, .client = client);
    if (err)
        return err;
    /* Where a call has failed, an honest error may come instead. */
    bool right = ed_res_status(res) == status;
    if (right && len && ed_res_body(res).len != len)
        return SCENARIO_CORRUPT;
    return right ? 0 : ED_EPROTO;
}

static int get_some(ed_client *client, const char *base, bool tls)
{
    int err = tls ? get(client, base, "/medium", 200, MEDIUM)
                  : get(client, base, "/large", 200, LARGE);
    err = err ? err : get(client, base, "/small.css", 200, 0);
    err = err ? err : get(client, base, "/versioned", 200, 0);
    err = err ? err : get(client, base, "/none", 404, 0);
    return err ? err : get(client, base, "/", 200, 0);
}

/* Both say what URLs begin with. */
static int listen_tls(ed_server *server, char *base, size_t size)
{
    char address[ED_ADDR_TEXT];
    int err = ed_server_listen(server, "127.0.0.1:0", .tls = secured.server);
    if (err)
        return err;
    ed_server_address(server, 0, address);
    snprintf(base, size, "https://%s", address);
    return 0;
}

static int listen_unix(ed_server *server, char *base, size_t size)
{
    char address[80];
    snprintf(address, sizeof address, "unix:%s/socket", directory);
    snprintf(base, size, "http+unix://%%2Ftmp%%2F%s%%2Fsocket",
             strrchr(directory, '/') + 1);
    return ed_server_listen(server, address);
}

static int with_files(bool tls)
{
    char base[ED_ADDR_TEXT + 20];
    int err = make_files();
    err = err || !tls ? err : make_secured();
    if (err)
        return err;
    ed_client *client CLIENT_AUTO =
        ed_client_new(.tls = tls ? secured.client : NULL);
    ed_server *server SERVER_AUTO = ed_server_new(ed_app_handle, .user = app);
    if (!server || !client)
        return ED_ENOMEM;
    err = tls ? listen_tls(server, base, sizeof base)
              : listen_unix(server, base, sizeof base);
    if (err)
        return err;
    ed_scope(s);
    ed_go(s, serve, server);
    err = get_some(client, base, tls);
    ed_server_stop(server);
    int served = ed_wait(s);
    return err ? err : served;
}

int run_static_files(void *arg)
{
    (void)arg;
    return with_files(false);
}

int run_static_files_tls(void *arg)
{
    (void)arg;
    return with_files(true);
}
