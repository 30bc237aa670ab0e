/*
 * dashboard.c - a page made from three services, in the time of the slowest.
 *
 *     dashboard --user http://127.0.0.1:9001/ --shop http://127.0.0.1:9002/ ...
 *     curl 127.0.0.1:8080/dashboard
 */
/* [dashboard] */
#include <eddy/eddy.h>

static const char *user_url, *shop_url, *reviews_url;

/* GET /dashboard */
static int dashboard(ed_req *req)
{
    ed_res *user, *shop, *reviews;

    ed_scope(s, .within = 800 * ED_MS); /* for all of them together */
    ed_go_get(s, &user, user_url);
    ed_go_get(s, &shop, shop_url);
    ed_go_get(s, &reviews, reviews_url);
    int err = ed_wait(s); /* the first failure cancels the others */
    if (err)
        return err; /* an honest 502 or 504 */
    return ed_reply_json(req, 200, "{s:o, s:o, s:o}", "user", ed_res_json(user),
                         "shop", ed_res_json(shop), "reviews",
                         ed_res_json(reviews));
}
/* [/dashboard] */

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    user_url = shop_url = reviews_url = "http://127.0.0.1:9000/";
    ed_option(app, "user", &user_url, "URL", "the service of users");
    ed_option(app, "shop", &shop_url, "URL", "the service of shops");
    ed_option(app, "reviews", &reviews_url, "URL", "the service of reviews");
    ed_route(app, "GET /dashboard", dashboard);
    return ed_main(app, argc, argv);
}
