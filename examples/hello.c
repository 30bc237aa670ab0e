/*
 * hello.c - the smallest web service: two routes and a main().
 */
#include <eddy/app.h>

/* GET / */
static int index_page(ed_req *req)
{
    return ed_reply(req, 200, "Hello, world!\n");
}

/* GET /hello/{name} */
static int hello(ed_req *req)
{
    return ed_reply(req, 200, "Hello, %s!\n", ed_arg(req, "name"));
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_route(app, "GET /", index_page);
    ed_route(app, "GET /hello/{name}", hello);
    return ed_main(app, argc, argv);
}
