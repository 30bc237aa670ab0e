/*
 * bulk.c - answers GET / with a greeting and GET /bulk with a file, read from
 * the page cache piece by piece as nginx does it, for the `tls` benchmark.
 *
 *     bulk --listen 127.0.0.1:8443 --certfile FILE --keyfile FILE --file FILE
 */
#include <eddy/app.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES (64 * 1024)

static int file = -1;
static int64_t file_size;

static int greet(ed_req *req)
{
    return ed_reply(req, 200, "Hello, world!\n");
}

static int bulk(ed_req *req)
{
    static char piece[PIECE_BYTES]; /* taken before ed_write_bytes() waits */
    int64_t at = 0;
    int err = ed_reply_begin(req, 200, file_size);

    while (!err && at < file_size) {
        ssize_t n = pread(file, piece, sizeof(piece), at);
        if (n <= 0)
            return n ? -errno : ED_EEOF;
        at += n;
        err = ed_write_bytes(req, ed_bytes_of(piece, (size_t)n));
    }
    return err;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    struct stat st;
    ed_app *app = ed_app_new();

    /* Before ed_main() reads its own options: the routes need the file. */
    ed_option(app, "file", &path, "FILE", "what GET /bulk answers");
    for (int i = 1; i + 1 < argc; i++)
        if (ed_bytes_equal(ed_bytes(argv[i]), ED_BYTES("--file")))
            path = argv[i + 1];
    if (path)
        file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &st)) {
        perror(path ? path : "bulk: --file");
        return 1;
    }
    file_size = st.st_size;
    ed_route(app, "GET /", greet);
    ed_route(app, "GET /bulk", bulk);
    return ed_main(app, argc, argv);
}
