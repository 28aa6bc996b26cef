/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libcurl, loaded only when it is needed: the functions of it that are called here. */
#ifndef VFHOOK_PVEAPI_CURL_H
#define VFHOOK_PVEAPI_CURL_H

/* The types alone come from curl's header: calls go through pointers, which its macros refuse. */
#define CURL_DISABLE_TYPECHECK
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>

#include "src/base/error.h"

struct curl_api {
	__typeof__(&curl_global_init) global_init;
	__typeof__(&curl_global_cleanup) global_cleanup;
	__typeof__(&curl_easy_init) easy_init;
	__typeof__(&curl_easy_setopt) easy_setopt;
	__typeof__(&curl_easy_perform) easy_perform;
	__typeof__(&curl_easy_getinfo) easy_getinfo;
	__typeof__(&curl_easy_strerror) easy_strerror;
	__typeof__(&curl_easy_cleanup) easy_cleanup;
	__typeof__(&curl_slist_append) slist_append;
	__typeof__(&curl_slist_free_all) slist_free_all;
};

/* dlopen() it. -ENOENT with what to install. The library stays loaded. */
int curl_load(struct curl_api *api, struct error *err);

#endif
