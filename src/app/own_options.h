/*
 * own_options.h - what an app adds to the settings of the program that serves
 * it.
 */
#ifndef EDDY_APP_OWN_OPTIONS_H
#define EDDY_APP_OWN_OPTIONS_H

/* ed_option() */
struct ed_option {
    struct ed_option *next;
    const char *name;
    const char **value;
    const char *placeholder;
    const char *help;
};

/* ed_setting(): another default for a setting there is. */
struct ed_option_default {
    struct ed_option_default *next;
    const char *name;
    const char *value;
};

#endif
